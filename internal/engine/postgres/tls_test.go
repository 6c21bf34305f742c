package postgres_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// Every setting of ssl against every kind of server. After a certificate error
// nobody logs in, and the password is not sent at all.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := certs.New("our CA"), certs.New("another CA")
	const encrypted, clear = "encrypted", "clear"
	for name, tc := range map[string]struct {
		server *certs.Pair
		host   string
		// what becomes of "ssl" absent, true and false: how the login went, or
		// the code of its failure
		absent, required, off string
	}{
		"no TLS":        {nil, "127.0.0.1", clear, string(fault.TLSUnavailable), clear},
		"good":          {ours.Server("127.0.0.1", "localhost"), "127.0.0.1", encrypted, encrypted, clear},
		"good, by name": {ours.Server("localhost"), "localhost", encrypted, encrypted, clear},
		"expired":       {ours.Expired("127.0.0.1"), "127.0.0.1", string(fault.CertificateRejected), string(fault.CertificateRejected), clear},
		"wrong name":    {ours.Server("elsewhere.example"), "127.0.0.1", string(fault.CertificateRejected), string(fault.CertificateRejected), clear},
		"name by IP":    {ours.Server("localhost"), "127.0.0.1", string(fault.CertificateRejected), string(fault.CertificateRejected), clear},
		"unknown CA":    {other.Server("127.0.0.1"), "127.0.0.1", string(fault.CertificateRejected), string(fault.CertificateRejected), clear},
	} {
		t.Run(name, func(t *testing.T) {
			var options []dbtest.Option
			if tc.server != nil {
				options = append(options, dbtest.TLS(tc.server))
			}
			for _, ssl := range []struct {
				value any
				want  string
			}{{nil, tc.absent}, {true, tc.required}, {false, tc.off}} {
				db := dbtest.Postgres(t, append(options, dbtest.Unshared(t.Name()))...)
				doc := db.Document(func(keys map[string]any) {
					keys["host"] = tc.host
					if ssl.value != nil {
						keys["ssl"] = ssl.value
					}
				})
				s, err := postgres.Engine{Roots: ours.Pool()}.Connect(t.Context(), doc)
				got := clear
				switch {
				case err != nil:
					got = string(fault.CodeOf(err))
					expect(t, err, fault.CodeOf(err), doc)
				case db.Exec("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tumbler'")[0][0] == "t":
					got = encrypted
				}
				if err == nil {
					if err := s.SetPassword(t.Context(), db.User, redact.New("new-Pa55word")); err != nil {
						t.Error(err)
					}
					s.Close()
				}
				if got != ssl.want {
					t.Errorf("ssl %v: %s, want %s (%v)", ssl.value, got, ssl.want, err)
				}
				// dbserver's own logins come from its administrator.
				logins := 0
				for line := range strings.Lines(db.Log()) {
					if strings.Contains(line, "user="+db.User) && strings.Contains(line, "connection auth") {
						logins++
						if strings.Contains(line, "SSL enabled") != (got == encrypted) && strings.Contains(line, "authorized") {
							t.Errorf("ssl %v: the server saw another kind of login: %s", ssl.value, line)
						}
					}
				}
				if (logins == 0) != (err != nil) {
					t.Errorf("ssl %v: the server saw %d lines about logins after %v", ssl.value, logins, err)
				}
			}
		})
	}
}

// By default the system's authorities and those of RDS are trusted, so not a
// test's.
func TestDefaultRoots(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.TLS(certs.New("unknown").Server("127.0.0.1")))
	doc := db.Document(nil)
	expect(t, connect(t, doc), fault.CertificateRejected, doc, "authority")
}

func TestNoRootsTrustNobody(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.TLS(certs.New("unknown").Server("127.0.0.1")))
	_, err := postgres.Engine{Roots: x509.NewCertPool()}.Connect(t.Context(), db.Document(nil))
	expect(t, err, fault.CertificateRejected, db.Document(nil))
}

// A server that ends the handshake with an alert has not closed the connection.
func TestOldTLS(t *testing.T) {
	t.Parallel()
	pair := certs.New("our CA").Server("127.0.0.1")
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	doc := listen(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
			return
		}
		_, _ = conn.Write([]byte("S"))
		_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
	})
	expect(t, connect(t, doc), fault.TLSUnavailable, doc, "TLS 1.2", "ssl_min_protocol_version")
}
