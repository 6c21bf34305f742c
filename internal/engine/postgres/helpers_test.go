package postgres_test

import (
	"flag"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", "30") // each check logs in several times
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "12") // most of them wait for time to pass
	}
	if os.Getenv("PGHOST") == "" {
		os.Setenv("PGHOST", "the.environment.must.not.matter.invalid")
	}
	leakcheck.Main(dbtest.Stopping(m))
}

// open logs in and closes the session when the test ends.
func open(t testing.TB, doc secretdoc.Document) engine.Session {
	t.Helper()
	s, err := postgres.Engine{}.Connect(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// refused expects that the document's credentials are not accepted.
func refused(t testing.TB, doc secretdoc.Document) {
	t.Helper()
	s, err := postgres.Engine{}.Connect(t.Context(), doc)
	if err == nil {
		s.Close()
	}
	if fault.CodeOf(err) != fault.LoginRefused {
		t.Fatalf("got %v, want LoginRefused", err)
	}
	if password := doc.Password.Reveal(); len(password) > 8 && strings.Contains(err.Error(), password) {
		t.Error("the error shows the password")
	}
}

// accepted expects that they are.
func accepted(t testing.TB, doc secretdoc.Document) {
	t.Helper()
	s, err := postgres.Engine{}.Connect(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
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

// eventually waits for something another process does.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}

// listen runs a server of the test's own making on loopback.
func listen(t testing.TB, serve func(net.Conn)) secretdoc.Document {
	t.Helper()
	return document(t, enginetest.Serve(t, serve), "")
}

// document is a secret for a server on loopback. more is JSON, such as
// `,"ssl":true`.
func document(t testing.TB, port int, more string) secretdoc.Document {
	t.Helper()
	doc, err := secretdoc.Parse(redact.New(`{"engine":"postgres","host":"127.0.0.1","username":"app","password":"c4nary-Pa55word","port":` + strconv.Itoa(port) + more + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
