package dbserver_test

import (
	"crypto/tls"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func startFerretDB(t testing.TB, cfg dbserver.FerretDB) *dbserver.Server {
	t.Helper()
	began := time.Now()
	s, err := dbserver.StartFerretDB(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Logf("FerretDB %s started in %v", s.Version, time.Since(began).Round(time.Millisecond))
	return s
}

// What the server does with logins is tested with the engine that uses it.
func TestFerretDBStartsAndStops(t *testing.T) {
	s := startFerretDB(t, dbserver.FerretDB{})
	address := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.Stop()
	s.Stop()
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("Stop left %s behind: %v", s.Dir, err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the server still listens after Stop")
	}
}

func TestFerretDBSpeaksTLS(t *testing.T) {
	authority := certs.New("CA")
	s := startFerretDB(t, dbserver.FerretDB{TLS: authority.Server("127.0.0.1")})
	conn, err := tls.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), &tls.Config{RootCAs: authority.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestFerretDBKeepsItsDir(t *testing.T) {
	// Not t.TempDir: when we are root the server, which is not, cannot enter it.
	dir, err := os.MkdirTemp("/tmp", "tumbler-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	first := startFerretDB(t, dbserver.FerretDB{Dir: dir})
	first.Stop()
	second := startFerretDB(t, dbserver.FerretDB{Dir: dir})
	if !second.AdminPassword.Equal(first.AdminPassword) {
		t.Error("a second start changed the administrator's password")
	}
}

func TestFerretDBFailureShowsTheLog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := dbserver.StartFerretDB(t.Context(), dbserver.FerretDB{Port: l.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("the server started on a port that is taken")
	} else {
		t.Log(err)
	}
}
