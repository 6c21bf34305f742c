// Package mysql rotates passwords of MySQL, Aurora MySQL and MariaDB users.
//
// # Passwords and the server's logs
//
// MariaDB and MySQL before 5.7.6 write statements to the general log as they
// get them, so they are given what they would store (a hash) and never a
// password. Later versions of MySQL let an account change its own password only
// by a statement with the password in clear, and keep it out of their logs
// themselves ("Passwords and Logging", MySQL reference manual); for every other
// account they, too, get a hash.
//
// # Accounts
//
// An account is a user name and a host pattern, and a secret names the user
// only. The session's own account is the one that the server chose for it
// (CURRENT_USER). Changing or cloning another user means all accounts of that
// name: the clone gets one account for each of the original's.
//
// caching_sha2_password keeps in memory what it needs to check a password without
// the hash, and forgets it when the password is changed, whoever changes it and
// whether or not that client still lives (tried on 9.7.4: the old password was
// refused before the new one had been used). It has been reported otherwise of
// that version, so callers who want to be certain log in with both.
//
// # Whose clone is it
//
// An account that has the clone's name is the secret's own if the caller says so
// (a version of the secret has named it), if it has the secret's mark (an
// attribute of the account, from MySQL 8.0.21 on; MariaDB and older versions
// have no place for one), or if it already has the very password that it is to
// get. The last is what makes an interrupted first rotation good: CREATE USER
// sets the password of the version that is AWSPENDING, which nobody else knows,
// and the next attempt finds it there.
//
// Where there is no place for a mark, an older version's password shows whose the pair
// is, as well as a login with it would: every account of the user that is to be changed
// has to have it, by its hash. It saves the login, and half of the statements.
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
	// lockTimeout is how many seconds a statement may wait for one lock. MySQL
	// has no bound for all that a statement does: ALTER USER takes the locks of
	// backups, of the tables, of their rows and of the commit one by one, and to
	// wait for four of them has to stay below [engine.LateBound].
	lockTimeout = 2

	// statementTimeout is how many seconds a statement may take, locks included,
	// where the server (MariaDB) keeps such a bound.
	statementTimeout = int(engine.LockTimeout / time.Second)

	// answerTimeout is how long we wait for an answer.
	answerTimeout = engine.LateBound

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Engine logs in to MySQL, Aurora MySQL and MariaDB. Its zero value is ready.
type Engine struct {
	// Roots are whose certificates a server may have that is not AWS's. Optional: by
	// default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool

	// Plaintext lets a password go to the server in clear where the server
	// does not accept a hash: MariaDB with a password policy
	// (strict_password_validation). The server's general log, if it is on, then
	// shows it, unless the session may switch its logging off. Optional.
	Plaintext bool
}

var _ engine.Engine = Engine{}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

// Connect implements [engine.Engine]. It opens one TCP connection and makes one
// attempt to log in, whatever happens.
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
	cfg.MaxAllowedPacket = 1 << 20 // ours are small, and the driver need not ask
	cfg.ConnectionAttributes = "program_name:tumbler"
	if doc.SSL == nil || *doc.SSL {
		w.tls = rdsroots.TLS(e.Roots, doc.Host)
		cfg.Net = "unix" // to the driver: nobody listens
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
	// Not database/sql: it logs in again when a connection breaks.
	conn, err := connector.Connect(ctx)
	if err != nil {
		err = errors.Join(ctx.Err(), err) // the driver may hide that time is up
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

// identity asks for the version and the account. It belongs to the login: a
// server may let an account in whose password has expired, and refuse every
// statement but that for a new one.
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
	password  redact.String // the one that logged in
	plaintext bool
	encrypted bool
	readable  bool // others may read what is sent, and nobody has said that they may

	server   *server
	prepared bool      // prepareSQL has been run
	original *original // what the last EnsureClone has read, if any
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.encrypted }

var _ engine.HashProver = (*session)(nil)

// ProvesByHash implements [engine.HashProver].
func (s *session) ProvesByHash() bool { return !s.server.marks() }

// server is what the session knows of the server.
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

// prepare makes quoting the same whatever sql_mode the server or the account has,
// once, before the first statement of which that matters.
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
