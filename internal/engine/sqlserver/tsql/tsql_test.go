package tsql_test

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "write the golden file")

// Every statement and query that is sent, in full.
func TestGolden(t *testing.T) {
	const name = "o'Brien ]x[ \"q\" % \\ ü"
	password, old := redact.New("p'a]s\\s%w\"ö🙂"), redact.New("o'ld")
	settings := tsql.LoginSettings{Database: "a]b", Language: "us_english", CheckPolicy: true}
	table := tsql.Securable{Kind: "OBJECT", Schema: "d]bo", Name: "t'1"}
	column := table
	column.Column = "c]d"
	statements := []string{
		tsql.Probe,
		tsql.Use(name),
		tsql.LoginPassword(name, password, old).Reveal(),
		tsql.LoginPassword(name, password, redact.String{}).Reveal(),
		tsql.UserPassword(name, password, old).Reveal(),
		tsql.UserPassword(name, password, redact.String{}).Reveal(),
		tsql.CreateLogin(name, password, []byte("0123456789abcdef"), settings).Reveal(),
		tsql.AlterLogin(name, settings),
		tsql.EnableLogin(name),
		tsql.CreateUser(name, name, "d]bo"),
		tsql.CreateContainedUser(name, password, "d]bo", "", "arn:aws:secretsmanager:o'x").Reveal(),
		tsql.CreateContainedUser(name, password, "d]bo", "Deutsch", "arn").Reveal(),
		tsql.AlterUserSchema(name, "d]bo"),
		tsql.AlterUserLanguage(name, "Deutsch"),
		tsql.AlterUserLanguage(name, ""),
		tsql.DropUser(name),
		tsql.Membership(true, true, "r]1", name),
		tsql.Membership(true, false, "r]1", name),
		tsql.Membership(false, true, "r]1", name),
		tsql.Membership(false, false, "r]1", name),
		tsql.Permission("VIEW SERVER STATE", tsql.Securable{}, "", tsql.Grant, name),
		tsql.Permission("SELECT", table, "", tsql.GrantWithOption, name),
		tsql.Permission("SELECT", table, tsql.GrantWithOption, tsql.Grant, name),
		tsql.Permission("SELECT", table, tsql.GrantWithOption, tsql.Deny, name),
		tsql.Permission("SELECT", table, tsql.GrantWithOption, "", name),
		tsql.Permission("SELECT", table, tsql.Deny, tsql.Grant, name),
		tsql.Permission("SELECT", table, tsql.Grant, "", name),
		tsql.Permission("SELECT", column, "", tsql.Deny, name),
		tsql.Permission("CONTROL", tsql.Securable{Kind: "SYMMETRIC KEY", Name: "k"}, "", tsql.Grant, name),
		tsql.Self, tsql.Login, tsql.Databases, tsql.Closed, tsql.Triggers, tsql.MayAlterLogin, tsql.SeesServer, tsql.InDatabase, tsql.Users,
		strings.ReplaceAll(tsql.ServerRights(), " UNION ALL ", "\n  UNION ALL "),
		strings.ReplaceAll(tsql.DatabaseRights(), " UNION ALL ", "\n  UNION ALL "),
	}
	got := strings.Join(statements, "\n") + "\n"
	const file = "testdata/statements.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// A quoted text ends where it is meant to: with every doubled mark read as one,
// the rest has no mark left that could end it early.
func TestQuotingCannotBeLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		for quoted, end := range map[string]string{tsql.Name(s): "]", tsql.Text(s)[1:]: "'"} {
			inner := quoted[1 : len(quoted)-1]
			if strings.Contains(strings.ReplaceAll(inner, end+end, ""), end) {
				t.Fatalf("%q can be left", quoted)
			}
			if strings.ReplaceAll(inner, end+end, end) != s {
				t.Fatalf("%q does not read as %q", quoted, s)
			}
		}
	})
}

// Whatever a query reads is in the schema sys, which nobody can add to, and each function
// that it calls is the server's: others cannot be called without their schema.
func TestQueriesReadSysOnly(t *testing.T) {
	relation, call := regexp.MustCompile(`(?i)\b(?:FROM|JOIN|APPLY|INTO)\s+([\w.\[\]]+)`), regexp.MustCompile(`([\w.\]]+)\(`)
	native := strings.Fields("DB_NAME HAS_PERMS_BY_NAME HAS_DBACCESS CONVERT COALESCE SCHEMA_NAME OBJECT_NAME COL_NAME TYPE_NAME nvarchar IN")
	read := 0
	for _, query := range []string{tsql.Self, tsql.Login, tsql.Databases, tsql.Closed, tsql.Users, tsql.ServerRights(), tsql.DatabaseRights()} {
		for _, m := range relation.FindAllStringSubmatch(query, -1) {
			if read++; !strings.HasPrefix(m[1], "sys.") {
				t.Errorf("%s is not the server's: %s", m[1], query)
			}
		}
		for _, m := range call.FindAllStringSubmatch(query, -1) {
			if !slices.Contains(native, m[1]) {
				t.Errorf("%s may be the tenant's: %s", m[1], query)
			}
		}
	}
	if read < 20 {
		t.Errorf("%d relations", read)
	}
}
