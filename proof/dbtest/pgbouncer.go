package dbtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// PgBouncer starts a PgBouncer in front of the test's server, which pools by mode
// ("transaction", "session"), and returns its port. It knows no password but the
// administrator's: it asks the server who a client is. A test goes without where there
// is none, as with [MySQL].
func (db *DB) PgBouncer(mode string) int {
	db.t.Helper()
	program, libraries := findPgBouncer()
	if program == "" {
		db.t.Skip("NOT RUN: there is no PgBouncer: run scripts/fetch-pgbouncer in Tumbler's checkout, or install it")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		db.t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	args := []string{filepath.Join(db.configurePgBouncer(mode, port), "config")}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	var log strings.Builder
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		db.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	db.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if db.t.Failed() {
			db.t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
			return port
		}
		select {
		case <-ended:
			db.t.Fatal(log.String())
		default:
		}
		if time.Now().After(deadline) {
			db.t.Fatal("PgBouncer does not answer")
		}
	}
}

// configurePgBouncer writes PgBouncer's files into a directory of the test's.
func (db *DB) configurePgBouncer(mode string, port int) (dir string) {
	dir, err := os.MkdirTemp("/tmp", "pgbouncer") // where everybody may enter
	if err != nil {
		db.t.Fatal(err)
	}
	db.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	admin := db.Server.AdminUser
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
pool_mode = %s
auth_type = scram-sha-256
auth_file = %s/users
auth_user = %s
auth_query = SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1
server_round_robin = 1
`, db.Host, db.Port, port, mode, dir, admin)
	quoted := strings.NewReplacer(`"`, `""`)
	users := fmt.Sprintf("\"%s\" \"%s\"\n", quoted.Replace(admin), quoted.Replace(db.Server.AdminPassword.Reveal()))
	for name, text := range map[string]string{"config": config, "users": users} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			db.t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		db.t.Fatal(err)
	}
	return dir
}

// findPgBouncer looks for what scripts/fetch-pgbouncer unpacked, and then on PATH.
func findPgBouncer() (program, libraries string) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		root := filepath.Join(dir, "build", "pgbouncer", "usr")
		if _, err := os.Stat(filepath.Join(root, "sbin", "pgbouncer")); err == nil {
			found, _ := filepath.Glob(filepath.Join(root, "lib", "*-linux-gnu"))
			return filepath.Join(root, "sbin", "pgbouncer"), strings.Join(found, ":")
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	program, err = exec.LookPath("pgbouncer")
	if err != nil {
		return "", ""
	}
	return program, ""
}
