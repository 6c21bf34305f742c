// Package mysql rotates passwords of MySQL, Aurora MySQL and MariaDB users.
//
// # Passwords and the server's logs
//
// MariaDB and MySQL before 5.7.6 write statements to the general log unchanged. They are
// therefore given the hash that they would store, never the password. Later versions of
// MySQL let an account change its own password only by a statement with the password in
// clear, and keep it out of their logs themselves (MySQL reference manual, "Passwords and
// Logging"). For all other accounts they, too, are given a hash.
// account they, too, get a hash.
//
// # Accounts
//
// An account is a user name and a host pattern, but a secret names only the user. The
// session's own account is the one that the server chose for it (CURRENT_USER). Changing
// or cloning another user means all accounts of that name: the clone has one account for
// each of the original's.
//
// caching_sha2_password caches what it needs to check a password without the hash. It
// clears the cache when the password is changed, whichever session changes it and even if
// that client has gone (tried on 9.7.4: the old password was refused before the new one
// had been used). Since there are reports of the opposite for that version, callers that
// need certainty log in with both passwords.
//
// # Proving that a clone belongs to the secret
//
// An account with the clone's name belongs to the secret in three cases: the caller says
// so (a version of the secret has named it), it has the secret's mark (an attribute of
// the account, from MySQL 8.0.21 on; MariaDB and older versions cannot store one), or it
// already has the password that it is about to be given. The last case repairs an
// interrupted first rotation: CREATE USER sets the password of AWSPENDING, which only
// this secret has, and the next attempt finds it there.
//
// On servers that cannot store a mark, the password of an older version proves that the
// pair belongs to the secret, as a login with it would: every account of the user that is
// to be changed must have that password's hash. This saves the login and half of the
// statements.
package mysql

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"net"
	"time"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	// lockTimeout is how many seconds a statement may wait for one lock. MySQL has no
	// limit for a whole statement: ALTER USER takes the locks of backups, of the tables,
	// of their rows and of the commit in turn. Four such waits must stay below
	// [engine.LateBound].
	lockTimeout = 2

	// statementTimeout is how many seconds a statement may take on MariaDB, which has
	// such a limit. It includes waits for locks.
	statementTimeout = int(engine.LockTimeout / time.Second)

	// answerTimeout is how long the client waits for an answer.
	answerTimeout = engine.LateBound

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Engine logs in to MySQL, Aurora MySQL and MariaDB. Its zero value is ready.
type Engine struct {
	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool

	// Plaintext allows sending a password in clear where the server does not accept a
	// hash: MariaDB with a password policy (strict_password_validation). The general log,
	// if it is on, then shows the password, unless the session may switch off its own
	// logging. Optional.
	Plaintext bool
}

var _ engine.Engine = Engine{}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

// Connect implements [engine.Engine]. It opens one TCP connection and never makes more
// than one attempt to log in.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	t := netfault.Target{
		Host: doc.Host, Port: doc.Port, User: doc.Username,
		Server: "a MySQL or MariaDB server", TLSHint: "RDS: tls_version of the parameter group",
	}
	s := &session{target: t, password: doc.Password, plaintext: e.Plaintext}

	w := &wire{ctx: ctx, password: doc.Password, fallback: doc.SSL == nil}
	cfg := driverpkg.NewConfig()
	cfg.Net, cfg.Addr = "tcp", t.Address()
	cfg.User, cfg.Passwd, cfg.DBName = doc.Username, doc.Password.Reveal(), doc.DBName
	cfg.Logger = &driverpkg.NopLogger{}
	cfg.MaxAllowedPacket = 1 << 20 // our packets are small, and with a limit the driver need not ask the server for its own
	cfg.ConnectionAttributes = "program_name:tumbler"
	if doc.SSL == nil || *doc.SSL {
		w.tls = rdsroots.TLS(e.Roots, doc.Host)
		cfg.Net = "unix" // any other network: nothing listens
	}
	cfg.DialFunc = func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		w.Conn, w.stream = conn, conn
		return w, nil
	}
	connector, err := driverpkg.NewConnector(cfg)
	if err != nil {
		return nil, w.fault(t, err)
	}
	// Not database/sql, which logs in again when a connection breaks.
	conn, err := connector.Connect(ctx)
	if err != nil {
		err = errors.Join(ctx.Err(), err) // the driver may hide that the deadline has passed
		if w.Conn == nil {
			return nil, t.DialFault(err)
		}
		return nil, w.fault(t, errors.Join(err, w.err))
	}
	s.conn, s.raw, s.readable, s.encrypted = conn, w.Conn, w.guarded(), w.shift > 0
	if s.server, err = s.identity(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// identity asks for the version and the account. It is part of the login, because a
// server may admit an account with an expired password and then refuse every statement
// except the one that sets a new password.
func (s *session) identity(ctx context.Context) (*server, error) {
	op := "asking " + s.target.String() + " for its version"
	rows, err := s.query(ctx, identitySQL)
	if number(err) == errMustChangePassword {
		return nil, loginRefusal(err, "logging in to "+s.target.String(), true)
	}
	if err != nil {
		return nil, s.fault(err, op, reading)
	}
	if len(rows) != 1 {
		return nil, s.fault(errAnswer, op, reading)
	}
	d, err := parseVersion(rows[0][0])
	if err != nil {
		return nil, s.fault(err, op, reading)
	}
	return &server{dialect: d, self: parseAccount(rows[0][1])}, nil
}

// session is one logged-in connection.
type session struct {
	conn      driver.Conn
	raw       net.Conn // what conn runs over, below TLS
	target    netfault.Target
	password  redact.String // the password used to log in
	plaintext bool
	encrypted bool
	readable  bool // others could read what is sent, and the secret does not allow that

	server   *server
	prepared bool      // prepareSQL has been run
	original *original // what the last EnsureClone has read; nil: nothing
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.encrypted }

var _ engine.HashProver = (*session)(nil)

// ProvesByHash implements [engine.HashProver].
func (s *session) ProvesByHash() bool { return !s.server.marks() }

// server is what the session knows about the server.
type server struct {
	dialect
	self account // the account that the server chose for the session
}

// Probe implements [engine.Session].
func (s *session) Probe(ctx context.Context) error {
	if _, err := s.query(ctx, probeSQL); err != nil {
		return s.fault(err, "running a query on "+s.target.String(), reading)
	}
	return nil
}

// Close implements [engine.Session].
func (s *session) Close() {
	_ = s.raw.SetDeadline(time.Now().Add(closeTimeout))
	_ = s.conn.Close()
}

// prepare makes quoting independent of the sql_mode of the server and the account. It
// runs once, before the first statement that depends on it.
func (s *session) prepare(ctx context.Context) (*server, error) {
	if !s.prepared {
		if err := s.exec(ctx, s.server.prepareSQL()); err != nil {
			return nil, s.fault(err, "preparing the session with "+s.target.Address(), reading)
		}
		s.prepared = true
	}
	return s.server, nil
}

var errAnswer = errors.New("mysql: the server's answer has an unexpected form")

// exec runs a statement without a result.
func (s *session) exec(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := s.conn.(driver.ExecerContext).ExecContext(ctx, statement, nil)
	return err
}

// query runs a statement and returns its rows as text; NULL is "".
func (s *session) query(ctx context.Context, statement string) ([][]string, error) {
	return s.queryWithin(ctx, answerTimeout, statement)
}

func (s *session) queryWithin(ctx context.Context, timeout time.Duration, statement string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := s.conn.(driver.QueryerContext).QueryContext(ctx, statement, nil)
	if err != nil {
		return nil, err
	}
	rows, err := readAll(result)
	return rows, errors.Join(err, result.Close())
}
