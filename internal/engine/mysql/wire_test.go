package mysql_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// stranger is somebody else at the database's address. It has no TLS, so that it
// needs no certificate.
type stranger struct {
	t        testing.TB
	conn     net.Conn
	sequence byte
}

const salt = "abcdefghijklmnopqrst"

func (s *stranger) send(body string) {
	n := len(body)
	_, _ = s.conn.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), s.sequence}, body...))
	s.sequence++
}

func (s *stranger) receive() []byte {
	var header [4]byte
	if _, err := io.ReadFull(s.conn, header[:]); err != nil {
		return nil
	}
	body := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	if _, err := io.ReadFull(s.conn, body); err != nil {
		return nil
	}
	s.sequence = header[3] + 1
	return body
}

// greet says hello, and by which plugin it would like to be answered.
func (s *stranger) greet(plugin string) {
	capabilities := "\xff\xf7" // all but CLIENT_SSL
	s.send("\x0a9.9.9\x00\x01\x00\x00\x00" + salt[:8] + "\x00" + capabilities + "\xff\x02\x00\xff\xdf\x15" +
		strings.Repeat("\x00", 10) + salt[8:] + "\x00" + plugin + "\x00")
}

var strangersKey, _ = rsa.GenerateKey(rand.Reader, 2048)

func (s *stranger) sendKey() {
	der, err := x509.MarshalPKIXPublicKey(&strangersKey.PublicKey)
	if err != nil {
		s.t.Error(err)
	}
	s.send("\x01" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

// decrypted is the password in an answer to sendKey.
func (s *stranger) decrypted() string {
	sealed := s.receive()
	if sealed == nil {
		return ""
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), rand.Reader, strangersKey, sealed, nil)
	if err != nil {
		return "" // it is something else
	}
	for i := range plain {
		plain[i] ^= salt[i%len(salt)]
	}
	return strings.TrimRight(string(plain), "\x00")
}

// Each way to ask a client for its password in a form that can be read.
var attacks = map[string]func(*stranger) string{
	"caching_sha2_password": func(s *stranger) string {
		s.greet("caching_sha2_password")
		s.receive()
		s.send("\x01\x04") // I do not know you yet
		if !bytes.Equal(s.receive(), []byte{2}) {
			return ""
		}
		s.sendKey()
		return s.decrypted()
	},
	"caching_sha2_password after another": func(s *stranger) string {
		s.greet("mysql_native_password")
		s.receive()
		s.send("\xfecaching_sha2_password\x00" + salt + "\x00")
		s.receive()
		s.send("\x01\x04")
		if !bytes.Equal(s.receive(), []byte{2}) {
			return ""
		}
		s.sendKey()
		return s.decrypted()
	},
	"sha256_password": func(s *stranger) string {
		s.greet("sha256_password")
		s.receive()
		s.sendKey()
		return s.decrypted()
	},
	"sha256_password after another": func(s *stranger) string {
		s.greet("mysql_native_password")
		s.receive()
		s.send("\xfesha256_password\x00" + salt + "\x00")
		if s.receive() == nil {
			return ""
		}
		s.sendKey()
		return s.decrypted()
	},
	"mysql_clear_password": func(s *stranger) string {
		s.greet("mysql_native_password")
		s.receive()
		s.send("\xfemysql_clear_password\x00")
		return strings.TrimRight(string(s.receive()), "\x00")
	},
	"dialog": func(s *stranger) string {
		s.greet("mysql_native_password")
		s.receive()
		s.send("\xfedialog\x00\x04Password: ")
		return strings.TrimRight(string(s.receive()), "\x00")
	},
}

// A stranger who says that it has no TLS does not get a password that it can read,
// unless the secret says that there is to be none.
func TestStrangerGetsNoPassword(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			for _, ssl := range []any{nil, true, false} {
				caught := make(chan string, 1)
				port := enginetest.Serve(t, func(conn net.Conn) {
					caught <- attack(&stranger{t: t, conn: conn})
				})
				password := dbtest.Password()
				_, err := mysql.Engine{}.Connect(t.Context(), document(t, port, password, ssl))
				if err == nil {
					t.Fatal("logged in")
				}
				got := <-caught
				if ssl == false {
					continue // "Trust the network": the drivers' own rules
				}
				if strings.Contains(got, password.Reveal()) {
					t.Errorf("ssl %v: the stranger has got the password", ssl)
				}
				sent := strings.HasPrefix(name, "caching") || strings.HasPrefix(name, "sha256")
				if want := fault.TLSUnavailable; (sent || ssl == true) && !fault.Is(err, want) {
					t.Errorf("ssl %v: got %v, want %s", ssl, err, want)
				}
				if f := fault.From(err); f.Hint == "" || strings.Contains(err.Error(), password.Reveal()) {
					t.Error(err)
				}
			}
		})
	}
}

func document(t testing.TB, port int, password redact.String, ssl any) secretdoc.Document {
	text := map[any]string{nil: "", true: `,"ssl":true`, false: `,"ssl":false`}[ssl]
	doc, err := secretdoc.Parse(redact.New(`{"engine":"mysql","host":"127.0.0.1","username":"app","password":"` + password.Reveal() + `"` + text + `}`))
	if err != nil {
		t.Fatal(err)
	}
	doc.Port = port
	return doc
}

// A relay before the real server that takes TLS out of its greeting.
func TestRelayThatStripsTLS(t *testing.T) {
	for _, p := range []product{mariaDB, mysql9} {
		t.Run(p.name, func(t *testing.T) {
			s := p.server(t)
			user, old := s.user(t)
			fresh := dbtest.Password()
			relay := (&enginetest.Proxy{
				Count: fresh.Reveal(),
				BeforeAnswer: func(data []byte) bool {
					if i := bytes.IndexByte(data[min(5, len(data)):], 0); len(data) > 30 && data[3] == 0 && data[4] == 10 && i > 0 {
						data[5+i+1+4+8+1+1] &^= 0x08 // CLIENT_SSL
					}
					return true
				},
			}).Start(t, s.Host, s.MySQLServer.Port)
			through := func(keys map[string]any) { keys["port"] = relay.Port }
			if s.newer() {
				// The server has not seen the user, and would need the password itself.
				s.refused(t, "a login that can be read", s.Document(user, old, through), fault.TLSUnavailable)
				s.accepts(user, old) // now it has
			}
			session := s.open(t, s.Document(user, old, through))
			err := session.SetPassword(t.Context(), user, fresh)
			if s.newer() {
				if !fault.Is(err, fault.TLSUnavailable) || !s.accepts(user, old) {
					t.Errorf("a new password that can be read: %v", err)
				}
			} else if err != nil || !s.accepts(user, fresh) {
				t.Errorf("MariaDB gets a hash, whatever the network: %v", err)
			}
			if relay.Counted.Load() > 0 {
				t.Error("the relay has read the new password")
			}
			// "Trust the network."
			doc := s.Document(s.AdminUser, s.AdminPassword, through, func(keys map[string]any) { keys["ssl"] = false })
			if err := s.open(t, doc).SetPassword(t.Context(), user, dbtest.Password()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A challenge of ed25519 may end in a zero byte: one in 256 does.
func TestChallengeThatEndsInZero(t *testing.T) {
	password := dbtest.Password()
	public, err := base64.RawStdEncoding.DecodeString(mysql.Ed25519HashForTest(password))
	if err != nil {
		t.Fatal(err)
	}
	for _, challenge := range []string{
		strings.Repeat("c", 32), strings.Repeat("c", 31) + "\x00", strings.Repeat("c", 30) + "\x00\x00", strings.Repeat("\x00", 32),
	} {
		answer := make(chan []byte, 1)
		port := enginetest.Serve(t, func(conn net.Conn) {
			s := &stranger{t: t, conn: conn}
			s.greet("mysql_native_password")
			s.receive()
			s.send("\xfeclient_ed25519\x00" + challenge)
			answer <- s.receive()
		})
		_, err := mysql.Engine{}.Connect(t.Context(), document(t, port, password, nil))
		if got := <-answer; !ed25519.Verify(public, []byte(challenge), got) {
			t.Errorf("%q: the answer is no signature of it: %v", challenge, err)
		}
	}
}

// The same, by trying often enough on a real server: were one login in 256
// refused, all of these would succeed in one run of fifty.
func TestManyLoginsByEd25519(t *testing.T) {
	s := mariaDB.server(t)
	s.plugins(t)
	user, password := s.Name()[:10], dbtest.Password()
	s.dropLater(t, user)
	s.Quietly("CREATE USER " + at(user) + " IDENTIFIED VIA ed25519 USING PASSWORD(" + dbtest.MySQLText(password.Reveal()) + ")")
	const logins = 1000
	for i := range logins {
		var ssl any
		if i%10 > 0 {
			ssl = false // TLS takes longer, and is nothing else
		}
		session, err := s.engine.Connect(t.Context(), s.Document(user, password, func(keys map[string]any) {
			if ssl != nil {
				keys["ssl"] = ssl
			}
		}))
		if err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
		session.Close()
	}
}
