// Package oracle rotates passwords of Oracle Database users.
//
// Oracle receives the new password in the text of ALTER USER. The hash form (IDENTIFIED
// BY VALUES) is not used: it is undocumented, differs between releases and bypasses the
// profile's password verification. Oracle masks passwords in the SQL text of audit
// records (Oracle Database Security Guide). The statement is protected in transit by TLS
// where "ssl" is true, and by native network encryption where the server requires it
// (RDS: option NATIVE_NETWORK_ENCRYPTION) or, if "ssl" is absent, supports it. Without
// either, no password is set unless "ssl" is false. As in AWS's own rotation functions,
// TLS is not tried unless "ssl" is true.
//
// No Oracle server was available. The tests check what is sent, not how a real server
// answers.
package oracle

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	// answerTimeout is how long the client waits for the answer to a statement. DDL on a
	// user may wait for a lock.
	answerTimeout = 12 * time.Second

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Engine logs in to Oracle databases. Its zero value is ready.
type Engine struct {
	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// Connect implements [engine.Engine]. It opens one TCP connection, or a second one to the
// same host if the listener redirects it, and never makes more than one attempt to log
// in. It uses TLS only if the document's ssl is true.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	return e.connect(ctx, newTarget(doc), doc.Password)
}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

func (e Engine) connect(ctx context.Context, t target, password redact.String) (*session, error) {
	name, err := parseName("username", t.User)
	if err != nil {
		return nil, err
	}
	if !validService(t.service) {
		return nil, fault.New(fault.InvalidSecret, fmt.Sprintf(`"dbname" %q is not the name of an Oracle service`, t.service),
			`Put the service name (RDS: the DB name) into "dbname" of the secret`)
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	db, err := e.login(ctx, t, password)
	if err != nil {
		return nil, err
	}
	s := &session{db: db, target: t, user: name, password: password}
	s.prove = func(ctx context.Context, user identifier, password redact.String) (bool, error) {
		return e.prove(ctx, t, user, password)
	}
	return s, nil
}

// prove reports whether an account accepts a password.
func (e Engine) prove(ctx context.Context, t target, user identifier, password redact.String) (bool, error) {
	t.User = user.quoted()
	s, err := e.connect(ctx, t, password)
	if err == nil {
		s.Close()
	}
	return accepted(err)
}

// accepted decides from the result of a login whether the password is right. Oracle
// checks it before the account's expiry and its privilege to log in, and after its lock.
func accepted(err error) (bool, error) {
	switch codeOf(err) {
	case codeNoCreateSession, codePasswordExpired, codeExpiresIn, codeExpiresSoon:
		return true, nil
	}
	if fault.Is(err, fault.LoginRefused, fault.AccountDisabled) {
		return false, nil
	}
	return err == nil, err
}

// target is where a session connects to, for messages.
type target struct {
	netfault.Target
	service string
	tls     bool
	guarded bool // the secret does not allow an unencrypted connection
}

func newTarget(doc secretdoc.Document) target {
	return target{service: doc.DBName, tls: doc.SSL != nil && *doc.SSL, guarded: doc.SSL == nil, Target: netfault.Target{
		Host: doc.Host, Port: doc.Port, User: doc.Username,
		Server: "an Oracle listener", TLSHint: "RDS: SQLNET.SSL_VERSION and SQLNET.CIPHER_SUITE of the option SSL",
	}}
}

// executor runs statements on a logged-in connection.
type executor interface {
	// exec runs a statement that returns no rows.
	exec(ctx context.Context, sql string) error

	// query returns all rows of a query, as text; NULL is "".
	query(ctx context.Context, sql string, args ...string) ([][]string, error)

	// readable reports whether a statement has been sent unencrypted.
	readable() bool

	close(ctx context.Context)
}

// session is one logged-in connection.
type session struct {
	db       executor
	target   target
	user     identifier
	password redact.String // the user's own, as far as known; see alter
	bounded  bool          // the server has accepted lockTimeoutSQL for the session

	// prove reports whether an account accepts a password.
	prove func(ctx context.Context, user identifier, password redact.String) (bool, error)
}

// Probe implements [engine.Session].
func (s *session) Probe(ctx context.Context) error {
	if _, err := s.query(ctx, probeSQL); err != nil {
		return statementFault(err, "running a query on "+s.target.String(), reading)
	}
	return nil
}

// exec runs a statement that changes something.
func (s *session) exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if !s.bounded {
		if err := s.db.exec(ctx, lockTimeoutSQL); err != nil {
			if codeOf(err) == 0 {
				err = errors.Join(netfault.ErrNotSent, err) // the change itself was not sent
			}
			return err
		}
		s.bounded = true
	}
	if s.target.guarded && s.db.readable() {
		return s.target.ReadableFault(netfault.ErrNotSent, "the new password")
	}
	return s.db.exec(ctx, sql)
}

func (s *session) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return s.db.query(ctx, sql, args...)
}

// Close implements [engine.Session].
func (s *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.db.close(ctx)
}

// codeOf returns the number of an Oracle error, or 0 if it is another error.
func codeOf(err error) int {
	if refused, ok := errors.AsType[refusal](err); ok {
		return refused.code
	}
	return 0
}

func codeIs(err error, code int) bool { return codeOf(err) == code }
