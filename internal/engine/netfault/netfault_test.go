package netfault_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// What becomes of a TLS handshake with servers of every kind.
func TestHandshake(t *testing.T) {
	ours, other := certs.New("our CA"), certs.New("another CA")
	serve := func(pair *certs.Pair, change func(*tls.Config)) func(net.Conn) {
		certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		cfg := &tls.Config{Certificates: []tls.Certificate{certificate}}
		if change != nil {
			change(cfg)
		}
		return func(conn net.Conn) {
			if tlsConn := tls.Server(conn, cfg); tlsConn.Handshake() == nil {
				_, _ = io.WriteString(tlsConn, "hello")
			}
		}
	}
	good := ours.Server("127.0.0.1")
	for name, tc := range map[string]struct {
		server func(net.Conn)
		code   fault.Code
		word   string
	}{
		"good":              {serve(good, nil), "", ""},
		"unknown authority": {serve(other.Server("127.0.0.1"), nil), fault.CertificateRejected, "authority"},
		"another name":      {serve(ours.Server("elsewhere.example"), nil), fault.CertificateRejected, "another host name"},
		"expired":           {serve(ours.Expired("127.0.0.1"), nil), fault.CertificateRejected, "expired"},
		// The server's alert.
		"old TLS": {serve(good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 }), fault.TLSUnavailable, "the parameter group"},
		// In TLS 1.3 this alert comes after the client's side of the handshake.
		"wants a certificate": {serve(good, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), fault.TLSUnavailable, "certificate"},
		"no TLS":              {func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n"); _, _ = io.Copy(io.Discard, conn) }, fault.TLSUnavailable, ""},
		"hangs up":            {func(net.Conn) {}, fault.DatabaseUnavailable, "closed the connection"},
		"silent":              {func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, fault.DatabaseUnreachable, "no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if conn, err := l.Accept(); err == nil {
					defer conn.Close()
					tc.server(conn)
					// To close before all is read would be a reset, which overtakes an alert.
					_ = conn.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
			target := netfault.Target{
				Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "app", Server: "a test server", TLSHint: "RDS: the parameter group",
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			raw, err := target.Dial(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn := tls.Client(raw, rdsroots.TLS(ours.Pool(), target.Host))
			if err = conn.HandshakeContext(ctx); err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			if err != nil {
				err = target.BrokenFault(err, "logging in to "+target.String(), "")
			}
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("got %v, want %q", err, tc.code)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.word) || !strings.Contains(err.Error(), target.Address())) {
				t.Errorf("%q does not say %q and the address", err, tc.word)
			}
		})
	}
}
