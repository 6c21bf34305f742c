package mongodb_test

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// A user changes its own password, and the administrator another's.
func TestSetPassword(t *testing.T) {
	for _, who := range []string{"the user itself", "a superuser"} {
		t.Run(who, func(t *testing.T) {
			d := ferret(t)
			doc := d.document(nil)
			session := open(t, mongodb.Engine{}, doc)
			if who != "the user itself" {
				session = d.admin(t)
			}
			next := redact.New("n3xt-Pa55word-" + d.User)
			if err := session.SetPassword(t.Context(), d.User, next); err != nil {
				t.Fatal(err)
			}
			refused(t, doc)
			accepted(t, doc.WithPassword(next))
			driverAccepted(t, doc.WithPassword(next))
			if strings.Contains(d.log(t), next.Reveal()) {
				t.Error("the server's log shows the password")
			}
		})
	}
}

// driverAccepted logs in as applications do: with MongoDB's own driver, by either
// mechanism.
func driverAccepted(t testing.TB, doc secretdoc.Document) {
	t.Helper()
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		client, err := mongo.Connect(options.Client().SetHosts([]string{address(doc)}).SetDirect(true).
			SetServerSelectionTimeout(5 * time.Second).
			SetAuth(options.Credential{AuthMechanism: mechanism, AuthSource: "admin", Username: doc.Username, Password: doc.Password.Reveal()}))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err(); err != nil {
			t.Errorf("MongoDB's driver, %s: %v", mechanism, err)
		}
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Both mechanisms, as the user has them.
func TestMechanisms(t *testing.T) {
	d := ferret(t)
	admin := d.admin(t)
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		user := d.User + mechanism
		d.create(t, admin, user, d.Password, bson.E{Key: "mechanisms", Value: bson.A{mechanism}})
		as := func(keys map[string]any) { keys["username"] = user }
		accepted(t, d.document(as))
		refused(t, d.document(func(keys map[string]any) { as(keys); keys["password"] = "wrong-Pa55word" }))
	}
}

// One connection and one login per Connect, whatever becomes of it, and nothing
// more while the session is open.
func TestOneLogin(t *testing.T) {
	d := ferret(t)
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   fault.Code
	}{
		"accepted":       {func(map[string]any) {}, ""},
		"wrong password": {func(keys map[string]any) { keys["password"] = "wrong-Pa55word" }, fault.LoginRefused},
		"no such user":   {func(keys map[string]any) { keys["username"] = "nobody at all" }, fault.LoginRefused},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&enginetest.Proxy{Count: "saslStart"}).Start(t, d.Host, d.Port)
			doc := d.document(func(keys map[string]any) { tc.change(keys); keys["port"], keys["ssl"] = p.Port, false })
			s, err := mongodb.Engine{}.Connect(t.Context(), doc)
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if err == nil {
				for range 3 {
					if err := s.Probe(t.Context()); err != nil {
						t.Error(err)
					}
				}
				s.Close()
			}
			if conns, logins := p.Conns.Load(), p.Counted.Load(); conns != 1 || logins != 1 {
				t.Errorf("%d connections and %d logins, want one of each", conns, logins)
			}
			t.Logf("%d round trips", p.Rounds.Load())
		})
	}
}

// Without ssl in the secret a server without TLS gets a second connection, but
// no second login.
func TestOneLoginWithoutTLS(t *testing.T) {
	d := ferret(t)
	d.plain = false // TLS is tried first
	p := (&enginetest.Proxy{Count: "saslStart"}).Start(t, d.Host, d.Port)
	accepted(t, p.Through(d.document))
	if conns, logins := p.Conns.Load(), p.Counted.Load(); conns != 2 || logins != 1 {
		t.Errorf("%d connections and %d logins, want 2 and 1", conns, logins)
	}
}

// Names and passwords of every kind.
func TestAnyNameAndPassword(t *testing.T) {
	d := ferret(t)
	admin := d.admin(t)
	ascii := ""
	for c := rune(' '); c <= '~'; c++ {
		ascii += string(c)
	}
	count := 0
	check := func(t testing.TB, user, first, next string) {
		count++
		d.create(t, admin, user, redact.New(first))
		doc := d.document(func(keys map[string]any) { keys["username"], keys["password"], keys["ssl"] = user, first, false })
		s, err := mongodb.Engine{}.Connect(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.SetPassword(t.Context(), user, redact.New(next)); err != nil {
			t.Fatal(err)
		}
		accepted(t, doc.WithPassword(redact.New(next)))
		if first != next {
			refused(t, doc)
		}
		if _, err := mongodb.Run(t.Context(), admin, bson.D{{Key: "dropUser", Value: user}}); err != nil {
			t.Fatal(err)
		}
	}
	check(t, ascii, ascii, ascii+ascii)
	check(t, `Ünï"code' 用户 \ %s =,.$x`, "=,%s\\'\"$where", "n3xt")
	password := rapid.StringOfN(rapid.RuneFrom([]rune(ascii)), 1, 64, -1)
	rapid.Check(t, func(rt *rapid.T) {
		user := rapid.StringOfN(rapid.RuneFrom([]rune(ascii+"äßЖ用é")), 1, 100, -1).Draw(rt, "user")
		check(&checked{TB: t, rt: rt}, user, password.Draw(rt, "first"), password.Draw(rt, "next"))
	})
	t.Logf("%d users", count)
}

// checked fails rapid's check, not the whole test.
type checked struct {
	testing.TB
	rt *rapid.T
}

func (c *checked) Helper()                      {}
func (c *checked) Fatal(args ...any)            { c.rt.Fatal(args...) }
func (c *checked) Fatalf(f string, args ...any) { c.rt.Fatalf(f, args...) }
func (c *checked) Error(args ...any)            { c.rt.Error(args...) }
func (c *checked) Errorf(f string, args ...any) { c.rt.Errorf(f, args...) }

// What the real server refuses.
func TestChangeRefused(t *testing.T) {
	d := ferret(t)
	doc := d.document(nil)
	session := open(t, mongodb.Engine{}, doc)
	set := func(user, password string) error {
		return session.SetPassword(t.Context(), user, redact.New(password))
	}
	expect(t, set(d.User, ""), fault.PasswordRejected, doc, "empty")
	expect(t, set("nobody at all", "n3xt-Pa55word"), fault.DatabaseError, doc, `"nobody at all"`)
	if err := set(strings.Repeat("x", 129), "n3xt-Pa55word"); fault.CodeOf(err) != fault.InvalidSecret {
		t.Errorf("got %v, want InvalidSecret", err)
	}
	accepted(t, doc) // none of this has changed anything
}
