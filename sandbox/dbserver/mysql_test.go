package dbserver_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// mysqlProduct is one way to start a server of the MySQL family.
type mysqlProduct struct {
	name  string
	start func(context.Context, dbserver.MySQL) (*dbserver.MySQLServer, error)
}

func (p mysqlProduct) startTest(t testing.TB, cfg dbserver.MySQL) *dbserver.MySQLServer {
	t.Helper()
	began := time.Now()
	s, err := p.start(t.Context(), cfg)
	if errors.Is(err, dbserver.ErrNoMySQL) {
		t.Skip(err) // explicit and optional
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Logf("%s %s started in %v", s.Product, s.Version, time.Since(began).Round(time.Millisecond))
	return s
}

// eachMySQL runs the test on every server of the family.
func eachMySQL(t *testing.T, test func(*testing.T, mysqlProduct)) {
	for _, p := range []mysqlProduct{
		{"MariaDB", dbserver.StartMariaDB}, {"MySQL 5.6", dbserver.StartMySQL56}, {"MySQL", dbserver.StartMySQL},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel() // they wait for their servers most of the time
			if p.name == "MySQL 5.6" && runtime.GOOS+runtime.GOARCH != "linuxamd64" {
				t.Skip("NOT RUN: MySQL 5.6 runs on Linux on x86-64 only")
			}
			test(t, p)
		})
	}
}

// mysqlQuery returns the last column of the last row.
func mysqlQuery(t testing.TB, s *dbserver.MySQLServer, query string) string {
	t.Helper()
	db, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var last sql.NullString
	into := make([]any, len(columns))
	for i := range into {
		into[i] = &last
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
	}
	return last.String
}

func TestMySQLStartAndStop(t *testing.T) {
	eachMySQL(t, func(t *testing.T, p mysqlProduct) {
		s := p.startTest(t, dbserver.MySQL{GeneralLog: true})
		if got := mysqlQuery(t, s, "SELECT CURRENT_USER()"); got != "admin@%" {
			t.Errorf("CURRENT_USER() = %q", got)
		}
		if got := mysqlQuery(t, s, "SHOW VARIABLES LIKE 'bind_address'"); got != "127.0.0.1" {
			t.Errorf("bind_address = %q", got)
		}
		logged, err := os.ReadFile(s.GeneralLogPath)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(logged), "SELECT CURRENT_USER()") || strings.Contains(string(logged), s.AdminPassword.Reveal()) {
			t.Error("the general log lacks a statement or shows the administrator's password")
		}
		db, err := s.Login(t.Context(), "nobody", redact.New("x"))
		if err == nil {
			db.Close()
			t.Error("an account that does not exist may log in")
		}
		s.Stop()
		s.Stop()
		if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
			t.Errorf("Stop left %s behind: %v", s.Dir, err)
		}
		if conn, err := net.Dial("tcp", fmt.Sprint(s.Host, ":", s.Port)); err == nil {
			conn.Close()
			t.Error("the server still listens after Stop")
		}
	})
}

func TestMySQLDirIsKept(t *testing.T) {
	eachMySQL(t, func(t *testing.T, p mysqlProduct) {
		// Not t.TempDir: when we are root the server, which is not, cannot enter it.
		dir, err := os.MkdirTemp("/tmp", "tumbler-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
		s := p.startTest(t, dbserver.MySQL{Dir: dir})
		before := s.AdminPassword
		mysqlQuery(t, s, "CREATE DATABASE kept")
		s.Stop()
		s = p.startTest(t, dbserver.MySQL{Dir: dir})
		if got := mysqlQuery(t, s, "SHOW DATABASES LIKE 'kept'"); got != "kept" || !before.Equal(s.AdminPassword) {
			t.Errorf("after a restart there is %q, or another password", got)
		}
	})
}

func TestMySQLTLS(t *testing.T) {
	eachMySQL(t, func(t *testing.T, p mysqlProduct) {
		if p.name == "MySQL 5.6" {
			return // built without TLS
		}
		authority := certs.New("CA")
		for _, tc := range []struct {
			cfg  dbserver.MySQL
			want bool
		}{{dbserver.MySQL{}, false}, {dbserver.MySQL{TLS: authority.Server("localhost")}, true}} {
			s := p.startTest(t, tc.cfg)
			cfg := mysql.NewConfig()
			cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), s.AdminUser, s.AdminPassword.Reveal()
			cfg.TLS = &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}
			connector, err := mysql.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := connector.Connect(t.Context())
			if (err == nil) != tc.want || err != nil && !errors.Is(err, mysql.ErrNoTLS) {
				t.Errorf("TLS wanted: %v, got %v", tc.want, err)
			}
			if err == nil {
				conn.Close()
			}
		}
	})
}

func TestMySQLFailureShowsTheLog(t *testing.T) {
	eachMySQL(t, func(t *testing.T, p mysqlProduct) {
		_, err := p.start(t.Context(), dbserver.MySQL{Settings: map[string]string{"no_such_setting": "1"}})
		if errors.Is(err, dbserver.ErrNoMySQL) {
			t.Skip(err)
		}
		if err == nil || !strings.Contains(err.Error(), "no_such_setting") && !strings.Contains(err.Error(), "no-such-setting") {
			t.Errorf("got %v, want the log's complaint", err)
		}
	})
}

func TestMySQLPortTaken(t *testing.T) {
	eachMySQL(t, func(t *testing.T, p mysqlProduct) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, err = p.start(t.Context(), dbserver.MySQL{Port: l.Addr().(*net.TCPAddr).Port})
		if errors.Is(err, dbserver.ErrNoMySQL) {
			t.Skip(err)
		}
		if err == nil || !strings.Contains(err.Error(), "the port is taken") {
			t.Errorf("got %v, want to hear that the port is taken", err)
		}
	})
}
