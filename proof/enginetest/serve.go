package enginetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Serve runs a server of the test's own making on loopback and returns its
// port. Each connection is closed when handle returns, or when the test ends.
func Serve(t testing.TB, handle func(net.Conn)) int {
	t.Helper()
	l := listen(t)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			wg.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); cancel(); wg.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// Proxy stands between an engine and a server, for what an engine's own tests
// want to see or to cut.
type Proxy struct {
	// BeforeRequest is told what the client sends before the server gets it,
	// and BeforeAnswer likewise. False cuts the connection instead. Optional.
	BeforeRequest, BeforeAnswer func(data []byte) bool

	// Count is a text that is counted when the client sends it in clear.
	// Optional.
	Count string

	Port    int
	Conns   atomic.Int64
	Rounds  atomic.Int64 // how often the server answered what the client said
	Counted atomic.Int64
}

// Start begins to pass connections on, until the test ends.
func (p *Proxy) Start(t testing.TB, host string, port int) *Proxy {
	t.Helper()
	p.Port = Serve(t, func(client net.Conn) {
		p.Conns.Add(1)
		server, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return
		}
		hangUp := sync.OnceFunc(func() { client.Close(); server.Close() })
		defer hangUp()
		var asked atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			defer hangUp()
			pump(client, server, func(data []byte) bool {
				if asked.Swap(false) {
					p.Rounds.Add(1)
				}
				return p.BeforeAnswer == nil || p.BeforeAnswer(data)
			})
		})
		pump(server, client, func(data []byte) bool {
			asked.Store(true)
			if p.Count != "" {
				p.Counted.Add(int64(bytes.Count(data, []byte(p.Count))))
			}
			return p.BeforeRequest == nil || p.BeforeRequest(data)
		})
		hangUp()
		wg.Wait()
	})
	return p
}

// Through returns the document with the proxy's port.
func (p *Proxy) Through(doc func(func(map[string]any)) secretdoc.Document) secretdoc.Document {
	return doc(func(keys map[string]any) { keys["port"] = p.Port })
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
