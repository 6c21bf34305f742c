package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// DB is a role and a database of its own for one test.
type DB struct {
	Server   *dbserver.Server
	Host     string
	Port     int
	User     string // a fresh role that may log in and owns the database
	Password redact.String
	Name     string // the fresh database

	t      testing.TB
	offset int64 // of the server's log when the test began
}

// Postgres returns a fresh role and a fresh database on a shared server, which
// logs every statement and every login, and counts statements in
// pg_stat_statements when that is installed with it (see [DB.StatStatements]).
// Both are dropped when the test ends.
func Postgres(t testing.TB, opts ...Option) *DB {
	t.Helper()
	o := &options{}
	o.Settings = map[string]string{
		"log_statement": "all", "log_connections": "on", "log_disconnections": "on",
		// A log search must find lines of one test by its database or role.
		"log_line_prefix": "%m [%p] user=%u db=%d app=%a ",
	}
	for _, opt := range opts {
		opt(o)
	}
	server, err := instanceFor(o)
	if err != nil {
		t.Fatal(err)
	}
	db := &DB{
		Server: server, Host: server.Host, Port: server.Port,
		User: "user_" + name(), Password: redact.New(rand.Text()), Name: "db_" + name(), t: t,
	}
	db.create()
	t.Cleanup(db.drop)
	db.offset = db.logSize()
	return db
}

// startWithStats starts a server with pg_stat_statements, or without where the
// library is not installed.
func startWithStats(cfg dbserver.Postgres) (*dbserver.Server, error) {
	const libraries = "shared_preload_libraries"
	ctx := context.Background() // a start has limits of its own
	if _, chosen := cfg.Settings[libraries]; !chosen {
		cfg.Settings[libraries] = "pg_stat_statements"
		s, err := dbserver.StartPostgres(ctx, cfg)
		if err == nil || !strings.Contains(err.Error(), "pg_stat_statements") {
			return s, err
		}
		delete(cfg.Settings, libraries)
	}
	return dbserver.StartPostgres(ctx, cfg)
}

// name returns a name nobody has used before.
func name() string { return strings.ToLower(rand.Text()[:12]) }

// Admin returns a connection of the superuser to the test's database, which is
// closed when the test ends.
func (db *DB) Admin() *pgconn.PgConn {
	db.t.Helper()
	return db.login(db.Server.AdminUser, db.Server.AdminPassword, db.Name)
}

// Login returns a connection of the test's role, which is closed when the test
// ends.
func (db *DB) Login() *pgconn.PgConn {
	db.t.Helper()
	return db.login(db.User, db.Password, db.Name)
}

func (db *DB) login(user string, password redact.String, database string) *pgconn.PgConn {
	db.t.Helper()
	conn, err := db.Server.Login(db.t.Context(), user, password, database)
	if err != nil {
		db.t.Fatal(err)
	}
	db.t.Cleanup(func() { closeConn(conn) })
	return conn
}

// Exec runs statements as the superuser in the test's database and returns the
// rows of the last one, as text.
func (db *DB) Exec(sql string) [][]string {
	db.t.Helper()
	return db.exec(db.Name, sql)
}

func (db *DB) exec(database, sql string) [][]string {
	db.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := db.Server.Login(ctx, db.Server.AdminUser, db.Server.AdminPassword, database)
	if err != nil {
		db.t.Fatal(err)
	}
	defer closeConn(conn)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		db.t.Fatal(err)
	}
	var rows [][]string
	for _, row := range results[len(results)-1].Rows {
		var columns []string
		for _, column := range row {
			columns = append(columns, string(column))
		}
		rows = append(rows, columns)
	}
	return rows
}

// Document returns the secret of the test's role. change, if not nil, edits its
// JSON first: keys may be added, replaced and deleted.
func (db *DB) Document(change func(keys map[string]any)) secretdoc.Document {
	db.t.Helper()
	return db.document(db.User, db.Password, change)
}

// SuperuserDocument returns the secret of the server's superuser.
func (db *DB) SuperuserDocument(change func(keys map[string]any)) secretdoc.Document {
	db.t.Helper()
	return db.document(db.Server.AdminUser, db.Server.AdminPassword, change)
}

func (db *DB) document(user string, password redact.String, change func(map[string]any)) secretdoc.Document {
	db.t.Helper()
	keys := map[string]any{
		"engine": "postgres", "host": db.Host, "port": db.Port,
		"username": user, "password": password.Reveal(), "dbname": db.Name,
	}
	if change != nil {
		change(keys)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		db.t.Fatal(err)
	}
	doc, err := secretdoc.Parse(redact.New(string(text)))
	if err != nil {
		db.t.Fatal(err)
	}
	return doc
}

// Log returns what the server has logged since the test began. Tests that run
// in parallel see each other's lines.
func (db *DB) Log() string {
	db.t.Helper()
	text, err := os.ReadFile(db.Server.LogPath)
	if err != nil {
		db.t.Fatal(err)
	}
	return string(text[db.offset:])
}

// StatStatements returns the text of every statement that pg_stat_statements
// has seen on the server, and whether it is installed.
func (db *DB) StatStatements() ([]string, bool) {
	db.t.Helper()
	if len(db.Exec("SELECT 1 FROM pg_settings WHERE name = 'shared_preload_libraries' AND setting LIKE '%pg_stat_statements%'")) == 0 {
		return nil, false
	}
	db.Exec("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
	var statements []string
	for _, row := range db.Exec("SELECT query FROM pg_stat_statements") {
		statements = append(statements, row[0])
	}
	return statements, true
}

// Quiet keeps the statements after it in the same Exec out of the server's log
// and out of pg_stat_statements, for those that hold a password: a test that
// looks for one there must not have written it itself.
func (db *DB) Quiet() string {
	return "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1; " +
		"SELECT set_config(name, 'none', false) FROM pg_settings WHERE name = 'pg_stat_statements.track'; "
}

func (db *DB) create() {
	db.t.Helper()
	quiet := db.Quiet()
	role, database := pgx.Identifier{db.User}.Sanitize(), pgx.Identifier{db.Name}.Sanitize()
	// Statement by statement: CREATE DATABASE cannot be part of a batch.
	conn := db.login(db.Server.AdminUser, db.Server.AdminPassword, db.Server.AdminDatabase)
	for _, sql := range []string{quiet, "CREATE ROLE " + role + " LOGIN PASSWORD " + quote(db.Password.Reveal()), "CREATE DATABASE " + database + " OWNER " + role} {
		if _, err := conn.Exec(db.t.Context(), sql).ReadAll(); err != nil {
			db.t.Fatal(err)
		}
	}
	closeConn(conn)
}

// drop is a courtesy to the tests that follow; the server's end drops all.
func (db *DB) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := db.Server.Admin(ctx)
	if err != nil {
		return // the test may have stopped the server
	}
	defer closeConn(conn)
	_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{db.Name}.Sanitize()+" WITH (FORCE)").ReadAll()
	_, _ = conn.Exec(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{db.User}.Sanitize()).ReadAll()
}

func (db *DB) logSize() int64 {
	info, err := os.Stat(db.Server.LogPath)
	if err != nil {
		db.t.Fatal(err)
	}
	return info.Size()
}

func closeConn(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
