package dbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgconfig"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Postgres says which PostgreSQL server to start. The zero value is a server
// with SCRAM passwords and without TLS on a free port.
type Postgres struct {
	// Dir holds the server's data and log and is kept by Stop; a later start
	// with the same Dir continues with the same data. Optional: by default a
	// temporary directory that is removed by Stop.
	Dir string

	// Port to listen on. Optional: by default a free one.
	Port int

	// Version is the server's major version, such as "15", for tests; see
	// package.json for those that npm brings. Optional: by default the version
	// that every developer has.
	Version string

	// Logs gets a copy of the server's log. Optional.
	Logs io.Writer

	// PasswordEncryption is how the server stores passwords that it is given
	// in clear: "scram-sha-256" or "md5", which also sets how clients have to
	// authenticate (md5 then admits both). Optional: by default scram-sha-256.
	PasswordEncryption string

	// TLS switches TLS on, with this certificate. Optional.
	TLS *certs.Pair

	// Settings are PostgreSQL's own, such as "log_statement": "all". Optional.
	Settings map[string]string

	// HBA holds lines of pg_hba.conf that come before the one that lets
	// everybody in from loopback with a password. Optional.
	HBA []string

	// Superuser is the administrator's name. Optional: by default "postgres",
	// the name of the master user on a new RDS instance.
	Superuser string
}

const loopback = "127.0.0.1"

// The names of the files in a server's directory.
const (
	dataName     = "data"
	passwordName = "admin-password"
	logName      = "postgres.log"
)

// StartPostgres starts a PostgreSQL server and returns when it accepts logins.
// ctx bounds the start only. The error is [ErrNoPostgres] when there is none on
// this machine, and holds the end of the server's log when it does not come up.
func StartPostgres(ctx context.Context, cfg Postgres) (*Server, error) {
	s, err := startPostgres(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return s, nil
}

func startPostgres(ctx context.Context, cfg Postgres) (*Server, error) {
	if cfg.Superuser == "" {
		cfg.Superuser = "postgres"
	}
	if cfg.PasswordEncryption == "" {
		cfg.PasswordEncryption = "scram-sha-256"
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	bin, err := findPostgres(as, cfg.Version)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		s, err := bootPostgres(ctx, cfg, as, bin)
		// Somebody else may take a free port before the server does.
		if !errors.Is(err, errPortTaken) || cfg.Port != 0 || attempt == 5 {
			return s, err
		}
	}
}

// bootPostgres makes a directory, launches a server in it and waits until it
// accepts a login.
func bootPostgres(ctx context.Context, cfg Postgres, as *account, bin string) (_ *Server, err error) {
	dir, cleanup, dog, err := workDir(as, cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cleanup()
		}
	}()
	s := &Server{
		Host: loopback, Port: cfg.Port, AdminUser: cfg.Superuser, AdminDatabase: "postgres",
		LogPath: filepath.Join(dir, logName), Dir: dir,
	}
	if s.Port == 0 {
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if s.AdminPassword, err = prepareData(as, bin, dir, cfg); err != nil {
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
	p, err := launch(dir, as, logs, filepath.Join(bin, "postgres"), cfg.arguments(s)...)
	if err != nil {
		return nil, err
	}
	s.process = p
	if err = dog.watch(p.cmd.Process.Pid); err == nil {
		err = s.awaitLogin(ctx, before)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	p.cleanup = cleanup
	return s, nil
}

// arguments is the server's command line. Settings of the caller come last and
// win.
func (cfg Postgres) arguments(s *Server) []string {
	args := []string{"-D", filepath.Join(s.Dir, dataName)}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", s.Host)
	set("port", strconv.Itoa(s.Port))
	set("unix_socket_directories", "")
	set("password_encryption", cfg.PasswordEncryption)
	set("log_line_prefix", "%m [%p] %q%u@%d ")
	// The data is not meant to survive a crash of the machine.
	for _, durability := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		set(durability, "off")
	}
	set("shared_buffers", "16MB")
	if cfg.TLS != nil {
		set("ssl", "on")
		set("ssl_cert_file", filepath.Join(s.Dir, "server.crt"))
		set("ssl_key_file", filepath.Join(s.Dir, "server.key"))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		set(name, cfg.Settings[name])
	}
	return args
}

var (
	errEnded     = errors.New("the server ended")
	errPortTaken = errors.New("the port is taken")
)

// awaitLogin returns when the superuser can log in. The log of this launch
// begins at offset.
func (s *Server) awaitLogin(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	go func() { // whoever else has the port may never answer
		select {
		case <-s.process.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		conn, err := s.Admin(ctx)
		if err == nil {
			s.Version = conn.ParameterStatus("server_version")
			return conn.Close(ctx)
		}
		select {
		case <-s.process.done:
			cause, log := errEnded, s.tail(offset)
			if strings.Contains(log, "Address already in use") {
				cause = errPortTaken
			}
			return fmt.Errorf("%w; its log ends with:\n%s", cause, log)
		default:
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not ready: %w (the last attempt to log in: %w); its log ends with:\n%s", ctx.Err(), err, s.tail(offset))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tail returns the end of the log from offset on.
func (s *Server) tail(offset int64) string {
	const most = 2000
	text, err := os.ReadFile(s.LogPath)
	if err != nil || int64(len(text)) < offset {
		return "(no log)"
	}
	text = text[offset:]
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return string(text)
}

// Login logs in over an unencrypted connection. The caller closes the connection. The error never shows the
// password.
func (s *Server) Login(ctx context.Context, user string, password redact.String, database string) (*pgconn.PgConn, error) {
	cfg, err := pgconfig.New()
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port = s.Host, uint16(s.Port)
	cfg.User, cfg.Password, cfg.Database = user, password.Reveal(), database
	cfg.RuntimeParams = map[string]string{"application_name": "dbserver"}
	return pgconn.ConnectConfig(ctx, cfg)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
