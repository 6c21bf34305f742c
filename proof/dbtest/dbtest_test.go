package dbtest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

func TestPostgres(t *testing.T) {
	a, b := dbtest.Postgres(t), dbtest.Postgres(t)
	if a.Server != b.Server {
		t.Error("two tests with the same options got two servers")
	}
	if a.User == b.User || a.Name == b.Name {
		t.Error("two tests share a role or a database")
	}
	t.Logf("PostgreSQL %s", a.Server.Version)
	a.Login()
	if got := a.Exec("SELECT 1; SELECT 'x', 'y' UNION SELECT 'z', NULL ORDER BY 1"); len(got) != 2 || !slices.Equal(got[0], []string{"x", "y"}) {
		t.Errorf("Exec = %q", got)
	}
	if log := a.Log(); !strings.Contains(log, "user="+a.User) || !strings.Contains(log, "SELECT 'x', 'y'") {
		t.Errorf("the log shows neither login nor statement:\n%s", log)
	}
	if doc := a.Document(func(keys map[string]any) { keys["ssl"] = false }); doc.Username != a.User || *doc.SSL {
		t.Errorf("the document is %+v", doc)
	}
}

func TestOptionsTellServersApart(t *testing.T) {
	shared := dbtest.Postgres(t)
	md5 := dbtest.Postgres(t, dbtest.MD5())
	own := dbtest.Postgres(t, dbtest.Unshared(t.Name()))
	if shared.Server == md5.Server || shared.Server == own.Server {
		t.Error("tests with different options share a server")
	}
	if got := md5.Exec("SHOW password_encryption")[0][0]; got != "md5" {
		t.Errorf("password_encryption = %q", got)
	}
	own.Server.Stop()
}

// The fixtures' own passwords must not be where tests look for passwords.
func TestFixturesKeepTheirPasswordsOutOfSight(t *testing.T) {
	before := dbtest.Postgres(t)
	after := dbtest.Postgres(t)
	if strings.Contains(before.Log(), after.Password.Reveal()) {
		t.Error("the password of a test's role shows in the log")
	}
	statements, installed := after.StatStatements()
	if !installed {
		t.Log("pg_stat_statements is not installed with this server")
		return
	}
	if len(statements) == 0 || strings.Contains(strings.Join(statements, "\n"), after.Password.Reveal()) {
		t.Errorf("pg_stat_statements has %d statements, or shows a password", len(statements))
	}
}
