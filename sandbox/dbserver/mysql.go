package dbserver

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// MySQL says which MariaDB or MySQL server to start. The zero value is a server
// without TLS and without a general log on a free port.
type MySQL struct {
	// Dir holds the server's data and log and is kept by Stop; a later start
	// with the same Dir continues with the same data. Optional: by default a
	// temporary directory that is removed by Stop.
	Dir string

	// Port to listen on. Optional: by default a free one.
	Port int

	// Logs gets a copy of the server's error log. Optional.
	Logs io.Writer

	// GeneralLog has the server write every statement that it receives to
	// [MySQLServer].GeneralLogPath. Optional.
	GeneralLog bool

	// TLS switches TLS on, with this certificate. Optional.
	TLS *certs.Pair

	// Settings are the server's own, such as "max_connections": "5". Optional.
	Settings map[string]string
}

// MySQLServer is a running MariaDB or MySQL server.
type MySQLServer struct {
	Product        string // "MariaDB" or "MySQL"
	Host           string // always a loopback address
	Port           int
	AdminUser      string // has every privilege
	AdminPassword  redact.String
	Version        string // as the server reports it, such as "10.11.14-MariaDB-..."
	LogPath        string // the error log; gone after Stop unless Dir was set
	GeneralLogPath string // every statement, if [MySQL].GeneralLog is set
	Dir            string // where the server keeps its files

	process *process
}

// MySQLAdmin is the administrator's name: RDS's default for a master user.
const MySQLAdmin = "admin"

// flavour is what tells MariaDB and the versions of MySQL apart.
type flavour struct {
	product string
	// find returns the server's program.
	find func(as *account) (program, error)
	// initialise fills an empty directory with a data directory.
	initialise func(as *account, p program, data string) error
	// sizes keep the data directory small. They also hold for initialise.
	sizes []string
	// arguments that only this flavour knows.
	arguments []string
	// noTLS are the arguments of a server without TLS.
	noTLS []string
	// firstLogin are the statements that make the administrator and remove
	// all other accounts that may log in; they run at each start.
	firstLogin func(password redact.String) []string
}

// program is how to run a server: the arguments of its command line so far,
// for its library path.
type program struct {
	command []string
	home    string // --basedir
}

func (p program) with(args ...string) []string {
	return append(append([]string{}, p.command...), args...)
}

// run runs the server to its end, for --version and for making data.
func (p program) run(as *account, dir string, args ...string) (string, error) {
	c := p.with(args...)
	return run(as, dir, c[0], c[1:]...)
}

// version is what the server says of itself, without where it lies.
func (p program) version() (string, error) {
	text, err := p.run(nil, "/", "--no-defaults", "--version")
	if err != nil {
		return "", fmt.Errorf("asking for its version: %w: %s", err, text)
	}
	if _, after, found := strings.Cut(text, " Ver "); found {
		text = after
	}
	return text, nil
}

func startMySQL(ctx context.Context, f flavour, cfg MySQL) (*MySQLServer, error) {
	s, err := func() (*MySQLServer, error) {
		as, err := serverAccount()
		if err != nil {
			return nil, err
		}
		prog, err := f.find(as)
		if err != nil {
			return nil, err
		}
		return onFreePort(cfg.Port, func(port int) (*MySQLServer, error) { return cfg.boot(ctx, f, as, prog, port) })
	}()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", f.product, err)
	}
	return s, nil
}

func (cfg MySQL) boot(ctx context.Context, f flavour, as *account, prog program, port int) (_ *MySQLServer, err error) {
	s := &MySQLServer{Product: f.product, Host: loopback, Port: port, AdminUser: MySQLAdmin}
	s.process, err = startup{
		name: strings.ToLower(f.product), keep: cfg.Dir, log: "error.log", logs: cfg.Logs, ready: s.greet,
		signal: os.Kill, // nothing worth a shutdown
		prepare: func(dir string) (_ []string, err error) {
			s.Dir, s.LogPath, s.GeneralLogPath = dir, filepath.Join(dir, "error.log"), filepath.Join(dir, dataName, "general.log")
			s.AdminPassword, err = prepareMySQL(f, as, prog, dir, cfg)
			return prog.with(cfg.arguments(f, prog, s)...), err
		},
	}.boot(ctx, as)
	if err != nil {
		return nil, err
	}
	if cfg.Dir != "" {
		s.process.signal = syscall.SIGTERM // these servers ignore an interrupt
	}
	return s, nil
}

// greet asks the server for its version.
func (s *MySQLServer) greet(ctx context.Context) error {
	db, err := s.Admin(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&s.Version)
}

func (s *MySQLServer) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Admin logs in as the administrator. The caller closes the handle.
func (s *MySQLServer) Admin(ctx context.Context) (*sql.DB, error) {
	return s.Login(ctx, s.AdminUser, s.AdminPassword)
}

// Login logs in over an unencrypted connection, once; the handle has no more
// than this connection. The caller closes it. The error never shows the
// password.
func (s *MySQLServer) Login(ctx context.Context, user string, password redact.String) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = "tcp", s.address(), user, password.Reveal()
	cfg.Logger = &mysql.NopLogger{} // it complains of servers that are starting
	cfg.MultiStatements = true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// Stop ends the server and removes its files, unless [MySQL].Dir named where to
// keep them. It may be called more than once.
func (s *MySQLServer) Stop() { s.process.stop() }

// Done is closed when the server has ended, for whatever reason.
func (s *MySQLServer) Done() <-chan struct{} { return s.process.done }
