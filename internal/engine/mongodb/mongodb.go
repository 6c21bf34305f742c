// Package mongodb rotates passwords of Amazon DocumentDB users (engine "mongo").
//
// It speaks MongoDB's wire protocol itself and takes only BSON from MongoDB's
// driver. A rotation needs one connection, one login and a handful of commands;
// the driver brings pools, monitors and retries, which make the number of
// logins hard to promise, and it refuses servers as old as DocumentDB 4.0
// (docs of mongo-driver v2.10: MongoDB 4.4 or later).
//
// The server gets new passwords in clear, inside of TLS: createUser and
// updateUser take no hash that would be worth less than the password
// (digestPassword false takes the MD5 that SCRAM-SHA-1 logs in with). What
// DocumentDB's auditing, which is off by default, keeps of such a command could
// not be tried; its profiler keeps queries and writes of documents only (Amazon
// DocumentDB developer guide, "Profiling Amazon DocumentDB operations").
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

// answerTimeout is how long we wait for the answer to a command. None of ours
// takes more than milliseconds.
const answerTimeout = 12 * time.Second

// Engine logs in to DocumentDB clusters and to MongoDB servers. Its zero value
// is ready.
type Engine struct {
	// Roots are whose certificates a server may have that is not AWS's. Optional: by
	// default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// Connect implements [engine.Engine]. It talks to the secret's host and to none
// that the server names, makes one attempt to log in, whatever happens, and no
// second connection unless the server has no TLS (see dial).
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

	unbounded bool // the server does not take a bound with commands on users
}

// Probe implements [engine.Session].
func (s *session) Probe(ctx context.Context) error {
	if _, err := s.run(ctx, pingCommand()); err != nil {
		return commandFault(err, "running a command on "+s.target.String(), reading)
	}
	return nil
}

// SetPassword implements [engine.Session]. The user's roles and custom data stay
// as they are.
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

// mayBeRead refuses to send a password to a server that says that it has no TLS,
// unless the secret says that there is to be none: SCRAM keeps the one that logs in
// from the eyes of others, the commands do not.
func (s *session) mayBeRead() error {
	if s.ssl != nil || s.Encrypted() {
		return nil
	}
	return s.target.ReadableFault(nil, "the new password")
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.wire.conn != s.wire.raw }

// run runs one command on the database admin, where DocumentDB keeps all users
// (developer guide, "Managing Amazon DocumentDB users"). An error is a refusal
// if the server answered.
func (s *session) run(ctx context.Context, command bson.D) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return s.wire.run(ctx, command)
}

// change runs a command that changes a user. The server itself bounds how long it
// is at it (MongoDB manual, "maxTimeMS"), also when we are gone. One that does not
// know such a bound with these commands has refused and not changed anything, and
// is asked without.
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

// Close implements [engine.Session]. The protocol has no farewell.
func (s *session) Close() { s.wire.close() }
