package enginetest

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// listen opens a port that is closed when the test ends.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// at is the document with another address.
func at(doc secretdoc.Document, l net.Listener) secretdoc.Document {
	doc.Host, doc.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	return doc
}

// loss says what becomes of the message on which a proxy cuts the connection.
type loss int

const (
	loseRequest loss = iota // it never reaches the server
	loseAnswer              // the server gets it, and we do not hear
)

func (l loss) String() string {
	return [...]string{"request lost", "answer lost"}[l]
}

// proxy passes a server's connections on until it is told to cut them.
type proxy struct {
	listener net.Listener
	server   string
	over     chan struct{} // closed when the test ends

	mu     sync.Mutex
	seen   bytes.Buffer // what clients sent
	count  int          // connections
	passes int          // messages until the cut; negative: no cut
	how    loss
	cut    bool // it has been made

	ends []func(tellServer bool) // of the connections so far
}

func newProxy(t testing.TB, server secretdoc.Document) *proxy {
	p := &proxy{
		listener: listen(t), passes: -1, over: make(chan struct{}),
		server: net.JoinHostPort(server.Host, strconv.Itoa(server.Port)),
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { p.listener.Close(); close(p.over); wg.Wait() })
	wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.count++
			p.mu.Unlock()
			wg.Go(func() { p.serve(client) })
		}
	})
	return p
}

// document is the document with the proxy's address.
func (p *proxy) document(doc secretdoc.Document) secretdoc.Document { return at(doc, p.listener) }

// cutAfter cuts the connection on the client's message after the next n.
func (p *proxy) cutAfter(n int, how loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passes, p.how = n, how
}

// hangUp ends all connections to clients. The server hears of it, or, if the
// client is to be dead, never again hears anything.
func (p *proxy) hangUp(tellServer bool) {
	p.listener.Close() // nor do new ones get through, by which a driver would cancel its statement
	p.mu.Lock()
	ends := p.ends
	p.ends = nil
	p.mu.Unlock()
	for _, end := range ends {
		end(tellServer)
	}
}

// wasCut reports whether a connection has been cut.
func (p *proxy) wasCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// onEnd registers how to end a connection; forget takes it back.
func (p *proxy) onEnd(end func(tellServer bool)) (forget func()) {
	var ended sync.Once
	once := func(tellServer bool) { ended.Do(func() { end(tellServer) }) }
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, once)
	return func() { ended.Do(func() {}) }
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// sawPlain reports whether a client has sent the text in clear.
func (p *proxy) sawPlain(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.seen.Bytes(), []byte(text))
}

// next counts a message and says what to do with it.
func (p *proxy) next(message []byte) (forward, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.Write(message)
	if p.passes < 0 {
		return true, false
	}
	if p.passes > 0 {
		p.passes--
		return true, false
	}
	p.cut = true
	return p.how == loseAnswer, true
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	dead := make(chan struct{})
	defer p.onEnd(func(tellServer bool) {
		if !tellServer {
			close(dead)
		}
		client.Close()
	})()
	var mute sync.Mutex // held while the server's answers must not pass
	answered := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			select {
			case answered <- struct{}{}:
			default:
			}
			if err != nil {
				client.Close()
				return
			}
			mute.Lock()
			_, err = client.Write(buffer[:n])
			mute.Unlock()
			select {
			case <-dead: // the server is not told
			default:
				if err != nil {
					return
				}
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			select {
			case <-dead:
				<-p.over // a dead client does not say that it is
			default:
			}
			break
		}
		forward, cut := p.next(buffer[:n])
		if cut {
			mute.Lock() // the answer must not get through
		}
		if forward {
			select {
			case <-answered:
			default:
			}
			if _, err := server.Write(buffer[:n]); err != nil && !cut {
				break
			}
		}
		if cut {
			if forward { // until the server has done it
				select {
				case <-answered:
				case <-time.After(5 * time.Second):
				}
			}
			client.Close()
			mute.Unlock()
			break
		}
	}
	server.Close()
	<-done
	_, _ = io.Copy(io.Discard, server)
}
