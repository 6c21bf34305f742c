package mysql

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "write the golden files")

// Every statement that the engine sends, per dialect.
func TestStatements(t *testing.T) {
	a := account{`o'dd\ "us%er`, `10.0.%`}
	for _, version := range []string{"5.6.24-log", "5.7.44", "8.0.36", "9.7.4", "10.11.14-MariaDB-log"} {
		t.Run(version, func(t *testing.T) {
			d, err := parseVersion(version)
			if err != nil {
				t.Fatal(err)
			}
			plugin := nativePassword
			if d.mysqlFrom(8, 0, 0) {
				plugin = cachingSHA2
			}
			factors := []factor{{plugin, `$A$005$fixed'hash\`}}
			if plugin == nativePassword {
				factors[0].hash = nativeHash(redact.New("new"))
			}
			turn := turnName(a.user)
			statements := []string{identitySQL, d.prepareSQL(), d.prepareTurnSQL(), d.takeTurnSQL(turn), d.awaitTurnSQL(turn), endTurnSQL(turn), probeSQL, showGrantsSQL(a)}
			if d.showsCreateUser() {
				statements = append(statements, showAccountSQL(nil), showAccountSQL(&a))
			}
			statements = append(statements, d.accountsSQL(a.user), d.createSQL(a, factors, "arn:x"), dropSQL(a))
			statements = append(statements, d.passwordSQL(login{a, factors}, login{account{a.user, "localhost"}, factors})...)
			if d.ownByAlter() {
				statements = append(statements, ownPlainSQL(`n'e\w`, "", false), ownPlainSQL(`n'e\w`, `o'ld`, true))
			} else {
				statements = append(statements, ownHashSQL(nativeHash(redact.New("new"))))
			}
			if d.mariadb {
				two := []factor{{plugin: "unix_socket"}, {ed25519Plugin, ed25519Hash(redact.New("new"))}}
				statements = append(append(statements, ownPlainOldSQL(`n'e\w`), quietSQL), d.passwordSQL(login{a, two})...)
			}
			statements = append(statements, columnsSQL("`a`.`t`"))
			if d.keepsTwo() {
				l := login{a, factors}
				statements = append(statements, d.retainSQL(l, l), discardSQL(a, a), ownDiscardSQL)
			}
			if d.marks() {
				statements = append(statements, markSQL(a, "arn:x'y"))
			}
			statements = append(statements, d.optionsSQL(a, accountOptions{
				require: "SUBJECT '/CN=a'", limits: map[string]string{"MAX_USER_CONNECTIONS": "5"}, expire: "NEVER",
			}), d.optionsSQL(a, accountOptions{}))
			for _, s := range d.level(a, wanted(d), surplus(d)) {
				statements = append(statements, s.sql)
				statements = append(statements, s.retry...)
			}
			golden(t, version, strings.Join(statements, ";\n")+";\n")
		})
	}
}

func wanted(d dialect) rights {
	rs := rights{
		{kind: privilege, name: "SELECT", on: "*.*"},
		{kind: privilege, name: grantOption, on: "`a`.*"},
		{kind: privilege, name: "SELECT", on: "`a`.*"},
		{kind: privilege, name: "UPDATE (`c``d`)", on: "`a`.`t`"},
		{kind: privilege, name: "EXECUTE", on: "PROCEDURE `a`.`p`"},
		{kind: proxy, on: "`x`@`%`"},
		{kind: proxyAdmin, on: "`x`@`%`"},
		{kind: privilege, name: allPrivileges, on: "`all`.*"},
		{kind: privilege, name: grantOption, on: "`all`.*"},
	}
	if d.mysqlFrom(8, 0, 0) {
		rs = append(rs, right{kind: dynamic, name: "BACKUP_ADMIN", on: "*.*", grantable: true}, right{kind: restricted, name: "SELECT", on: "`mysql`.*"},
			right{kind: role, on: "`r`@`%`"}, right{kind: roleAdmin, on: "`r`@`%`"}, right{kind: activeRole, on: "`r`@`%`"})
	}
	if d.mariadb {
		rs = append(rs, right{kind: role, on: "`r`"}, right{kind: roleAdmin, on: "`r`"}, right{kind: activeRole, on: "`r`"})
	}
	return rs.sorted()
}

func surplus(d dialect) rights {
	rs := rights{
		{kind: privilege, name: allPrivileges, on: "`a`.*"},
		{kind: privilege, name: "INSERT", on: "`b`.*"},
		{kind: proxy, on: "`y`@`%`"},
		{kind: privilege, name: "SELECT", on: "`all`.*"},
		{kind: privilege, name: "SELECT (`c`)", on: "`a`.`t`"},
	}
	if d.mysqlFrom(8, 0, 0) {
		rs = append(rs, right{kind: dynamic, name: "ROLE_ADMIN", on: "*.*"}, right{kind: role, on: "`old`@`%`"}, right{kind: activeRole, on: "`old`@`%`"})
	}
	if d.mariadb {
		rs = append(rs, right{kind: role, on: "`old`"}, right{kind: roleAdmin, on: "`old`"})
	}
	return rs.sorted()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "statements-"+name+".sql")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (run with -update to accept):\n%s", path, diff)
	}
}
