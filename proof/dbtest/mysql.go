package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// MySQLServer is a server of the MySQL family under test.
type MySQLServer struct {
	*dbserver.MySQLServer
	Engine string // what a secret says: "mariadb" or "mysql"

	t       testing.TB
	general int64 // of the general log when the test began
	errors  int64 // of the error log
}

// mysqlServers holds the servers of this test binary.
var mysqlServers struct {
	sync.Mutex
	running map[string]*dbserver.MySQLServer
}

type startMySQL func(context.Context, dbserver.MySQL) (*dbserver.MySQLServer, error)

// MariaDB returns a MariaDB server, which the tests with the same key and
// configuration share. It writes every statement to its log.
func MariaDB(t testing.TB, key string, cfg dbserver.MySQL) *MySQLServer {
	t.Helper()
	return mysqlFor(t, "mariadb", "MariaDB"+key, dbserver.StartMariaDB, cfg)
}

// MySQL56 is [MariaDB] for MySQL 5.6. On machines for which there is no MySQL 5.6
// the test is skipped, saying so.
func MySQL56(t testing.TB, key string, cfg dbserver.MySQL) *MySQLServer {
	t.Helper()
	if why := elsewhere(); why != "" {
		t.Skip("NOT RUN: " + why)
	}
	return mysqlFor(t, "mysql", "MySQL 5.6"+key, dbserver.StartMySQL56, cfg)
}

// MySQL is [MariaDB] for a current MySQL: see [dbserver.StartMySQL]. It is the one
// server that a test may do without, for not every machine's packages have one:
// then the test is skipped, saying so.
func MySQL(t testing.TB, key string, cfg dbserver.MySQL) *MySQLServer {
	t.Helper()
	return mysqlFor(t, "mysql", "MySQL"+key, dbserver.StartMySQL, cfg)
}

// elsewhere says why MySQL 5.6 cannot be on this machine, or "".
func elsewhere() string {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "MySQL 5.6 runs on Linux on x86-64 only, and this is " + runtime.GOOS + " on " + runtime.GOARCH
	}
	return ""
}

func mysqlFor(t testing.TB, engine, key string, start startMySQL, cfg dbserver.MySQL) *MySQLServer {
	t.Helper()
	mysqlServers.Lock()
	defer mysqlServers.Unlock()
	running := mysqlServers.running[key]
	if running == nil {
		cfg.GeneralLog = true
		s, err := start(context.Background(), cfg) // which has limits of its own
		if errors.Is(err, dbserver.ErrNoMySQL) {
			t.Skipf("NOT RUN: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if mysqlServers.running == nil {
			mysqlServers.running = map[string]*dbserver.MySQLServer{}
		}
		mysqlServers.running[key] = s
		running = s
	}
	s := &MySQLServer{MySQLServer: running, Engine: engine, t: t}
	s.general, s.errors = s.size(s.GeneralLogPath), s.size(s.LogPath)
	return s
}

// stopMySQL stops the shared servers.
func stopMySQL() {
	mysqlServers.Lock()
	defer mysqlServers.Unlock()
	for _, s := range mysqlServers.running {
		s.Stop()
	}
	mysqlServers.running = nil
}

// Name returns a name that nobody has used before, of 12 characters.
func (s *MySQLServer) Name() string { return "u" + name()[:11] }

// Exec runs statements as the administrator and returns the rows of the last
// one, as text. It fails the test if one of them fails.
func (s *MySQLServer) Exec(statements ...string) [][]string {
	s.t.Helper()
	rows, err := s.try(statements...)
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// Quietly is Exec for statements that hold a password: a test that looks for
// one in the log must not have written it there itself.
func (s *MySQLServer) Quietly(statements ...string) {
	s.t.Helper()
	s.Exec(append([]string{"SET SESSION sql_log_off = 1"}, statements...)...)
}

// Try is Exec that returns the error, which may quote the statement.
func (s *MySQLServer) Try(statements ...string) error {
	_, err := s.try(statements...)
	return err
}

func (s *MySQLServer) try(statements ...string) (rows [][]string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := s.Admin(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	for _, statement := range statements {
		if rows, err = query(ctx, db, statement); err != nil {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return rows, nil
}

// query returns all rows of a statement as text.
func query(ctx context.Context, db *sql.DB, statement string) ([][]string, error) {
	result, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for result.Next() {
		values := make([]sql.NullString, len(columns))
		pointers := make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := result.Scan(pointers...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = v.String
		}
		rows = append(rows, row)
	}
	return rows, result.Err()
}

// As logs in as the user and runs a statement. ok is false when the login was
// refused; err is the statement's.
func (s *MySQLServer) As(user string, password redact.String, statement string) (rows [][]string, ok bool, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := s.Login(ctx, user, password)
	if refused, is := errors.AsType[*mysql.MySQLError](err); is {
		return nil, false, refused
	}
	if errors.Is(err, mysql.ErrMalformPkt) { // MariaDB offers a second way to log in
		return nil, false, err
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err = query(ctx, db, statement)
	return rows, true, err
}

// Document returns a secret's document for the server.
func (s *MySQLServer) Document(user string, password redact.String, change func(keys map[string]any)) secretdoc.Document {
	s.t.Helper()
	keys := map[string]any{
		"engine": s.Engine, "host": s.Host, "port": s.Port, "username": user, "password": password.Reveal(),
	}
	if change != nil {
		change(keys)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		s.t.Fatal(err)
	}
	doc, err := secretdoc.Parse(redact.New(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return doc
}

// Log returns what the server has written to its general log and to its error
// log since the test began.
func (s *MySQLServer) Log() string {
	s.t.Helper()
	return s.since(s.GeneralLogPath, s.general) + s.since(s.LogPath, s.errors)
}

func (s *MySQLServer) since(path string, offset int64) string {
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text[offset:])
}

func (s *MySQLServer) size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

// Password returns a random password.
func Password() redact.String { return redact.New(rand.Text()) }

// MySQLText quotes text as an SQL string for a session in any sql_mode.
func MySQLText(text string) string {
	if text == "" {
		return "''"
	}
	text = strings.ReplaceAll(text, `\`, `\\`)
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
