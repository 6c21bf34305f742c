package oracle

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// These tests go through the driver, up to where a login would begin.

func document(t testing.TB, port int, ssl *bool) secretdoc.Document {
	t.Helper()
	doc, err := secretdoc.Parse(redact.New(`{"engine":"oracle","host":"127.0.0.1","username":"APP","password":"c4nary-Pa55word","dbname":"ORCL"}`))
	if err != nil {
		t.Fatal(err)
	}
	doc.Port, doc.SSL = port, ssl
	return doc
}

func connect(t testing.TB, doc secretdoc.Document) error {
	t.Helper()
	s, err := Engine{}.Connect(t.Context(), doc)
	if err == nil {
		s.Close()
	}
	return err
}

// packet is a packet of Oracle's network protocol.
func packet(kind byte, body string) string {
	head := make([]byte, 8)
	binary.BigEndian.PutUint16(head, uint16(8+len(body)))
	head[4] = kind
	return string(head) + body
}

const (
	accept, refuse, redirect = 2, 4, 5
)

func refusalPacket(number string) string {
	text := "(DESCRIPTION=(ERR=" + number + ")(VSNNUM=0)(ERROR_STACK=(ERROR=(CODE=" + number + ")(EMFI=4))))"
	return packet(refuse, "\x22\x00"+string([]byte{0, byte(len(text))})+text)
}

func redirectPacket(address string) string {
	return packet(redirect, string([]byte{0, byte(len(address))})+address)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	for _, ssl := range []*bool{nil, new(true)} {
		expect(t, connect(t, document(t, port, ssl)), fault.DatabaseUnreachable, "refuses connections", `"port"`)
		doc := document(t, port, ssl)
		doc.Host = "database.invalid"
		expect(t, connect(t, doc), fault.DatabaseUnreachable, "host name", "VPC")
	}
}

// A listener that accepts and never says anything.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, ssl := range map[string]*bool{"without TLS": nil, "with TLS": new(true)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := enginetest.Serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
			began := time.Now()
			err := connect(t, document(t, port, ssl))
			took := time.Since(began)
			expect(t, err, fault.DatabaseUnreachable, "no answer within 5s")
			if took < engine.ConnectTimeout/2 || took > 2*engine.ConnectTimeout {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestCancelledWhileConnecting(t *testing.T) {
	t.Parallel()
	port := enginetest.Serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	_, err := Engine{}.Connect(ctx, document(t, port, nil))
	expect(t, err, fault.DatabaseUnreachable, "cancelled")
	if took := time.Since(began); took > engine.ConnectTimeout-time.Second {
		t.Errorf("it took %v to notice", took)
	}
}

// What a listener answers, or something else at its port. Each time there is one
// connection, and the password is not on it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string
		code   fault.Code
		words  []string
	}{
		"unknown service":   {refusalPacket("12514"), fault.DatabaseUnavailable, []string{"ORA-12514", "dbname"}},
		"unknown SID":       {refusalPacket("12505"), fault.DatabaseUnavailable, []string{"ORA-12505"}},
		"no handler":        {refusalPacket("12516"), fault.DatabaseUnavailable, []string{"ORA-12516"}},
		"blocked":           {refusalPacket("12528"), fault.DatabaseUnavailable, []string{"ORA-12528"}},
		"not admitted":      {refusalPacket("12506"), fault.DatabaseUnreachable, []string{"ORA-12506", "access control"}},
		"no address":        {refusalPacket("12541"), fault.DatabaseUnreachable, []string{"ORA-12541"}},
		"hangs up":          {"", fault.DatabaseUnavailable, []string{"closed the connection"}},
		"half a header":     {"\x00\x20\x00", fault.DatabaseUnavailable, nil},
		"another protocol":  {"HTTP/1.1 400 Bad Request\r\n\r\n", "", nil},
		"SSH":               {"SSH-2.0-OpenSSH_9.9\r\n", "", nil},
		"an empty accept":   {packet(accept, ""), "", nil},
		"a short accept":    {packet(accept, strings.Repeat("\x00", 10)), "", nil},
		"nonsense accepted": {packet(accept, strings.Repeat("\xff", 60)), "", nil},
		"redirect away":     {redirectPacket("(ADDRESS=(PROTOCOL=tcp)(HOST=evil.invalid)(PORT=1521))"), fault.DatabaseError, []string{"another host"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int64
			heard := make(chan string, 4)
			port := enginetest.Serve(t, func(conn net.Conn) {
				conns.Add(1)
				buffer := make([]byte, 4096)
				n, _ := conn.Read(buffer)
				_, _ = io.WriteString(conn, tc.answer)
				_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				more, _ := io.ReadAll(conn)
				heard <- string(buffer[:n]) + string(more)
			})
			err := connect(t, document(t, port, nil))
			if tc.code == "" {
				// A defect of the driver must not become one of ours.
				if !fault.Is(err, fault.DatabaseError, fault.DatabaseUnavailable, fault.DatabaseUnreachable) {
					t.Errorf("got %v", err)
				}
				expect(t, err, fault.CodeOf(err), "127.0.0.1")
			} else {
				expect(t, err, tc.code, append(tc.words, "127.0.0.1")...)
			}
			if text := <-heard; strings.Contains(text, "c4nary-Pa55word") {
				t.Error("the password went over the wire")
			} else if !strings.Contains(text, "(SERVICE_NAME=ORCL)") {
				t.Errorf("the listener was asked %q", text)
			}
			if n := conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// "ssl" true is TLS, verified; anything else is none.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := certs.New("our CA"), certs.New("another CA")
	for name, tc := range map[string]struct {
		server *certs.Pair
		host   string
		ssl    *bool
		code   fault.Code
		words  []string
	}{
		"good":            {ours.Server("127.0.0.1"), "127.0.0.1", new(true), fault.DatabaseUnavailable, []string{"ORA-12514"}},
		"good, by name":   {ours.Server("localhost"), "localhost", new(true), fault.DatabaseUnavailable, []string{"ORA-12514"}},
		"expired":         {ours.Expired("127.0.0.1"), "127.0.0.1", new(true), fault.CertificateRejected, []string{"expired"}},
		"wrong name":      {ours.Server("elsewhere.example"), "127.0.0.1", new(true), fault.CertificateRejected, []string{"another host name"}},
		"unknown CA":      {other.Server("127.0.0.1"), "127.0.0.1", new(true), fault.CertificateRejected, []string{"authority"}},
		"no TLS":          {nil, "127.0.0.1", new(true), fault.TLSUnavailable, []string{`"ssl"`}},
		"no TLS, absent":  {nil, "127.0.0.1", nil, fault.DatabaseUnavailable, []string{"ORA-12514"}},
		"no TLS, off":     {nil, "127.0.0.1", new(false), fault.DatabaseUnavailable, []string{"ORA-12514"}},
		"TLS, not wanted": {ours.Server("127.0.0.1"), "127.0.0.1", nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clear atomic.Bool
			port := enginetest.Serve(t, func(conn net.Conn) {
				if tc.server != nil {
					pair, err := tls.X509KeyPair(tc.server.Certificate, tc.server.Key)
					if err != nil {
						t.Error(err)
					}
					conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
				}
				buffer := make([]byte, 4096)
				n, err := conn.Read(buffer)
				if err != nil {
					return
				}
				clear.Store(strings.Contains(string(buffer[:n]), "SERVICE_NAME"))
				_, _ = io.WriteString(conn, refusalPacket("12514"))
			})
			doc := document(t, port, tc.ssl)
			doc.Host = tc.host
			_, err := Engine{Roots: ours.Pool()}.Connect(t.Context(), doc)
			if tc.code == "" {
				expect(t, err, fault.CodeOf(err), "127.0.0.1")
				return
			}
			expect(t, err, tc.code, tc.words...)
			if rejected := tc.code == fault.CertificateRejected; rejected && clear.Load() {
				t.Error("something was sent after a certificate error")
			}
		})
	}
	t.Run("default roots", func(t *testing.T) {
		t.Parallel()
		server := other.Server("127.0.0.1")
		pair, err := tls.X509KeyPair(server.Certificate, server.Key)
		if err != nil {
			t.Fatal(err)
		}
		port := enginetest.Serve(t, func(conn net.Conn) {
			_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
		})
		expect(t, connect(t, document(t, port, new(true))), fault.CertificateRejected, "authority")
	})
}

func TestConnectChecksNames(t *testing.T) {
	t.Parallel()
	doc := document(t, 1, nil)
	doc.Username = `a"b`
	expect(t, connect(t, doc), fault.InvalidSecret)
	doc = document(t, 1, nil)
	doc.DBName = "ORCL)(HOST=evil"
	expect(t, connect(t, doc), fault.InvalidSecret, "dbname")
}

// A panic of the driver becomes an error that does not say what it held.
func TestGuarded(t *testing.T) {
	err := guarded(func() error { panic("c4nary-Pa55word") })
	if !errors.Is(err, netfault.ErrAnswer) || strings.Contains(err.Error(), "c4nary") {
		t.Error(err)
	}
}

// A listener may pass us on to another port of its host.
func TestRedirectToAnotherPort(t *testing.T) {
	t.Parallel()
	other := enginetest.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, refusalPacket("12516"))
	})
	listener := enginetest.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, redirectPacket(fmt.Sprintf("(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT=%d))", other)))
	})
	expect(t, connect(t, document(t, listener, nil)), fault.DatabaseUnavailable, "ORA-12516")
}
