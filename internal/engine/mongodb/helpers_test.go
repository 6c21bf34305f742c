package mongodb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// shared is the FerretDB server without TLS of all tests.
var shared struct {
	sync.Once
	server *dbserver.Server
	err    error
}

type tests struct{ m *testing.M }

func (t tests) Run() int {
	defer func() {
		if shared.server != nil {
			shared.server.Stop()
		}
	}()
	return t.m.Run()
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", "30") // each check logs in several times
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "16") // most of them wait for a time-out
	}
	leakcheck.Main(tests{m})
}

// db is a user of its own on a FerretDB server.
type db struct {
	*dbserver.Server
	User     string
	Password redact.String
	plain    bool // the secrets say that there is no TLS
}

// ferret returns a fresh user on the shared server.
func ferret(t testing.TB) *db {
	t.Helper()
	shared.Do(func() {
		shared.server, shared.err = dbserver.StartFerretDB(context.Background(), dbserver.FerretDB{})
		if shared.err == nil {
			fmt.Printf("FerretDB %s\n", shared.server.Version)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	d := userOn(t, shared.server, mongodb.Engine{}, nil)
	d.plain = true
	return d
}

// userOn creates a user on a server.
func userOn(t testing.TB, s *dbserver.Server, e mongodb.Engine, ssl *bool) *db {
	t.Helper()
	d := &db{Server: s, User: "user-" + rand.Text()[:12], Password: redact.New(rand.Text())}
	root := d.superuser(nil)
	root.SSL = ssl
	admin := open(t, e, root)
	d.create(t, admin, d.User, d.Password)
	return d
}

func (d *db) create(t testing.TB, admin engine.Session, user string, password redact.String, more ...bson.E) {
	t.Helper()
	command := append(bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: password.Reveal()}, {Key: "roles", Value: bson.A{}}}, more...)
	if _, err := mongodb.Run(t.Context(), admin, command); err != nil {
		t.Fatal(err)
	}
}

// admin returns a session of the server's administrator.
func (d *db) admin(t testing.TB) engine.Session {
	t.Helper()
	return open(t, mongodb.Engine{}, d.superuser(nil))
}

// document returns the secret of the test's user. change, if not nil, edits its
// JSON first.
func (d *db) document(change func(map[string]any)) secretdoc.Document {
	return d.secret(d.User, d.Password, change)
}

func (d *db) superuser(change func(map[string]any)) secretdoc.Document {
	return d.secret(d.AdminUser, d.AdminPassword, change)
}

func (d *db) secret(user string, password redact.String, change func(map[string]any)) secretdoc.Document {
	return document(d.Host, d.Port, user, password, func(keys map[string]any) {
		if d.plain {
			keys["ssl"] = false
		}
		if change != nil {
			change(keys)
		}
	})
}

func document(host string, port int, user string, password redact.String, change func(map[string]any)) secretdoc.Document {
	keys := map[string]any{"engine": "mongo", "host": host, "port": port, "username": user, "password": password.Reveal()}
	if change != nil {
		change(keys)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(keys); err != nil {
		panic(err)
	}
	doc, err := secretdoc.Parse(redact.New(text.String()))
	if err != nil {
		panic(err)
	}
	return doc
}

// local is the secret of a server of a test's own making on loopback.
func local(port int, change func(map[string]any)) secretdoc.Document {
	return document("127.0.0.1", port, "app", redact.New("c4nary-Pa55word"), change)
}

// open logs in and closes the session when the test ends.
func open(t testing.TB, e mongodb.Engine, doc secretdoc.Document) engine.Session {
	t.Helper()
	s, err := e.Connect(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// connect tries to log in and returns the error.
func connect(t testing.TB, doc secretdoc.Document) error {
	t.Helper()
	s, err := mongodb.Engine{}.Connect(t.Context(), doc)
	if err == nil {
		s.Close()
	}
	return err
}

// accepted expects that the document's credentials are accepted.
func accepted(t testing.TB, doc secretdoc.Document) {
	t.Helper()
	s, err := mongodb.Engine{}.Connect(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// refused expects that they are not.
func refused(t testing.TB, doc secretdoc.Document) {
	t.Helper()
	if err := connect(t, doc); fault.CodeOf(err) != fault.LoginRefused {
		t.Fatalf("got %v, want LoginRefused", err)
	} else if password := doc.Password.Reveal(); len(password) > 8 && strings.Contains(err.Error(), password) {
		t.Error("the error shows the password")
	}
}

// expect checks an error's code, that it names where it happened and what to
// do, and that it does not show the password.
func expect(t testing.TB, err error, code fault.Code, doc secretdoc.Document, words ...string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, word := range append(words, net.JoinHostPort(doc.Host, strconv.Itoa(doc.Port))) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), doc.Password.Reveal()) {
		t.Error("the error shows the password")
	}
	t.Log(err)
}

// log returns the server's log.
func (d *db) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(d.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func address(doc secretdoc.Document) string {
	return net.JoinHostPort(doc.Host, strconv.Itoa(doc.Port))
}
