// Package mongodb rotates passwords of Amazon DocumentDB users (engine "mongo").
//
// It implements MongoDB's wire protocol itself and uses only BSON from MongoDB's driver.
// A rotation needs one connection, one login and a few commands. The driver adds pools,
// monitors and retries, which make it hard to guarantee the number of logins, and it does
// not support servers as old as DocumentDB 4.0 (mongo-driver v2.10 documentation: MongoDB
// 4.4 or later).
//
// The server receives new passwords in clear, inside TLS: createUser and updateUser
// accept no hash that would be safer to disclose than the password (with digestPassword
// false they take the MD5 that SCRAM-SHA-1 logs in with). What DocumentDB's auditing,
// which is off by default, records of such a command could not be tried. Its profiler
// records only queries and writes of documents (Amazon DocumentDB developer guide,
// "Profiling Amazon DocumentDB operations").
package mongodb

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// answerTimeout is how long the client waits for the answer to a command, which normally
// takes milliseconds.
const answerTimeout = 12 * time.Second

// Engine logs in to DocumentDB clusters and to MongoDB servers. Its zero value is ready.
type Engine struct {
	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// Connect implements [engine.Engine]. It connects only to the secret's host, never to
// hosts that the server names. It never makes more than one attempt to log in, and opens
// a second connection only if the server has no TLS (see dial).
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	return e.connect(ctx, netfault.Target{
		Host: doc.Host, Port: doc.Port, User: doc.Username,
		Server: "a DocumentDB cluster or a MongoDB server", TLSHint: `DocumentDB: parameter "tls" of the cluster's parameter group`,
	}, doc.SSL, doc.Password)
}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

func (e Engine) connect(ctx context.Context, t netfault.Target, ssl *bool, password redact.String) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	if err := checkName("username", t.User); err != nil {
		return nil, err
	}
	w, greeting, err := e.dial(ctx, t, ssl)
	if err != nil {
		return nil, err
	}
	if err := login(ctx, w, mechanism(greeting), t.User, password); err != nil {
		w.close()
		return nil, loginFault(t, err)
	}
	return &session{engine: e, wire: w, target: t, ssl: ssl}, nil
}

// session is one logged-in connection.
type session struct {
	engine Engine
	wire   *wire
	target netfault.Target
	ssl    *bool

	unbounded bool // the server does not support maxTimeMS on commands about users
}

// Probe implements [engine.Session].
func (s *session) Probe(ctx context.Context) error {
	if _, err := s.run(ctx, pingCommand()); err != nil {
		return commandFault(err, "running a command on "+s.target.String(), reading)
	}
	return nil
}

// SetPassword implements [engine.Session]. The user's roles and custom data are kept.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	op := fmt.Sprintf("setting the password of user %q on %s", user, s.target)
	if err := checkName("user", user); err != nil {
		return err
	}
	if password.IsEmpty() {
		return emptyPassword(op)
	}
	if err := s.mayBeRead(); err != nil {
		return err
	}
	if _, err := s.change(ctx, setPasswordCommand(user, password)); err != nil {
		return commandFault(err, op, changingPassword)
	}
	return nil
}

// mayBeRead refuses to send a new password to a server that claims to have no TLS, unless
// the secret says that there is none. SCRAM protects the password of a login on such a
// connection, but the commands that set a password do not.
func (s *session) mayBeRead() error {
	if s.ssl != nil || s.Encrypted() {
		return nil
	}
	return s.target.ReadableFault(nil, "the new password")
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.wire.conn != s.wire.raw }

// run runs one command on the database admin, where DocumentDB keeps all users (developer
// guide, "Managing Amazon DocumentDB users"). The error is a refusal if the server
// answered.
func (s *session) run(ctx context.Context, command bson.D) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return s.wire.run(ctx, command)
}

// change runs a command that changes a user. The server limits its duration (MongoDB
// manual, "maxTimeMS"), even after the client has gone. A server that does not support
// the limit for these commands refuses without changing anything, and the command is sent
// again without it.
func (s *session) change(ctx context.Context, command bson.D) (bson.Raw, error) {
	if s.unbounded {
		return s.run(ctx, command)
	}
	bounded := append(command[:len(command):len(command)], bson.E{Key: "maxTimeMS", Value: engine.LockTimeout.Milliseconds()})
	answer, err := s.run(ctx, bounded)
	if refused, ok := errors.AsType[refusal](err); ok && unknownField(refused.code) {
		s.unbounded = true
		return s.run(ctx, command)
	}
	return answer, err
}

// Close implements [engine.Session]. The protocol has no message for ending a session.
func (s *session) Close() { s.wire.close() }
