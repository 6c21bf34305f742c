package dbserver

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgconfig"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
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
	cfg.Superuser = cfg.superuser()
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
	return onFreePort(cfg.Port, func(port int) (*Server, error) { return bootPostgres(ctx, cfg, as, bin, port) })
}

func (cfg Postgres) superuser() string { return cmp.Or(cfg.Superuser, "postgres") }

func bootPostgres(ctx context.Context, cfg Postgres, as *account, bin string, port int) (_ *Server, err error) {
	s := &Server{Host: loopback, Port: port, AdminUser: cfg.Superuser, AdminDatabase: "postgres"}
	s.process, err = startup{
		name: "postgres", keep: cfg.Dir, log: "postgres.log", logs: cfg.Logs, ready: s.greet,
		prepare: func(dir string) (_ []string, err error) {
			s.Dir, s.LogPath = dir, filepath.Join(dir, "postgres.log")
			s.AdminPassword, err = prepareData(as, bin, dir, cfg)
			return append([]string{filepath.Join(bin, "postgres")}, cfg.arguments(s)...), err
		},
	}.boot(ctx, as)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// greet asks the server for its version. All servers of this machine's tests have
// one password: another one that has got the port would let us in.
func (s *Server) greet(ctx context.Context) error {
	conn, err := s.Admin(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	dir := conn.ExecParams(ctx, "SHOW data_directory", nil, nil, nil, nil).Read()
	if dir.Err != nil {
		return dir.Err
	}
	if got, want := string(dir.Rows[0][0]), filepath.Join(s.Dir, dataName); got != want {
		return fmt.Errorf("another server, with its data in %s, has the port", got)
	}
	s.Version = conn.ParameterStatus("server_version")
	return nil
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
