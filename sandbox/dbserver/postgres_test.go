package dbserver_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMain(m *testing.M) {
	if os.Getenv("DBSERVER_TEST_CHILD") != "" {
		childMain()
	}
	leakcheck.Main(m)
}

func start(t testing.TB, cfg dbserver.Postgres) *dbserver.Server {
	t.Helper()
	began := time.Now()
	s, err := dbserver.StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Logf("PostgreSQL %s started in %v", s.Version, time.Since(began).Round(time.Millisecond))
	return s
}

// query returns the first column of the first row.
func query(t testing.TB, s *dbserver.Server, sql string) string {
	t.Helper()
	conn, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

func TestStartAndStop(t *testing.T) {
	var logs bytes.Buffer
	s := start(t, dbserver.Postgres{Logs: &logs, Superuser: "master", Settings: map[string]string{"log_statement": "all"}})
	if got := query(t, s, "SELECT current_user"); got != "master" {
		t.Errorf("current_user = %q, want master", got)
	}
	s.Stop()
	s.Stop()
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("Stop left %s behind: %v", s.Dir, err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))); err == nil {
		conn.Close()
		t.Error("the server still listens after Stop")
	}
	if !strings.Contains(logs.String(), "SELECT current_user") {
		t.Error("Logs did not get the server's log")
	}
	if strings.Contains(logs.String(), s.AdminPassword.Reveal()) {
		t.Error("the superuser's password shows in the log")
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	s := start(t, dbserver.Postgres{})
	if got := query(t, s, "SHOW listen_addresses"); got != "127.0.0.1" {
		t.Errorf("listen_addresses = %q", got)
	}
	if got := query(t, s, "SHOW unix_socket_directories"); got != "" {
		t.Errorf("unix_socket_directories = %q", got)
	}
}

func TestDirIsKept(t *testing.T) {
	// Not t.TempDir: when we are root the server, which is not, cannot enter it.
	dir, err := os.MkdirTemp("/tmp", "tumbler-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s := start(t, dbserver.Postgres{Dir: dir})
	query(t, s, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
	s.Stop()
	s = start(t, dbserver.Postgres{Dir: dir})
	if got := query(t, s, "SELECT n FROM kept"); got != "42" {
		t.Errorf("after a restart the table holds %q", got)
	}
}

func TestPasswordEncryption(t *testing.T) {
	for method, prefix := range map[string]string{"": "SCRAM-SHA-256$4096:", "scram-sha-256": "SCRAM-SHA-256$", "md5": "md5"} {
		s := start(t, dbserver.Postgres{PasswordEncryption: method})
		query(t, s, "CREATE ROLE someone LOGIN PASSWORD 'pw'")
		if got := query(t, s, "SELECT rolpassword FROM pg_authid WHERE rolname = 'someone'"); !strings.HasPrefix(got, prefix) {
			t.Errorf("%q: the stored password does not begin with %s", method, prefix)
		}
		conn, err := s.Login(t.Context(), "someone", redact.New("pw"), "postgres")
		if err != nil {
			t.Fatalf("%q: %v", method, err)
		}
		conn.Close(t.Context())
	}
}

func TestTLSAndHBA(t *testing.T) {
	s := start(t, dbserver.Postgres{TLS: certs.New("CA").Server("localhost"), HBA: []string{"host all refused all reject"}})
	if got := query(t, s, "SHOW ssl"); got != "on" {
		t.Errorf("ssl = %q", got)
	}
	_, err := s.Login(t.Context(), "refused", redact.New("pw"), "postgres")
	if err == nil || !strings.Contains(err.Error(), "pg_hba.conf rejects") {
		t.Errorf("got %v, want a refusal by pg_hba.conf", err)
	}
}

func TestTheEnvironmentIsIgnored(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGPASSWORD", "PGDATA"} {
		t.Setenv(name, "nonsense")
	}
	t.Setenv("PGPORT", "1")
	query(t, start(t, dbserver.Postgres{}), "SELECT 1")
}

func TestManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := dbserver.StartPostgres(t.Context(), dbserver.Postgres{})
			if err != nil {
				t.Error(err)
				return
			}
			s.Stop()
		})
	}
	wg.Wait()
}

func TestFailureShowsTheLog(t *testing.T) {
	_, err := dbserver.StartPostgres(t.Context(), dbserver.Postgres{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the log's complaint", err)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = dbserver.StartPostgres(t.Context(), dbserver.Postgres{Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v, want to hear that the port is taken", err)
	}
}

// childMain starts a server, says where, and waits to be killed.
func childMain() {
	s, err := dbserver.StartPostgres(context.Background(), dbserver.Postgres{})
	if err != nil {
		os.Stdout.WriteString("error " + err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(s.Dir + " " + strconv.Itoa(s.Port) + "\n")
	select {}
}

// However abruptly we die, the server and its files go with us.
func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "DBSERVER_TEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, _ := out.Read(line)
	dir, port, ok := strings.Cut(strings.TrimSpace(string(line[:n])), " ")
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if !ok || !strings.HasPrefix(dir, "/") {
		t.Fatalf("the child said %q", line[:n])
	}
	gone := func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return false
		}
		_, err = os.Stat(dir)
		return os.IsNotExist(err)
	}
	for deadline := time.Now().Add(time.Minute); !gone(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute after its parent was killed the server on port %s or its directory %s is still there", port, dir)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := dbserver.StartPostgres(b.Context(), dbserver.Postgres{})
		if err != nil {
			b.Fatal(err)
		}
		s.Stop()
	}
}

// A server that another one's start has got in the way of is not taken for it.
func TestAnotherServerOnThePort(t *testing.T) {
	other := start(t, dbserver.Postgres{})
	s, err := dbserver.StartPostgres(t.Context(), dbserver.Postgres{Port: other.Port})
	if err == nil {
		s.Stop()
	}
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v, want to hear that the port is taken", err)
	}
}
