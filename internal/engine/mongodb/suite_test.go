package mongodb_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// The suite on a real server, which has no roles and no authorisation.
func TestSuiteOnFerretDB(t *testing.T) {
	t.Parallel() // much of the suite is waiting
	plain := ferret(t)
	noTLS := plain.document(nil)
	authority := certs.New("our CA")
	server, err := dbserver.StartFerretDB(t.Context(), dbserver.FerretDB{TLS: authority.Server("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	trusting := mongodb.Engine{Roots: authority.Pool()}
	enginetest.Run(t, enginetest.Target{
		Name:   "FerretDB " + server.Version,
		Engine: trusting,
		Fixture: &fixture{
			engine: trusting,
			super:  document("127.0.0.1", server.Port, server.AdminUser, server.AdminPassword, nil),
			tls:    &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"},
		},
		TLS:   &enginetest.TLS{Distrusting: mongodb.Engine{Roots: certs.New("another CA").Pool()}, WrongHost: "localhost"},
		NoTLS: &noTLS,
		NotApplicable: map[string]string{
			"tls/switched off":                           "the port of a server with TLS speaks nothing else",
			"password/of another user without privilege": "FerretDB has no authorisation; the fake has",
			// It works on a password for milliseconds; TestConnectionLost waits for
			// its answer.
			"password/connection lost": "FerretDB is still at work when the suite asks; see TestConnectionLost",
		},
	})
}

// The suite on a server of the tests' own, which has them: one that keeps custom
// data and one that does not.
func TestSuiteOnFake(t *testing.T) {
	for name, marks := range map[string]bool{"with custom data": true, "without custom data": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t)
			f.noCustomData = !marks
			fixture := &fixture{super: f.superuser()}
			right := func(database string) enginetest.Right {
				roles := bson.E{Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "read"}, {Key: "db", Value: database}}}}
				return enginetest.Right{
					Name: "read on " + database,
					Grant: func(t testing.TB, user string) {
						fixture.run(t, bson.D{{Key: "grantRolesToUser", Value: user}, roles})
					},
					Revoke: func(t testing.TB, user string) {
						fixture.run(t, bson.D{{Key: "revokeRolesFromUser", Value: user}, roles})
					},
					Works: func(t testing.TB, user string, password redact.String) bool {
						_, err := mongodb.Run(t.Context(), open(t, mongodb.Engine{}, fixture.Document(user, password)), bson.D{{Key: "find", Value: database}})
						return err == nil
					},
				}
			}
			enginetest.Run(t, enginetest.Target{
				Name:    "a fake of DocumentDB 4.0, " + name,
				Engine:  mongodb.Engine{},
				Fixture: fixture,
				Rights:  []enginetest.Right{right("shop"), right("stock")},
				GrantAll: func(t testing.TB, user string) {
					fixture.run(t, bson.D{{Key: "grantRolesToUser", Value: user}, {Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "root"}, {Key: "db", Value: "admin"}}}}})
				},
				Marks:  marks,
				Logins: func(testing.TB) (accepted, refused int) { return f.counts() },
			})
		})
	}
}

// fixture manages users on a server.
type fixture struct {
	engine mongodb.Engine
	super  secretdoc.Document
	tls    *tls.Config // of the real server, nil for the fake
}

func (f *fixture) Superuser() secretdoc.Document { return f.super }

func (f *fixture) Document(user string, password redact.String) secretdoc.Document {
	return document(f.super.Host, f.super.Port, user, password, func(keys map[string]any) {
		if f.tls == nil {
			keys["ssl"] = false // the fake has none, and is sent new passwords all the same
		}
	})
}

func (f *fixture) run(t testing.TB, command bson.D) {
	t.Helper()
	if err := f.try(command); err != nil {
		t.Fatal(err)
	}
}

// try works after a test's own context has ended, too: the suite drops users
// then.
func (f *fixture) try(command bson.D) error {
	session, err := f.engine.Connect(context.Background(), f.super)
	if err != nil {
		return err
	}
	defer session.Close()
	_, err = mongodb.Run(context.Background(), session, command)
	return err
}

func (f *fixture) CreateUser(t testing.TB, user string, password redact.String) {
	t.Helper()
	f.run(t, bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: password.Reveal()}, {Key: "roles", Value: bson.A{}}})
}

func (f *fixture) DropUser(_ testing.TB, user string) {
	_ = f.try(bson.D{{Key: "dropUser", Value: user}})
}

// Login logs in with MongoDB's own driver. It refuses servers as old as the
// fake, so there the engine has to do.
func (f *fixture) Login(t testing.TB, user string, password redact.String) bool {
	t.Helper()
	doc := f.Document(user, password)
	if f.tls == nil {
		session, err := f.engine.Connect(t.Context(), doc)
		if err == nil {
			session.Close()
		} else if !fault.Is(err, fault.LoginRefused) {
			t.Fatal(err)
		}
		return err == nil
	}
	client, err := mongo.Connect(options.Client().SetHosts([]string{address(doc)}).SetDirect(true).SetTLSConfig(f.tls).
		SetServerSelectionTimeout(5 * time.Second).
		SetAuth(options.Credential{AuthMechanism: "SCRAM-SHA-1", AuthSource: "admin", Username: user, Password: password.Reveal()}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	err = client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err()
	if err != nil && !strings.Contains(err.Error(), "AuthenticationFailed") {
		t.Fatalf("logging in as %q: %v", user, err)
	}
	return err == nil
}
