package chaos

import (
	"fmt"
	"net"
	"strconv"
	"sync"
)

// proxy stands between the functions and the database. It needs no knowledge of
// the protocol: what a client sends until the server answers is one round trip,
// and one event.
type proxy struct {
	listener net.Listener
	server   string
	events   *events
	goodbye  func(chunk []byte) bool // a client's farewell, which nobody waits for
	logins   int                     // round trips that begin a connection and log in
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newProxy(target Target, e *events) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening in front of the database: %w", err)
	}
	p := &proxy{
		listener: listener, server: net.JoinHostPort(target.Host, strconv.Itoa(target.Port)), events: e,
		goodbye: target.Goodbye, logins: target.LoginTrips, conns: map[net.Conn]bool{},
	}
	p.done.Go(p.serve)
	return p, nil
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.done.Go(func() { p.relay(client, server) })
	}
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	answered       chan struct{} // signalled by each chunk of the server's

	mu    sync.Mutex
	muted bool // the server's answers are lost
	asked bool // the client has sent something since the server's last chunk
}

func (p *proxy) relay(client, server net.Conn) {
	l := &link{client: client, server: server, answered: make(chan struct{}, 1)}
	p.track(client, server, true)
	defer p.track(client, server, false)
	var back sync.WaitGroup
	back.Go(l.backward)
	p.forward(l)
	_ = client.Close()
	_ = server.Close()
	back.Wait()
}

// forward passes on what the client sends, and asks before each round trip.
func (p *proxy) forward(l *link) {
	buffer := make([]byte, 64<<10)
	trips := 0
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			return
		}
		var mode *Mode
		if l.startsRoundTrip() && !p.goodbye(buffer[:n]) {
			what := "database"
			if trips++; trips <= p.logins {
				what = login
			}
			mode = p.events.next(what)
		}
		if mode != nil && !mode.after() {
			p.events.bury() // first: nobody who is dead sees a connection break
			_ = l.client.Close()
			_ = l.server.Close()
			return
		}
		if mode != nil {
			l.mute()
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
		if mode != nil {
			<-l.answered // the server has done it, or has gone
			p.events.bury()
			_ = l.client.Close()
			return
		}
	}
}

// backward passes on what the server sends.
func (l *link) backward() {
	defer close(l.answered)
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buffer)
		if err != nil {
			_ = l.client.Close()
			return
		}
		l.mu.Lock()
		muted, asked := l.muted, l.asked
		l.asked = false
		l.mu.Unlock()
		if muted {
			if asked {
				l.answered <- struct{}{}
			}
			continue
		}
		if _, err := l.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// startsRoundTrip notes that the client has sent something.
func (l *link) startsRoundTrip() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.asked
	l.asked = true
	return first
}

func (l *link) mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = true
}

func (p *proxy) track(client, server net.Conn, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{client, server} {
		if open {
			p.conns[c] = true
		} else {
			delete(p.conns, c)
		}
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}
