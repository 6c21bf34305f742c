package mongodb_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// Every setting of ssl against every kind of server. After a certificate error
// nobody logs in, and nothing is sent unencrypted.
func TestTLS(t *testing.T) {
	ours, other := certs.New("our CA"), certs.New("another CA")
	const fine = ""
	rejected, closed := string(fault.CertificateRejected), string(fault.DatabaseUnavailable)
	for name, tc := range map[string]struct {
		server *certs.Pair
		host   string
		// what becomes of "ssl" absent, true and false: nothing but a login, or
		// the code of the failure
		absent, required, off string
	}{
		"no TLS":        {nil, "127.0.0.1", fine, string(fault.TLSUnavailable), fine},
		"good":          {ours.Server("127.0.0.1"), "127.0.0.1", fine, fine, closed},
		"good, by name": {ours.Server("localhost"), "localhost", fine, fine, closed},
		"expired":       {ours.Expired("127.0.0.1"), "127.0.0.1", rejected, rejected, closed},
		"wrong name":    {ours.Server("elsewhere.example"), "127.0.0.1", rejected, rejected, closed},
		"name by IP":    {ours.Server("localhost"), "127.0.0.1", rejected, rejected, closed},
		"unknown CA":    {other.Server("127.0.0.1"), "127.0.0.1", rejected, rejected, closed},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := dbserver.StartFerretDB(t.Context(), dbserver.FerretDB{TLS: tc.server})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Stop()
			for _, ssl := range []struct {
				value any
				want  string
			}{{nil, tc.absent}, {true, tc.required}, {false, tc.off}} {
				var first, sent []byte
				p := &enginetest.Proxy{Count: "saslStart"}
				p.BeforeRequest = func(data []byte) bool { first, sent = append(first, data[0]), append(sent, data...); return true }
				p.Start(t, server.Host, server.Port)
				d := &db{Server: server}
				doc := d.superuser(func(keys map[string]any) {
					keys["host"], keys["port"] = tc.host, p.Port
					if ssl.value != nil {
						keys["ssl"] = ssl.value
					}
				})
				s, err := mongodb.Engine{Roots: ours.Pool()}.Connect(t.Context(), doc)
				if got := string(fault.CodeOf(err)); got != ssl.want {
					t.Errorf("ssl %v: got %v, want %q", ssl.value, err, ssl.want)
				}
				if err != nil {
					expect(t, err, fault.CodeOf(err), doc)
					if fault.Is(err, fault.CertificateRejected) && p.Conns.Load() != 1 {
						t.Errorf("ssl %v: %d connections after a certificate error", ssl.value, p.Conns.Load())
					}
					continue
				}
				// Without TLS, and without being told so, a stranger could be in between.
				want := fault.Code("")
				if tc.server == nil && ssl.value == nil {
					want = fault.TLSUnavailable
				}
				if err := s.SetPassword(t.Context(), d.AdminUser, d.AdminPassword); fault.CodeOf(err) != want {
					t.Errorf("ssl %v: got %v, want %q", ssl.value, err, want)
				}
				if want != "" {
					_, err = s.EnsureClone(t.Context(), engine.CloneRequest{
						Original: d.AdminUser, Clone: d.AdminUser + "_clone", Password: d.AdminPassword, Mark: secretARN,
					})
					if !fault.Is(err, want) {
						t.Errorf("ssl %v: got %v, want %q", ssl.value, err, want)
					}
				}
				s.Close()
				if readable := bytes.Contains(sent, []byte(d.AdminPassword.Reveal())); readable != (tc.server == nil && ssl.value == false) {
					t.Errorf("ssl %v: the new password could be read: %v", ssl.value, readable)
				}
				if clear := p.Counted.Load() > 0; clear != (tc.server == nil) {
					t.Errorf("ssl %v: the login was readable: %v", ssl.value, clear)
				}
				if tc.server != nil && p.Conns.Load() != 1 {
					t.Errorf("ssl %v: %d connections", ssl.value, p.Conns.Load())
				}
			}
		})
	}
}

// By default the system's authorities and those of RDS are trusted, so not a
// test's.
func TestDefaultRoots(t *testing.T) {
	server, err := dbserver.StartFerretDB(t.Context(), dbserver.FerretDB{TLS: certs.New("unknown").Server("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	doc := document(server.Host, server.Port, server.AdminUser, server.AdminPassword, nil)
	expect(t, connect(t, doc), fault.CertificateRejected, doc, "authority")
}

// A change inside of TLS.
func TestSetPasswordWithTLS(t *testing.T) {
	authority := certs.New("our CA")
	server, err := dbserver.StartFerretDB(t.Context(), dbserver.FerretDB{TLS: authority.Server("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	e := mongodb.Engine{Roots: authority.Pool()}
	d := userOn(t, server, e, nil)
	next := redact.New("n3xt-Pa55word")
	if err := open(t, e, d.document(nil)).SetPassword(t.Context(), d.User, next); err != nil {
		t.Fatal(err)
	}
	if err := open(t, e, d.document(nil).WithPassword(next)).Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server without TLS has to see at once that our ClientHello is no message of
// its protocol; see dial.
func TestClientHelloIsNoMessage(t *testing.T) {
	lengths := make(chan uint32, 2)
	port := enginetest.Serve(t, func(conn net.Conn) {
		var length [4]byte
		if _, err := io.ReadFull(conn, length[:]); err == nil {
			lengths <- binary.LittleEndian.Uint32(length[:])
		}
	})
	_ = connect(t, local(port, nil))
	if length := <-lengths; length <= 48_000_000 {
		t.Errorf("a server would wait for %d bytes", length)
	}
}
