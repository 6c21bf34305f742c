package tdsfake

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// Config configures a server. The zero value has no TLS.
type Config struct {
	// Certificate is the server's; without one it says that it has no
	// encryption. Optional.
	Certificate *certs.Pair
	// Encryption is the server's stance when it has a certificate.
	Encryption Encryption
	// MaxTLS is the newest TLS version spoken. Default TLS 1.2, which is what
	// SQL Server speaks inside of PRELOGIN.
	MaxTLS uint16
	// SAPassword is the password of "sa", a sysadmin. Required.
	SAPassword string
}

// Server is a listening fake. It is safe for concurrent use.
type Server struct {
	listener net.Listener
	done     sync.WaitGroup

	mu        sync.Mutex
	cfg       Config
	clients   map[net.Conn]bool
	scope     // of the server: logins, server roles, their permissions
	databases map[string]*database
	nextID    int
	log       []entry
	fired     []string // "trigger as login: statement"
	faults    []Fault
	refuse    []int32
	mute      bool
	held      chan struct{} // closed when the lock is released; nil: nobody holds it
	waiting   int
	counts    Counts
}

// Counts counts logins.
type Counts struct {
	Accepted, Refused int
	Encrypted         int // those accepted whose session is encrypted throughout
}

// Start makes a server on a free loopback port, with the system databases, a
// database "app" and the login "sa".
func Start(cfg Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: listener, cfg: cfg, clients: map[net.Conn]bool{}}
	s.populate()
	s.done.Go(s.accept)
	return s, nil
}

// Port is the port on 127.0.0.1.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Close ends all connections.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.clients {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *Server) accept() {
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.clients[raw] = true
		s.mu.Unlock()
		s.done.Go(func() {
			(&conn{server: s, raw: raw}).serve()
			s.mu.Lock()
			delete(s.clients, raw)
			s.mu.Unlock()
		})
	}
}

// Configure replaces the certificate, the encryption and the TLS version for
// connections to come.
func (s *Server) Configure(cfg Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg = cfg
}

func (s *Server) encryption() Encryption {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Certificate == nil {
		return EncryptionNotSupported
	}
	return s.cfg.Encryption
}

func (s *Server) tlsConfig() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := s.cfg.MaxTLS
	if newest == 0 {
		newest = tls.VersionTLS12
	}
	pair, _ := tls.X509KeyPair(s.cfg.Certificate.Certificate, s.cfg.Certificate.Key)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: newest,
		DynamicRecordSizingDisabled: true,
	}
}

// Fault is something that goes wrong once.
type Fault struct {
	// Statement is how the statement starts that it happens at; "" is any.
	Statement string
	// Before has the statement not executed. By default it is, and its answer
	// is lost.
	Before bool
	// Silence keeps the connection open and never answers. By default the
	// connection is dropped.
	Silence bool
	// Error is answered instead; with Before nothing has happened.
	Error int32
}

// Inject orders a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

func (s *Server) takeFault(statement string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if strings.HasPrefix(statement, f.Statement) {
			s.faults = slices.Delete(s.faults, i, i+1)
			return &f
		}
	}
	return nil
}

// RefuseLogins answers every login with these errors, until it is called with
// none.
func (s *Server) RefuseLogins(numbers ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = numbers
}

// Mute makes the server take connections and say nothing.
func (s *Server) Mute(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

func (s *Server) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mute
}

// Counts returns the logins so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Statements returns what was executed and is not a query, with passwords
// replaced, as a trace of SQL Server shows it.
func (s *Server) Statements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, e := range s.log {
		list = append(list, e.text)
	}
	return list
}

// entry is a statement and the database that was current.
type entry struct{ database, text string }

// StatementsIn returns those of Statements that were executed in a database.
func (s *Server) StatementsIn(database string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, e := range s.log {
		if e.database == database {
			list = append(list, e.text)
		}
	}
	return list
}

// AddTrigger makes a DDL trigger for all events of a database.
func (s *Server) AddTrigger(database, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[database]
	d.triggers = append(d.triggers, name)
}

// Fired tells which triggers ran, as whom, and what set them off.
func (s *Server) Fired() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fired)
}
