package dbserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/internal/redact"
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

	keep    bool
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
		for attempt := 1; ; attempt++ {
			s, err := bootMySQL(ctx, f, cfg, as, prog)
			// Somebody else may take a free port before the server does.
			if !errors.Is(err, errPortTaken) || cfg.Port != 0 || attempt == 5 {
				return s, err
			}
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", f.product, err)
	}
	return s, nil
}

// bootMySQL makes a directory, launches a server in it and waits until it
// accepts a login.
func bootMySQL(ctx context.Context, f flavour, cfg MySQL, as *account, prog program) (_ *MySQLServer, err error) {
	dir, cleanup, dog, err := workDir(as, cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cleanup()
		}
	}()
	data := filepath.Join(dir, dataName)
	s := &MySQLServer{
		Product: f.product, Host: loopback, Port: cfg.Port, AdminUser: MySQLAdmin,
		LogPath: filepath.Join(dir, "error.log"), GeneralLogPath: filepath.Join(data, "general.log"),
		Dir: dir, keep: cfg.Dir != "",
	}
	if s.Port == 0 {
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if s.AdminPassword, err = prepareMySQL(f, as, prog, dir, cfg); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	stop := cleanup
	cleanup = func() { _ = file.Close(); stop() }
	before, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var logs io.Writer = file // the server writes to it directly
	if cfg.Logs != nil {
		logs = io.MultiWriter(file, cfg.Logs)
	}
	command := prog.with(cfg.arguments(f, prog, s)...)
	if s.process, err = launch(dir, as, logs, command[0], command[1:]...); err != nil {
		return nil, err
	}
	if err = dog.watch(s.process.cmd.Process.Pid); err == nil {
		err = s.awaitLogin(ctx, before)
	}
	if err != nil {
		s.end(os.Kill)
		s.process.stop()
		return nil, err
	}
	s.process.cleanup = cleanup
	return s, nil
}

// awaitLogin returns when the administrator can log in. The log of this launch
// begins at offset.
func (s *MySQLServer) awaitLogin(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	log := func() string { return s.complaints(offset) }
	for {
		attempt, done := context.WithTimeout(ctx, time.Second)
		err := s.greet(attempt)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-s.process.done:
			cause, text := errEnded, log()
			if strings.Contains(text, "Address already in use") {
				cause = errPortTaken
			}
			return fmt.Errorf("%w; its log ends with:\n%s", cause, text)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (the last attempt to log in: %w); its log ends with:\n%s", ctx.Err(), err, log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// complaints returns what the server logged from offset on, without its notes:
// old versions note every plugin that they shut down.
func (s *MySQLServer) complaints(offset int64) string {
	const most = 4000
	text, err := os.ReadFile(s.LogPath)
	if err != nil || int64(len(text)) < offset {
		return "(no log)"
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text[offset:])) {
		if !strings.Contains(line, "[Note]") {
			kept.WriteString(line)
		}
	}
	log := kept.String()
	return log[max(0, len(log)-most):]
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
func (s *MySQLServer) Stop() {
	if s.keep {
		s.end(syscall.SIGTERM) // the servers ignore an interrupt
	} else {
		s.end(os.Kill) // nothing worth a shutdown
	}
	s.process.stop()
}

// end sends the signal and waits for the server's end, but not for ever.
func (s *MySQLServer) end(signal os.Signal) {
	_ = s.process.cmd.Process.Signal(signal)
	select {
	case <-s.process.done:
	case <-time.After(stopTimeout):
	}
}

// Done is closed when the server has ended, for whatever reason.
func (s *MySQLServer) Done() <-chan struct{} { return s.process.done }
