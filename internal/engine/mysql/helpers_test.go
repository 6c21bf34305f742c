package mysql_test

import (
	"database/sql"
	"flag"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", "30") // each check logs in several times
	}
	leakcheck.Main(dbtest.Stopping(m))
}

// authority signs the servers' certificates.
var authority = sync.OnceValue(func() *certs.Authority { return certs.New("Tumbler's tests") })

// product is a server of the family.
type product struct {
	name  string
	start func(t testing.TB, key string, cfg dbserver.MySQL) *dbtest.MySQLServer
	tls   bool
}

var (
	mariaDB = product{"MariaDB", dbtest.MariaDB, true}
	mysql56 = product{"MySQL 5.6", dbtest.MySQL56, false}
	mysql9  = product{"MySQL 8+", dbtest.MySQL, true}
)

// each runs a test on every server of the family.
func each(t *testing.T, test func(*testing.T, *server)) {
	for _, p := range []product{mariaDB, mysql56, mysql9} {
		t.Run(p.name, func(t *testing.T) { test(t, p.server(t)) })
	}
}

// server is a server with TLS, where it knows any, and with a superuser that has
// what a master user of RDS has.
type server struct {
	*dbtest.MySQLServer
	product
	engine mysql.Engine
	super  secretdoc.Document

	// patience is how often the fixture tries a refused login again:
	// go-sql-driver/mysql 1.10, as it is, takes a challenge of ed25519 that happens
	// to end in a zero byte for one with a terminator.
	patience int
}

var certificate = sync.OnceValue(func() *certs.Pair { return authority().Server("127.0.0.1") })

func (p product) server(t testing.TB) *server {
	t.Helper()
	cfg := dbserver.MySQL{Settings: map[string]string{"max_connect_errors": "1000000"}}
	if p.tls {
		cfg.TLS = certificate()
	}
	s := &server{MySQLServer: p.start(t, "", cfg), product: p, engine: mysql.Engine{Roots: authority().Pool()}}
	s.super = s.master(t)
	return s
}

// own returns a server that no other test uses, with TLS where it knows any.
func (p product) own(t testing.TB, key string, settings map[string]string) *server {
	t.Helper()
	cfg := dbserver.MySQL{Settings: settings}
	if p.tls {
		cfg.TLS = certificate()
	}
	return &server{MySQLServer: p.start(t, key, cfg), product: p, engine: mysql.Engine{Roots: authority().Pool()}}
}

// The privileges of a master user. Source: Amazon RDS user guide, "Master user
// account privileges".
const masterPrivileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, " +
	"CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, " +
	"CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"

// newer reports whether the server is MySQL 8 or later.
func (s *server) newer() bool { return s.name == mysql9.name }

// master creates a user like RDS's master user.
func (s *server) master(t testing.TB) secretdoc.Document {
	user, password := "m"+s.Name()[:11], dbtest.Password()
	s.createUser(user, password)
	s.Exec("GRANT " + masterPrivileges + " ON *.* TO " + at(user) + " WITH GRANT OPTION")
	if s.newer() {
		s.Exec("GRANT ROLE_ADMIN, APPLICATION_PASSWORD_ADMIN, BACKUP_ADMIN ON *.* TO " + at(user) + " WITH GRANT OPTION")
	}
	t.Cleanup(func() { _ = s.Try("DROP USER " + at(user)) })
	return s.Document(user, password, nil)
}

func at(user string) string { return dbtest.MySQLText(user) + "@'%'" }

func (s *server) createUser(user string, password redact.String) {
	s.Quietly("CREATE USER " + at(user) + " IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
}

// user creates a user that is dropped when the test ends, together with its
// clone.
func (s *server) user(t testing.TB) (string, redact.String) {
	t.Helper()
	user, password := s.Name()[:10], dbtest.Password()
	s.createUser(user, password)
	s.dropLater(t, user)
	return user, password
}

func (s *server) dropLater(t testing.TB, user string) {
	t.Cleanup(func() {
		s.DropUser(t, user)
		s.DropUser(t, user+"_clone")
	})
}

// open logs in by the engine.
func (s *server) open(t testing.TB, doc secretdoc.Document) engine.Session {
	t.Helper()
	session, err := s.engine.Connect(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

// The suite's fixture.

func (s *server) Superuser() secretdoc.Document { return s.super }

func (s *server) Document(user string, password redact.String, change ...func(map[string]any)) secretdoc.Document {
	return s.MySQLServer.Document(user, password, func(keys map[string]any) {
		for _, c := range change {
			if c != nil {
				c(keys)
			}
		}
	})
}

func (s *server) DropUser(_ testing.TB, user string) {
	for _, row := range s.Exec("SELECT Host FROM mysql.user WHERE User = " + dbtest.MySQLText(user)) {
		_ = s.Try("DROP USER " + dbtest.MySQLText(user) + "@" + dbtest.MySQLText(row[0]))
	}
}

func (s *server) accepts(user string, password redact.String) bool {
	_, ok, _ := s.As(user, password, "SELECT 1")
	for i := 0; i < s.patience && !ok; i++ {
		_, ok, _ = s.As(user, password, "SELECT 1")
	}
	return ok
}

// grants returns SHOW GRANTS without hashes.
func (s *server) grants(user, host string) string {
	var lines []string
	for _, row := range s.Exec("SHOW GRANTS FOR " + dbtest.MySQLText(user) + "@" + dbtest.MySQLText(host)) {
		lines = append(lines, row[0])
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// counters returns a function that reads how many logins there have been, over
// a connection of its own.
func (s *server) counters(t testing.TB) func(testing.TB) (accepted, refused int) {
	db, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return func(t testing.TB) (int, int) {
		t.Helper()
		// The server counts a refused login after it has answered, and before the
		// connection leaves its list.
		for connecting(t, db) {
			time.Sleep(10 * time.Millisecond)
		}
		all, broken := status(t, db, "Connections"), status(t, db, "Aborted_connects")
		return all - broken, broken
	}
}

// connecting reports whether there is a connection that has not logged in.
func connecting(t testing.TB, db *sql.DB) bool {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND = 'Connect'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	return rows.Next()
}

func status(t testing.TB, db *sql.DB, name string) int {
	t.Helper()
	var value string
	if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
