// Package postgres rotates passwords of PostgreSQL and Aurora PostgreSQL users.
//
// A password is never sent to the server: SetPassword computes what the server
// would store and sends that, so that neither the server's log nor
// pg_stat_statements nor a proxy in between gets to see it.
//
// Every statement goes out in one simple query together with its time limit,
// and no session state is set: behind a pooler (RDS Proxy, PgBouncer) state
// would pin the connection or leak into somebody else's.
package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgconfig"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	// statementTimeout is how long the server may work on a statement. None of
	// ours takes more than milliseconds unless it waits for a lock.
	statementTimeout = 10 * time.Second

	// answerTimeout is how long we wait for an answer: long enough for the
	// server to report its own timeout, which tells that nothing was changed.
	answerTimeout = statementTimeout + 2*time.Second

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Engine logs in to PostgreSQL and Aurora PostgreSQL. Its zero value is ready.
type Engine struct {
	// Roots are the certificate authorities to trust. Optional: by default the
	// system's and those of RDS.
	Roots *x509.CertPool

	// SeparateOwnership makes clones roles in their own right instead of other
	// names of their originals: what they create is theirs. Optional.
	SeparateOwnership bool
}

var _ engine.Engine = Engine{}

// Connect implements [engine.Engine]. It opens one TCP connection and makes one
// attempt to log in, whatever happens.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	if err := checkName("username", doc.Username); err != nil {
		return nil, err
	}
	t := target{host: doc.Host, port: doc.Port, user: doc.Username, database: doc.DBName}
	l, err := e.dial(ctx, t, doc.SSL)
	if err != nil {
		return nil, err
	}
	t.encrypted = l.encrypted
	conn, err := login(ctx, t, l, doc.Password, func(ctx context.Context) (net.Conn, error) {
		again, err := e.dial(ctx, t, doc.SSL)
		return again.conn, err
	})
	if err != nil {
		_ = l.raw.Close()
		return nil, t.loginFault(err, doc.Password)
	}
	return &session{conn: conn, raw: l.raw, target: t, separateOwnership: e.SeparateOwnership}, nil
}

// login speaks PostgreSQL's start-up protocol on the link. redial is how the
// driver reaches the server again to cancel a statement.
func login(ctx context.Context, t target, l link, password redact.String, redial func(context.Context) (net.Conn, error)) (*pgconn.PgConn, error) {
	cfg, err := pgconfig.New()
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password, cfg.Database = t.user, password.Reveal(), t.database
	cfg.RuntimeParams["application_name"] = "tumbler"
	if !l.encrypted {
		// Whoever answers in a server's place must not get the password by
		// just asking for it. (SCRAM and md5 do not send it.)
		cfg.RequireAuth = "!password"
	}
	// The link is there already: one address, so one attempt.
	cfg.Host, cfg.Port = t.host, uint16(t.port)
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	used := false
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if !used {
			used = true
			return l.conn, nil
		}
		return redial(ctx)
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = failed.Unwrap() // the outer error holds the settings, password included
	}
	return conn, err
}

// target says where a session goes, for messages.
type target struct {
	host      string
	port      int
	user      string
	database  string
	encrypted bool
}

func (t target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

func (t target) String() string { return fmt.Sprintf("%s as %q", t.address(), t.user) }

// session is one logged-in connection.
type session struct {
	conn   *pgconn.PgConn
	raw    net.Conn // what conn runs over, below TLS
	target target

	separateOwnership bool
}

// Probe implements [engine.Session].
func (s *session) Probe(ctx context.Context) error {
	_, err := s.run(ctx, probeSQL())
	if err != nil {
		return statementFault(err, "running a query on "+s.target.String(), reading)
	}
	return nil
}

// SetPassword implements [engine.Session].
//
// What is stored follows the server's password_encryption, as if the server had
// been given the password: a SCRAM-SHA-256 verifier with the server's
// scram_iterations, or an md5 hash.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	op := fmt.Sprintf("setting the password of role %q on %s", user, s.target)
	if err := checkName("role", user); err != nil {
		return err
	}
	if password.IsEmpty() {
		return emptyPassword(op) // to the server it would mean: no password
	}
	method, err := s.passwordMethod(ctx)
	if err != nil {
		return statementFault(err, op, reading)
	}
	verifier, err := method.verifier(user, password)
	if err != nil {
		return verifierFault(err, op)
	}
	if _, err := s.run(ctx, setPasswordSQL(user, verifier)); err != nil {
		return statementFault(err, op, changing)
	}
	return nil
}

// passwordMethod asks the server how it stores passwords.
func (s *session) passwordMethod(ctx context.Context) (passwordMethod, error) {
	row, err := s.run(ctx, passwordMethodSQL())
	if err != nil {
		return passwordMethod{}, err
	}
	return parsePasswordMethod(row)
}

// errNotSent marks a statement that never left. The driver's own SafeToRetry
// does not tell: it also says yes to a connection that was lost while a result
// was awaited (pgx 5.12, MultiResultReader.NextResult drops the first error).
var errNotSent = errors.New("the statement was not sent")

// run runs the statements of one simple query and returns the first row of the
// last one, nil if it has none.
func (s *session) run(ctx context.Context, sql string) ([]string, error) {
	results, err := s.exec(ctx, sql)
	if err != nil {
		return nil, err
	}
	return firstRow(results), nil
}

// exec runs the statements of one simple query and returns the results of those
// that succeeded, even if one failed: all of them are then undone.
func (s *session) exec(ctx context.Context, sql string) ([]*pgconn.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(errNotSent, err)
	}
	if s.conn.IsClosed() {
		return nil, errors.Join(errNotSent, pgconn.ErrConnClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return s.conn.Exec(ctx, sql).ReadAll()
}

// firstRow returns the first row of the last result, nil if there is none.
func firstRow(results []*pgconn.Result) []string {
	if len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
		return nil
	}
	var row []string
	for _, column := range results[len(results)-1].Rows[0] {
		row = append(row, string(column))
	}
	return row
}

// Close implements [engine.Session].
func (s *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.conn.Close(ctx)
	// After a statement was broken off the driver still talks to the server in
	// the background. It ends when its connection does.
	select {
	case <-s.conn.CleanupDone():
	case <-ctx.Done():
	}
	_ = s.raw.Close()
}
