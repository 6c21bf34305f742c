package budget

import (
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// Trips stands before a server and counts round trips: each time it answers what a
// client has sent. What a server says unasked is none, nor is a goodbye without an
// answer.
type Trips struct {
	listener net.Listener
	server   string
	n        atomic.Int64
	running  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// CountTrips has secrets lead to the server by way of a counter.
func (d *Database) CountTrips() (*Trips, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Trips{listener: l, server: net.JoinHostPort(d.Host, strconv.Itoa(d.Port))}
	d.Host, d.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	t.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			t.running.Go(func() { t.serve(client) })
		}
	})
	return t, nil
}

// Take returns the count since the last Take.
func (t *Trips) Take() int { return int(t.n.Swap(0)) }

// Close ends all connections.
func (t *Trips) Close() {
	_ = t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.running.Wait()
}

func (t *Trips) serve(client net.Conn) {
	server, err := net.Dial("tcp", t.server)
	if err != nil {
		_ = client.Close()
		return
	}
	t.mu.Lock()
	t.conns = append(t.conns, client, server)
	t.mu.Unlock()
	var asked atomic.Bool
	var both sync.WaitGroup
	both.Go(func() { pass(client, server, func() { asked.Store(true) }) })
	both.Go(func() {
		pass(server, client, func() {
			if asked.CompareAndSwap(true, false) {
				t.n.Add(1)
			}
		})
	})
	both.Wait()
}

// pass copies from one to the other, and tells of each piece before it is passed on.
func pass(from, to net.Conn, piece func()) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			piece()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
