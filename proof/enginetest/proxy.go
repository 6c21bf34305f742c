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
	l := &line{client: client, server: server, dead: make(chan struct{}), answered: make(chan struct{}, 1)}
	defer p.onEnd(func(tellServer bool) {
		if !tellServer {
			close(l.dead)
		}
		client.Close()
	})()
	done := make(chan struct{})
	go func() { defer close(done); l.passAnswers() }()
	l.passMessages(p)
	server.Close()
	<-done
	_, _ = io.Copy(io.Discard, server)
}

// line is one client's connection through the proxy.
type line struct {
	client, server net.Conn

	dead     chan struct{} // closed when the client is to be dead, of which the server is not told
	answered chan struct{} // something has come from the server
	mute     sync.Mutex    // held while the server's answers must not pass
}

func (l *line) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// passAnswers passes on what the server says.
func (l *line) passAnswers() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buffer)
		select {
		case l.answered <- struct{}{}:
		default:
		}
		if err != nil {
			l.client.Close()
			return
		}
		l.mute.Lock()
		_, err = l.client.Write(buffer[:n])
		l.mute.Unlock()
		if err != nil && !l.isDead() {
			return
		}
	}
}

// passMessages passes on what the client says, until it is cut off.
func (l *line) passMessages(p *proxy) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			if l.isDead() {
				<-p.over // a dead client does not say that it is
			}
			return
		}
		forward, cut := p.next(buffer[:n])
		if cut {
			l.cutOff(buffer[:n], forward)
			return
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cutOff ends the connection on a message. If the server gets it, it also carries it out.
func (l *line) cutOff(message []byte, forward bool) {
	l.mute.Lock() // the answer must not get through
	defer l.mute.Unlock()
	if forward {
		select {
		case <-l.answered: // to an earlier message
		default:
		}
		_, _ = l.server.Write(message)
		select {
		case <-l.answered:
		case <-time.After(5 * time.Second):
		}
	}
	l.client.Close()
}
