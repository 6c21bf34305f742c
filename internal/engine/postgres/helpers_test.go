package postgres_test

import (
	"context"
	"flag"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/dbtest"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
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
	goleak.VerifyTestMain(dbtest.Stopping(m))
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
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 10 s still not: %s", what)
		}
	}
}

// proxy stands between the engine and a server.
type proxy struct {
	port   int
	rounds atomic.Int64 // how often the server answered what the client said
	conns  atomic.Int64

	// beforeRequest is told what the client sends before the server gets it,
	// and beforeAnswer likewise. False cuts the connection instead. Optional.
	beforeRequest, beforeAnswer func(data []byte) bool
}

// through returns the document with the proxy's port.
func (p *proxy) through(doc func(func(map[string]any)) secretdoc.Document) secretdoc.Document {
	return doc(func(keys map[string]any) { keys["port"] = p.port })
}

func (p *proxy) start(t testing.TB, db *dbtest.DB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Add(1)
			server, err := net.Dial("tcp", net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
			if err != nil {
				client.Close()
				continue
			}
			hangUp := sync.OnceFunc(func() { client.Close(); server.Close() })
			context.AfterFunc(ctx, hangUp)
			var asked atomic.Bool
			wg.Go(func() {
				defer hangUp()
				pump(server, client, func(data []byte) bool {
					asked.Store(true)
					return p.beforeRequest == nil || p.beforeRequest(data)
				})
			})
			wg.Go(func() {
				defer hangUp()
				pump(client, server, func(data []byte) bool {
					if asked.Swap(false) {
						p.rounds.Add(1)
					}
					return p.beforeAnswer == nil || p.beforeAnswer(data)
				})
			})
		}
	})
	t.Cleanup(func() { l.Close(); cancel(); wg.Wait() })
	return p
}

func pump(to io.Writer, from io.Reader, pass func([]byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !pass(buffer[:n]) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// listen runs a server of the test's own making on loopback.
func listen(t testing.TB, serve func(net.Conn)) secretdoc.Document {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return document(t, l.Addr().(*net.TCPAddr).Port, "")
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
