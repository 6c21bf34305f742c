// Package oracle rotates passwords of Oracle Database users.
//
// Oracle gets the new password in the text of ALTER USER. Its hash form
// (IDENTIFIED BY VALUES) is not documented, differs from release to release and
// passes by the profile's password verification, so it is not used. Oracle masks
// passwords in the SQL text that it keeps for auditing (Oracle Database Security
// Guide, on audit records). On the way the statement is protected by TLS where
// "ssl" is true, and by native network encryption where the server asks for it
// (RDS: option NATIVE_NETWORK_ENCRYPTION) or, where "ssl" is absent, can do it; where
// neither is, no password is set unless "ssl" is false. As AWS's own rotation functions
// do, TLS is not tried by itself.
//
// No Oracle server has been at hand: what is sent is tested, not what a server
// makes of it.
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
	// answerTimeout is how long we wait for the answer to a statement. DDL on a
	// user may wait for a lock.
	answerTimeout = 12 * time.Second

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Engine logs in to Oracle databases. Its zero value is ready.
type Engine struct {
	// Roots are whose certificates a server may have that is not AWS's. Optional: by
	// default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// Connect implements [engine.Engine]. It opens one TCP connection (a second one
// to the same host if the listener passes it on) and makes one attempt to log
// in, whatever happens. TLS is used when the document's ssl is true, and not
// tried otherwise.
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

// accepted tells from the result of a login whether the password is right. It is
// checked before the account's expiry and its privilege to log in are, and after
// its lock.
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

// target says where a session goes, for messages.
type target struct {
	netfault.Target
	service string
	tls     bool
	guarded bool // the secret does not say that there may be no encryption
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

	// readable reports whether a statement has crossed the network in clear.
	readable() bool

	close(ctx context.Context)
}

// session is one logged-in connection.
type session struct {
	db       executor
	target   target
	user     identifier
	password redact.String // the user's own, as far as we know; see setPassword
	bounded  bool          // the server keeps lockTimeoutSQL for the session

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
				err = errors.Join(netfault.ErrNotSent, err) // the change itself, that is
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

// codeOf returns the number of an Oracle error, 0 if it is none.
func codeOf(err error) int {
	if refused, ok := errors.AsType[refusal](err); ok {
		return refused.code
	}
	return 0
}

func codeIs(err error, code int) bool { return codeOf(err) == code }
