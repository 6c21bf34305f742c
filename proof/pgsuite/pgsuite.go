// Package pgsuite runs the suite that every engine has to pass on PostgreSQL
// servers: for PostgreSQL, and for Redshift, which it stands in for.
package pgsuite

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// Fixture is a server as the suite wants it.
type Fixture struct {
	*dbtest.DB
	Engine string // the secrets' engine key. Required.

	// Master is the superuser: a role of its own that is as RDS has it, or the
	// server's own. See [Fixture.MakeMaster].
	Master         string
	MasterPassword redact.String
}

var _ enginetest.Fixture = Fixture{}

// New returns a fixture with the server's own superuser.
func New(db *dbtest.DB, engine string) Fixture {
	return Fixture{db, engine, db.Server.AdminUser, db.Server.AdminPassword}
}

// WithMaster returns a fixture whose superuser is none: it has CREATEROLE, as the
// one that RDS gives out.
func (f Fixture) WithMaster() Fixture {
	f.Master, f.MasterPassword = "master_"+strings.TrimPrefix(f.User, "user_"), redact.New("master")
	f.Exec("CREATE ROLE " + f.Master + " LOGIN CREATEROLE CREATEDB PASSWORD 'master'; GRANT CREATE ON SCHEMA public TO " + f.Master)
	return f
}

// Superuser implements [enginetest.Fixture].
func (f Fixture) Superuser() secretdoc.Document { return f.Document(f.Master, f.MasterPassword) }

// Document implements [enginetest.Fixture].
func (f Fixture) Document(user string, password redact.String) secretdoc.Document {
	return f.DB.Document(func(keys map[string]any) {
		keys["engine"], keys["username"], keys["password"] = f.Engine, user, password.Reveal()
	})
}

// CreateUser implements [enginetest.Fixture]. The master may administer the
// user, as if it had made it.
func (f Fixture) CreateUser(t testing.TB, user string, password redact.String) {
	t.Helper()
	conn, err := f.Server.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	create := "CREATE ROLE " + pgwire.Identifier(user) + " LOGIN PASSWORD " + pgwire.Literal(password.Reveal())
	if f.Master != f.Server.AdminUser {
		create += "; GRANT " + pgwire.Identifier(user) + " TO " + f.Master + " WITH ADMIN OPTION"
	}
	// Quiet is a query of its own: one is logged before any of it is run.
	for _, sql := range []string{f.Quiet(), create} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
}

// DropUser implements [enginetest.Fixture].
func (f Fixture) DropUser(_ testing.TB, user string) {
	if len(f.Exec("SELECT 1 FROM pg_roles WHERE rolname = "+pgwire.Literal(user))) == 1 {
		name := pgwire.Identifier(user)
		f.Exec("REASSIGN OWNED BY " + name + " TO CURRENT_USER; DROP OWNED BY " + name + "; DROP ROLE " + name)
	}
}

// Login implements [enginetest.Fixture].
func (f Fixture) Login(_ testing.TB, user string, password redact.String) bool {
	conn, err := f.Server.Login(context.Background(), user, password, f.Name)
	if err == nil {
		conn.Close(context.Background())
	}
	return err == nil
}

// Right is a right that is granted and revoked by statements in which USER
// stands for the user. The master runs them: from PostgreSQL 16 on only who
// granted something may take it back. It works when the query neither fails nor
// says false.
func (f Fixture) Right(name, grant, revoke, query string) enginetest.Right {
	do := func(sql string) func(testing.TB, string) {
		return func(_ testing.TB, user string) {
			f.Exec("SET ROLE " + f.Master + "; " + strings.ReplaceAll(sql, "USER", pgwire.Identifier(user)))
		}
	}
	return enginetest.Right{Name: name, Grant: do(grant), Revoke: do(revoke), Works: func(t testing.TB, user string, password redact.String) bool {
		t.Helper()
		conn, err := f.Server.Login(context.Background(), user, password, f.Name)
		if err != nil {
			t.Errorf("%q cannot log in", user)
			return false
		}
		defer conn.Close(context.Background())
		results, err := conn.Exec(context.Background(), query).ReadAll()
		return err == nil && (len(results[0].Rows) == 0 || string(results[0].Rows[0][0]) != "f")
	}}
}

// GrantRights are rights by a membership, on a table and on a column.
func (f Fixture) GrantRights() []enginetest.Right {
	readers := "readers_" + strings.TrimPrefix(f.User, "user_")
	f.Exec("CREATE ROLE " + readers + "; GRANT " + readers + " TO " + f.Master + " WITH ADMIN OPTION; SET ROLE " + f.Master +
		"; CREATE TABLE orders (n int); CREATE TABLE stock (n int, note text); GRANT SELECT ON orders TO " + readers)
	return []enginetest.Right{
		f.Right("membership", "GRANT "+readers+" TO USER", "REVOKE "+readers+" FROM USER", "SELECT n FROM orders"),
		f.Right("table", "GRANT SELECT ON stock TO USER", "REVOKE SELECT ON stock FROM USER", "SELECT * FROM stock"),
		f.Right("column", "GRANT UPDATE (note) ON stock TO USER", "REVOKE UPDATE (note) ON stock FROM USER", "UPDATE stock SET note = ''"),
	}
}

// Barred are the ways to keep a role out that the server tells of. That VALID UNTIL
// is over it does not tell.
func (f Fixture) Barred() []enginetest.Barred {
	return []enginetest.Barred{{Name: "NOLOGIN", Code: fault.AccountDisabled, Bar: func(_ testing.TB, user string) {
		f.Exec("ALTER ROLE " + pgwire.Identifier(user) + " NOLOGIN")
	}}}
}

// Locks hold up changes of roles: of all of them, as VACUUM does, and of the suite's,
// as a transaction that has altered them.
func (f Fixture) Locks() []enginetest.Lock {
	hold := func(sql string) func(testing.TB, string) func() {
		return func(t testing.TB, _ string) func() {
			conn, err := f.Server.Admin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "BEGIN; "+sql).ReadAll(); err != nil {
				t.Fatal(err)
			}
			return sync.OnceFunc(func() { conn.Close(context.Background()) })
		}
	}
	return []enginetest.Lock{
		{Name: "all roles", Hold: hold("LOCK TABLE pg_catalog.pg_authid IN SHARE MODE"), Unordered: true},
		{Name: "the role", Hold: hold("SELECT 1 FROM pg_catalog.pg_authid WHERE rolname LIKE 'et%' FOR UPDATE")},
	}
}

// Waiting returns what counts the engine's statements that the server is at work on.
// It is asked often and keeps its connection.
func (f Fixture) Waiting(t testing.TB) func(testing.TB) int {
	conn, err := f.Server.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return func(t testing.TB) int {
		t.Helper()
		results, err := conn.Exec(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tumbler' AND state = 'active'").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(string(results[0].Rows[0][0]))
		return n
	}
}

// Attribute is an attribute of the user itself.
func (f Fixture) Attribute(name, column string) enginetest.Right {
	return f.Right(name, "ALTER ROLE USER "+name, "ALTER ROLE USER NO"+name, "SELECT "+column+" FROM pg_roles WHERE rolname = current_user")
}

// Log is the server's log since the test began, and pg_stat_statements.
func (f Fixture) Log(testing.TB) string {
	statements, _ := f.StatStatements()
	return f.DB.Log() + strings.Join(statements, "\n")
}

// Logins counts the logins by the engine's application name, and those refused,
// which have none.
func (f Fixture) Logins(testing.TB) (accepted, refused int) {
	log := f.DB.Log()
	return strings.Count(log, "application_name=tumbler"), strings.Count(log, "FATAL:  password authentication failed")
}
