package redshift

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The statements that no server of the tests understands, and all others that a
// clone can need.
func TestStatements(t *testing.T) {
	want := &user{
		Name: "app", CreateDB: true, Superuser: true, ValidUntil: "2999-01-02 03:04:05+00", Limit: "7", Syslog: "UNRESTRICTED", Timeout: "120",
		Groups: map[string]bool{"readers": true}, Roles: map[string]bool{"sys:monitor": false, "loader": true, `odd "role`: false},
		Settings: map[string]string{"search_path": `"$user", shop`, "statement_timeout": "60000"},
		Rights: pggrant.Rights{
			{Kind: "TABLE", Schema: "shop", Object: "orders", Privilege: "SELECT"}:                          {Grantable: true},
			{Kind: "TABLE", Schema: "shop", Object: "orders", Column: "note", Privilege: "UPDATE"}:          {},
			{Kind: "SCHEMA", Object: "shop", Privilege: "USAGE"}:                                            {},
			{Kind: "DATABASE", Object: "dev", Privilege: "TEMP"}:                                            {},
			{Kind: "FUNCTION", Schema: "shop", Object: "f", Args: "integer, varchar", Privilege: "EXECUTE"}: {},
			{Kind: "LANGUAGE", Object: "plpythonu", Privilege: "USAGE"}:                                     {},
			{Kind: "DEFAULT TABLES", Owner: "loader", Schema: "shop", Privilege: "SELECT"}:                  {},
			{Kind: "TABLE", Schema: "shop", Object: "own", Privilege: "SELECT"}:                             {Owned: true, Grantable: true},
		},
	}
	opposite := &user{
		Name: "app_clone", Limit: "UNLIMITED", Syslog: "RESTRICTED", Timeout: "0",
		Groups: map[string]bool{"writers": true}, Roles: map[string]bool{"loader": false, "old": true}, Settings: map[string]string{"datestyle": "ISO"},
		Rights: pggrant.Rights{{Kind: "TABLE", Schema: "shop", Object: "made", Privilege: "SELECT"}: {Owned: true, Grantable: true}},
	}
	var out strings.Builder
	print := func(title string, statements ...string) {
		out.WriteString("-- " + title + "\n" + strings.Join(statements, "\n") + "\n")
	}
	print("a password", setPasswordSQL("app", pgwire.MD5("app", redact.New("pencil"))))
	print("reading", usersSQL("app"), groupsSQL("app", "it's"), validitySQL("it's"), disabledSQL("it's"), redshiftViews.about("app", "it's"), redshiftViews.roles("app", "it's"))
	print("reading rights", redshiftViews.rights("app", "it's")...)
	steps := func(title string, original, clone *user) {
		l := &leveling{views: &redshiftViews, original: original, clone: "app_clone"}
		l.plan(engine.CloneRequest{Original: original.Name, Clone: "app_clone", Password: redact.New("pencil")}, clone)
		var statements []string
		for _, step := range l.steps {
			statements = append(statements, step.SQL)
		}
		print(title, statements...)
	}
	steps("a new clone", want, nil)
	steps("a clone that has other rights", want, opposite)
	back := *opposite
	back.Name = "app"
	clone := *want
	clone.Name = "app_clone"
	steps("and back", &back, &clone)

	const golden = "testdata/statements.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), out.String()); diff != "" {
		t.Errorf("run with -update if this is meant to be:\n%s", diff)
	}
}

func TestSettings(t *testing.T) {
	got := settings("search_path=\"$user\", public\napplication_name=two\nlines = three\nstatement_timeout=0")
	want := map[string]string{"search_path": `"$user", public`, "application_name": "two\nlines = three", "statement_timeout": "0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
