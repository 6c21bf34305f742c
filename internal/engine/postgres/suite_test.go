package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/internal/dbserver/dbtest"
	"github.com/tumbler-rotation/tumbler/internal/engine/enginetest"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// TestSuite runs the suite that every engine has to pass, with a superuser such
// as RDS has it.
func TestSuite(t *testing.T) {
	t.Parallel()
	ca := certs.New("our CA")
	for _, version := range []string{"15", ""} {
		for _, separate := range []bool{false, true} {
			db := dbtest.Postgres(t, dbtest.Version(version), dbtest.TLS(ca.Server("127.0.0.1")), dbtest.Unshared(t.Name()))
			name := "PostgreSQL " + db.Server.Version
			if separate {
				name += " with SeparateOwnership"
			}
			f := newFixture(t, db)
			plain := dbtest.Postgres(t, dbtest.Version(version))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				enginetest.Run(t, enginetest.Target{
					Name:    name,
					Engine:  postgres.Engine{Roots: ca.Pool(), SeparateOwnership: separate},
					Fixture: f,
					Rights:  f.rights(separate),
					Marks:   true,
					TLS:     &enginetest.TLS{Distrusting: postgres.Engine{Roots: certs.New("another").Pool()}, WrongHost: "localhost"},
					NoTLS:   new(plain.Document(nil)),
					Log:     func(testing.TB) string { return db.Log() + statements(db) },
					Logins:  func(testing.TB) (int, int) { return logins(db) },
					UserName: func(name string) bool {
						return legalName(name) && len(name) < 50
					},
				})
			})
		}
	}
}

// statements is what pg_stat_statements has.
func statements(db *dbtest.DB) string {
	all, _ := db.StatStatements()
	return strings.Join(all, "\n")
}

// logins counts the logins by the engine's application name, and those refused,
// which have none.
func logins(db *dbtest.DB) (accepted, refused int) {
	log := db.Log()
	return strings.Count(log, "application_name=tumbler"), strings.Count(log, "FATAL:  password authentication failed")
}

// fixture is a server as the suite wants it.
type fixture struct {
	*dbtest.DB
	master string
}

func newFixture(t *testing.T, db *dbtest.DB) fixture {
	f := fixture{db, "master_" + strings.TrimPrefix(db.User, "user_")}
	db.Exec(db.Quiet() + "CREATE ROLE " + f.master + " LOGIN CREATEROLE CREATEDB PASSWORD 'master'; CREATE TABLE orders (n int); CREATE TABLE stock (n int, note text);" +
		"CREATE ROLE readers_" + f.master + "; GRANT SELECT ON orders TO readers_" + f.master + "; ALTER TABLE stock OWNER TO " + f.master + "; GRANT CREATE ON SCHEMA public TO " + f.master +
		"; GRANT readers_" + f.master + " TO " + f.master + " WITH ADMIN OPTION")
	return f
}

func (f fixture) Superuser() secretdoc.Document { return f.Document(f.master, redact.New("master")) }

func (f fixture) Document(user string, password redact.String) secretdoc.Document {
	return f.DB.Document(func(keys map[string]any) { keys["username"], keys["password"] = user, password.Reveal() })
}

// CreateUser creates a role that the master may administer, as if it had made it.
func (f fixture) CreateUser(t testing.TB, user string, password redact.String) {
	conn, err := f.Server.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		f.Quiet(), // in a query of its own: one is logged before any of it is run
		"CREATE ROLE " + q(user) + " LOGIN PASSWORD " + lit(password.Reveal()) + "; GRANT " + q(user) + " TO " + f.master + " WITH ADMIN OPTION",
	} {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
}

func (f fixture) DropUser(_ testing.TB, user string) {
	if len(f.Exec("SELECT 1 FROM pg_roles WHERE rolname = "+lit(user))) == 1 {
		f.Exec("REASSIGN OWNED BY " + q(user) + " TO CURRENT_USER; DROP OWNED BY " + q(user) + "; DROP ROLE " + q(user))
	}
}

func (f fixture) Login(_ testing.TB, user string, password redact.String) bool {
	conn, err := f.Server.Login(context.Background(), user, password, f.Name)
	if err == nil {
		conn.Close(context.Background())
	}
	return err == nil
}

// rights are such as show in the clone itself: what the original is granted on
// tables and by memberships comes to a clone that acts as it without a change.
func (f fixture) rights(separate bool) []enginetest.Right {
	works := func(statement string) func(testing.TB, string, redact.String) bool {
		return func(t testing.TB, user string, password redact.String) bool {
			conn, err := f.Server.Login(context.Background(), user, password, f.Name)
			if err != nil {
				t.Errorf("%q cannot log in", user)
				return false
			}
			defer conn.Close(context.Background())
			results, err := conn.Exec(context.Background(), statement).ReadAll()
			return err == nil && (len(results[0].Rows) == 0 || string(results[0].Rows[0][0]) != "f")
		}
	}
	right := func(name, grant, revoke, statement string) enginetest.Right {
		do := func(sql string) func(testing.TB, string) {
			return func(_ testing.TB, user string) { f.Exec(strings.ReplaceAll(sql, "USER", q(user))) }
		}
		return enginetest.Right{Name: name, Grant: do(grant), Revoke: do(revoke), Works: works(statement)}
	}
	// By the master: from PostgreSQL 16 on only who granted a membership, or
	// a right on a table, may take it back.
	by := "SET ROLE " + f.master + "; "
	member := right("membership", by+"GRANT readers_"+f.master+" TO USER", by+"REVOKE readers_"+f.master+" FROM USER", "SELECT n FROM orders")
	createDB := right("CREATEDB", "ALTER ROLE USER CREATEDB", "ALTER ROLE USER NOCREATEDB", "SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user")
	if !separate {
		return []enginetest.Right{
			createDB,
			right("CREATEROLE", "ALTER ROLE USER CREATEROLE", "ALTER ROLE USER NOCREATEROLE", "SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user"),
		}
	}
	return []enginetest.Right{
		member, createDB,
		right("table", by+"GRANT SELECT ON stock TO USER", by+"REVOKE SELECT ON stock FROM USER", "SELECT * FROM stock"),
		right("column", by+"GRANT UPDATE (note) ON stock TO USER", by+"REVOKE UPDATE (note) ON stock FROM USER", "UPDATE stock SET note = ''"),
	}
}
