package chaos

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	driver "github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// Target is a database server and how its users are rotated.
type Target struct {
	Name     string // such as "postgres single-user"
	Product  string // for people, with its version
	Strategy rotation.Strategy
	Before   int // rotations without faults before the one that is tried
	Engine   engine.Engine
	Family   string // of secretdoc.Traits
	Host     string
	Port     int

	// NewUser makes a user and returns its secret's document. It may be called
	// by several worlds at a time.
	NewUser func(ctx context.Context) (secretdoc.Document, error)

	// NewUsers makes a user with several accounts, which alternating users rotate
	// together, and Elsewhere logs in from an address that one of them is for. Both
	// are nil where names have one account.
	NewUsers  func(ctx context.Context) (secretdoc.Document, error)
	Elsewhere func(ctx context.Context, doc secretdoc.Document) error

	// Superuser is the document of one; for alternating users.
	Superuser secretdoc.Document

	// LoginTrips are the round trips of a login, with which a connection begins.
	LoginTrips int

	// Goodbye tells a client's farewell, which nobody waits for.
	Goodbye func(chunk []byte) bool
}

// Kind is a kind of database server.
type Kind struct {
	Name  string
	Alone bool // each target gets a server of its own: one does not bear many worlds
	start func(context.Context) (*Server, error)
}

// Kinds are all kinds that there are real servers of.
var Kinds = []Kind{
	{"postgres", false, startPostgres},
	{"mariadb", false, func(ctx context.Context) (*Server, error) { return startMySQL(ctx, "mariadb", dbserver.StartMariaDB) }},
	{"mysql56", false, func(ctx context.Context) (*Server, error) { return startMySQL(ctx, "mysql", dbserver.StartMySQL56) }},
	{"ferretdb", true, startFerretDB},
}

// Server is a running database server.
type Server struct {
	target Target
	kind   string
	stop   func()
}

// Start starts a server. The caller stops it.
func (k Kind) Start(ctx context.Context) (*Server, error) {
	s, err := k.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", k.Name, err)
	}
	s.kind = k.Name
	return s, nil
}

// Stop ends the server and removes what it stored.
func (s *Server) Stop() { s.stop() }

// Targets are the ways in which the server's users are rotated. Pairs are tried
// three times: their first rotation makes the clone, the second changes the
// original's password, and the third that of a clone that exists.
func (s *Server) Targets() (targets []Target) {
	for _, way := range ways {
		targets = append(targets, s.Target(way.strategy, way.before))
	}
	return targets
}

// Target is one of [Server.Targets].
func (s *Server) Target(strategy rotation.Strategy, before int) Target {
	t := s.target
	t.Name, t.Strategy, t.Before = targetName(s.kind, strategy, before), strategy, before
	if strategy == rotation.SingleUser {
		t.Elsewhere = nil // a user can change only the account that it is logged in as
	} else if t.NewUsers != nil {
		t.NewUser = t.NewUsers
	}
	return t
}

func targetName(kind string, strategy rotation.Strategy, before int) string {
	name := kind + " " + string(strategy)
	if before > 0 {
		name += fmt.Sprintf(", rotation %d", before+1)
	}
	return name
}

// ways are how users are rotated, and after how many rotations.
var ways = []struct {
	strategy rotation.Strategy
	before   int
}{{rotation.SingleUser, 0}, {rotation.AlternatingUsers, 0}, {rotation.AlternatingUsers, 1}, {rotation.AlternatingUsers, 2}}

// Names are those of the targets that a server of the kind has.
func (k Kind) Names() (names []string) {
	for _, way := range ways {
		names = append(names, targetName(k.Name, way.strategy, way.before))
	}
	return names
}

// newUser names a user that nobody has used before. Names are short: MySQL 5.6
// allows 16 characters, with _clone.
var newUser atomic.Int64

func nextUser() (string, redact.String) {
	return fmt.Sprintf("u%d", newUser.Add(1)), redact.New(rand.Text())
}

func document(engine, host string, port int, user string, password redact.String) secretdoc.Document {
	keys := map[string]any{
		"engine": engine, "host": host, "port": port, "username": user, "password": password.Reveal(),
	}
	if engine == "mongo" {
		keys["ssl"] = false // FerretDB has none here, and new passwords can be read
	}
	text, err := json.Marshal(keys)
	if err != nil {
		panic(err) // strings, a number, a truth value
	}
	doc, err := secretdoc.Parse(redact.New(string(text)))
	if err != nil {
		panic(err) // complete
	}
	return doc
}

func startPostgres(ctx context.Context) (*Server, error) {
	server, err := dbserver.StartPostgres(ctx, dbserver.Postgres{Settings: map[string]string{
		// Thousands of logins: hashing passwords thousands of times would take
		// most of the time. Clients read the number from the server.
		"scram_iterations": "1",
	}})
	if err != nil && strings.Contains(err.Error(), "scram_iterations") { // new in PostgreSQL 16
		server, err = dbserver.StartPostgres(ctx, dbserver.Postgres{})
	}
	if err != nil {
		return nil, err
	}
	s := &Server{target: PostgresTarget(server, postgres.Engine{}), stop: server.Stop}
	if err := execPostgres(ctx, server, "CREATE TABLE orders (id int)"); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// PostgresTarget is a single user of a server.
func PostgresTarget(server *dbserver.Server, e postgres.Engine) Target {
	var granting sync.Mutex // two GRANTs on one table at once fail
	return Target{
		Name: "postgres", Strategy: rotation.SingleUser,
		Product: "PostgreSQL " + server.Version, Engine: e, Family: "postgres", Host: server.Host, Port: server.Port,
		Superuser: document("postgres", server.Host, server.Port, server.AdminUser, server.AdminPassword),
		NewUser: func(ctx context.Context) (secretdoc.Document, error) {
			user, password := nextUser()
			granting.Lock()
			defer granting.Unlock()
			err := execPostgres(ctx, server, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'; ALTER ROLE %[1]s SET search_path = public; "+
				"DO $$ BEGIN IF to_regclass('orders') IS NOT NULL THEN GRANT SELECT, INSERT ON orders TO %[1]s; END IF; END $$",
				user, password.Reveal()))
			return document("postgres", server.Host, server.Port, user, password), unquoted(err)
		},
		LoginTrips: 4, // is there TLS, hello, and SCRAM's two
		Goodbye:    func(chunk []byte) bool { return slices.Equal(chunk, []byte{'X', 0, 0, 0, 4}) },
	}
}

func execPostgres(ctx context.Context, server *dbserver.Server, statements string) error {
	admin, err := server.Admin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(context.Background()) }()
	_, err = admin.Exec(ctx, statements).ReadAll()
	return err
}

// unquoted keeps an error's kind and drops its text, which may quote a password.
func unquoted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("creating a user: %T", err)
}

func startMySQL(ctx context.Context, name string, start func(context.Context, dbserver.MySQL) (*dbserver.MySQLServer, error)) (*Server, error) {
	server, err := start(ctx, dbserver.MySQL{Settings: map[string]string{
		"max_connect_errors": "1000000000", // connections that break are what this is about
	}})
	if err != nil {
		return nil, err
	}
	admin, err := server.Admin(ctx)
	if err != nil {
		server.Stop()
		return nil, err
	}
	version, _, _ := strings.Cut(server.Version, "-")
	s := &Server{stop: func() { _ = admin.Close(); server.Stop() }}
	newUser := func(from ...string) func(context.Context) (secretdoc.Document, error) {
		return func(ctx context.Context) (secretdoc.Document, error) {
			user, password := nextUser()
			for _, from := range from {
				err := execMySQL(ctx, admin, fmt.Sprintf("CREATE USER '%s'@'%s' IDENTIFIED BY '%s'", user, from, password.Reveal()),
					fmt.Sprintf("GRANT SELECT, INSERT ON shop.* TO '%s'@'%s'", user, from))
				if err != nil {
					return secretdoc.Document{}, unquoted(err)
				}
			}
			return document(name, server.Host, server.Port, user, password), nil
		}
	}
	s.target = Target{
		Product: server.Product + " " + version, Engine: mysql.Engine{}, Family: "mysql", Host: server.Host, Port: server.Port,
		Superuser: document(name, server.Host, server.Port, server.AdminUser, server.AdminPassword),
		NewUser:   newUser("%"), NewUsers: newUser("%", elsewhere), Elsewhere: logInElsewhere,
		LoginTrips: 1,
		Goodbye:    func(chunk []byte) bool { return slices.Equal(chunk, []byte{1, 0, 0, 0, 1}) },
	}
	if err := execMySQL(ctx, admin, "CREATE DATABASE shop"); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// elsewhere is an address of this machine that it has no other use for.
const elsewhere = "127.0.0.2"

func logInElsewhere(ctx context.Context, doc secretdoc.Document) error {
	cfg := driver.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = doc.Username, doc.Password.Reveal(), "tcp", net.JoinHostPort(doc.Host, strconv.Itoa(doc.Port))
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(elsewhere)}}
		return d.DialContext(ctx, network, address)
	}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("%T", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var as string
	if err := db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&as); err != nil {
		return err
	}
	if as != doc.Username+"@"+elsewhere {
		return fmt.Errorf("the server takes it for %q", as)
	}
	return nil
}

func execMySQL(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// startFerretDB starts a server that knows users and passwords, and no rights:
// of a pair only its passwords can be looked at.
func startFerretDB(ctx context.Context) (*Server, error) {
	server, err := dbserver.StartFerretDB(ctx, dbserver.FerretDB{})
	if err != nil {
		return nil, err
	}
	superuser := document("mongo", server.Host, server.Port, server.AdminUser, server.AdminPassword)
	s := &Server{stop: server.Stop}
	s.target = Target{
		Product: "FerretDB " + strings.TrimPrefix(server.Version, "v"), Engine: mongodb.Engine{}, Family: "mongodb", Host: server.Host, Port: server.Port,
		Superuser: superuser,
		NewUser: func(ctx context.Context) (secretdoc.Document, error) {
			user, password := nextUser()
			session, err := mongodb.Engine{}.Connect(ctx, superuser)
			if err != nil {
				return secretdoc.Document{}, err
			}
			defer session.Close()
			_, err = session.EnsureClone(ctx, engine.CloneRequest{Original: server.AdminUser, Clone: user, Password: password, Mark: "chaos"})
			return document("mongo", server.Host, server.Port, user, password), err
		},
		LoginTrips: 3,                                  // hello, and SCRAM's two
		Goodbye:    func([]byte) bool { return false }, // the protocol has none
	}
	return s, nil
}
