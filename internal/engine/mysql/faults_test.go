package mysql_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// refused expects that Connect fails with the code.
func (s *server) refused(t testing.TB, what string, doc secretdoc.Document, want fault.Code) {
	t.Helper()
	session, err := s.engine.Connect(t.Context(), doc)
	if err == nil {
		session.Close()
	}
	if !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %s", what, err, want)
		return
	}
	f := fault.From(err)
	if f.Hint == "" || strings.Contains(err.Error(), doc.Password.Reveal()) {
		t.Errorf("%s: no hint, or the password: %v", what, err)
	}
	t.Logf("%s: %v", what, err)
}

// What a server says instead of letting somebody in.
func TestLoginFaults(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, password := s.user(t)
		s.refused(t, "no such schema", s.Document(user, password, func(keys map[string]any) { keys["dbname"] = "nowhere" }), fault.PrivilegeMissing)
		s.refused(t, "no such schema, for the administrator", s.Document(s.AdminUser, s.AdminPassword, func(keys map[string]any) { keys["dbname"] = "nowhere" }), fault.DatabaseError)
		s.Exec("SET GLOBAL max_connections = 10")
		s.open(t, s.Document(s.AdminUser, s.AdminPassword))
		func() {
			defer func() { s.Exec("SET GLOBAL max_connections = 151") }()
			var full bool
			for range 20 {
				session, err := s.engine.Connect(t.Context(), s.Document(user, password))
				if err == nil {
					defer session.Close()
					continue
				}
				full = fault.Is(err, fault.DatabaseUnavailable)
				break
			}
			if !full {
				t.Error("too many connections is not DatabaseUnavailable")
			}
		}()
		if s.name == mysql56.name {
			return
		}
		s.Exec("ALTER USER " + at(user) + " REQUIRE SSL")
		s.open(t, s.Document(user, password))
		s.refused(t, "requires TLS", s.Document(user, password, func(keys map[string]any) { keys["ssl"] = false }), fault.LoginRefused)
		other, its := s.user(t)
		s.Exec("SET GLOBAL require_secure_transport = ON")
		want := fault.DatabaseError
		if strings.HasPrefix(s.Version, "10.") {
			want = fault.LoginRefused // MariaDB 10 gives no reason; the hint does
		}
		s.refused(t, "the server requires TLS", s.Document(other, its, func(keys map[string]any) { keys["ssl"] = false }), want)
		s.execOverTLS(t, "SET GLOBAL require_secure_transport = OFF")
	})
}

// execOverTLS is Exec over TLS, for servers that want it.
func (s *server) execOverTLS(t testing.TB, statement string) {
	t.Helper()
	if err := mysql.ExecForTest(t.Context(), s.open(t, s.Document(s.AdminUser, s.AdminPassword)), statement); err != nil {
		t.Fatal(err)
	}
}

// The superuser's new password ends an expiry.
func TestExpiredPassword(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, password := s.user(t)
		s.Exec("ALTER USER " + at(user) + " PASSWORD EXPIRE")
		s.refused(t, "expired", s.Document(user, password), fault.PasswordExpired)
		fresh := dbtest.Password()
		if err := s.open(t, s.super).SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		s.open(t, s.Document(user, fresh))
	})
}

// MySQL with disconnect_on_expired_password off lets the account in and refuses
// what it asks, as MariaDB does by default.
func TestExpiredPasswordInSandboxMode(t *testing.T) {
	for _, p := range []product{mysql56, mysql9} {
		t.Run(p.name, func(t *testing.T) {
			s := p.own(t, "sandbox mode", map[string]string{"disconnect_on_expired_password": "OFF"})
			user, password := s.user(t)
			s.Exec("ALTER USER " + at(user) + " PASSWORD EXPIRE")
			s.refused(t, "expired", s.Document(user, password), fault.PasswordExpired)
		})
	}
}

// A replica.
func TestReadOnly(t *testing.T) {
	for _, p := range []product{mariaDB, mysql56, mysql9} {
		t.Run(p.name, func(t *testing.T) {
			s := p.own(t, "read only", nil)
			user, password := s.user(t)
			session := s.open(t, s.Document(user, password))
			s.Exec("SET GLOBAL read_only = ON")
			defer s.Exec("SET GLOBAL read_only = OFF")
			if err := session.SetPassword(t.Context(), user, dbtest.Password()); !fault.Is(err, fault.DatabaseReadOnly) {
				t.Errorf("got %v", err)
			}
			if !s.accepts(user, password) {
				t.Error("the password was changed")
			}
		})
	}
}

// The privileges are there, the schema mysql is not readable.
func TestSuperuserThatCannotReadTheAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, password := s.user(t)
		other, _ := s.user(t)
		s.Exec("GRANT CREATE USER ON *.* TO " + at(user))
		err := s.open(t, s.Document(user, password)).SetPassword(t.Context(), other, dbtest.Password())
		if !fault.Is(err, fault.PrivilegeMissing) {
			t.Errorf("got %v", err)
		}
	})
}
