package mysql_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// clauses of CREATE USER for each plugin that a server has.
func (s *server) plugins(t testing.TB) map[string]string {
	switch s.name {
	case mariaDB.name:
		_ = s.Try("INSTALL SONAME 'auth_ed25519'") // may be there already
		if len(s.Exec("SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'ed25519'")) == 0 {
			t.Fatal("this MariaDB has no plugin ed25519: run scripts/fetch-mariadb or install the package mariadb-server")
		}
		return map[string]string{
			"mysql_native_password": "IDENTIFIED VIA mysql_native_password USING PASSWORD(%)",
			"ed25519":               "IDENTIFIED VIA ed25519 USING PASSWORD(%)",
			"unix_socket":           "IDENTIFIED VIA mysql_native_password USING PASSWORD(%) OR unix_socket",
		}
	case mysql56.name:
		return map[string]string{"mysql_native_password": "IDENTIFIED BY %"}
	}
	return map[string]string{"caching_sha2_password": "IDENTIFIED WITH caching_sha2_password BY %"}
}

// An account keeps its plugin, whoever changes its password; a clone gets its
// original's.
func TestPluginsAreKept(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for plugin, clause := range s.plugins(t) {
			user, old := s.Name()[:10], dbtest.Password()
			s.dropLater(t, user)
			s.Quietly("CREATE USER " + at(user) + " " + strings.ReplaceAll(clause, "%", dbtest.MySQLText(old.Reveal())))
			own, bySuper, clone := dbtest.Password(), dbtest.Password(), dbtest.Password()
			if plugin == "ed25519" {
				s.patience = 3
				defer func() { s.patience = 0 }()
			}
			if err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, own); err != nil {
				t.Fatalf("%s: %v", plugin, err)
			}
			if !s.accepts(user, own) || s.accepts(user, old) {
				t.Errorf("%s: own password not changed", plugin)
			}
			if err := s.open(t, s.super).SetPassword(t.Context(), user, bySuper); err != nil {
				t.Fatalf("%s: %v", plugin, err)
			}
			if !s.accepts(user, bySuper) || s.accepts(user, own) {
				t.Errorf("%s: the superuser did not change the password", plugin)
			}
			s.rotate(t, user, clone, false)
			if !s.accepts(user+"_clone", clone) {
				t.Errorf("%s: the clone cannot log in", plugin)
			}
			// An interrupted call is made good: the password proves the clone.
			s.rotate(t, user, clone, false)
			if s.name == mysql56.name {
				continue
			}
			for _, name := range []string{user, user + "_clone"} {
				// Native passwords are not shown by name.
				shown := s.Exec("SHOW CREATE USER " + at(name))[0][0]
				if !strings.Contains(shown, plugin) && (plugin != "mysql_native_password" || !strings.Contains(shown, "BY PASSWORD '*")) {
					t.Errorf("%q has lost its plugin %s", name, plugin)
				}
			}
		}
	})
}

// With two passwords SET PASSWORD would change one, and the other would go on
// being accepted.
func TestTwoPasswords(t *testing.T) {
	s := mariaDB.server(t)
	s.plugins(t)
	user, old := s.Name()[:10], dbtest.Password()
	s.dropLater(t, user)
	s.Quietly("CREATE USER " + at(user) + " IDENTIFIED VIA ed25519 USING PASSWORD(" + dbtest.MySQLText(old.Reveal()) +
		") OR mysql_native_password USING PASSWORD(" + dbtest.MySQLText(old.Reveal()) + ")")
	fresh := dbtest.Password()
	err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh)
	if !fault.Is(err, fault.DatabaseError) || s.accepts(user, fresh) || !s.accepts(user, old) {
		t.Errorf("by itself: %v", err)
	}
	if err := s.open(t, s.super).SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	if !s.accepts(user, fresh) || s.accepts(user, old) {
		t.Error("the superuser did not change both passwords")
	}
}

// A request that is refused has changed nothing: not even the accounts of the
// name that come before the one that has no password to set.
func TestRefusedBeforeAnythingIsChanged(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		without := map[string]string{
			mariaDB.name: "IDENTIFIED VIA unix_socket", mysql56.name: "IDENTIFIED WITH sha256_password", mysql9.name: "IDENTIFIED WITH mysql_no_login",
		}[s.name]
		if s.newer() {
			_ = s.Try("INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'") // may be there already
		}
		user, old := s.user(t) // at '%', which comes first
		s.Exec("CREATE USER " + dbtest.MySQLText(user) + "@'zzz.example' " + without)
		fresh := dbtest.Password()
		super := s.open(t, s.super)
		err := super.SetPassword(t.Context(), user, fresh)
		if !fault.Is(err, fault.DatabaseError) || !strings.Contains(err.Error(), "zzz.example") {
			t.Errorf("got %v", err)
		}
		if !s.accepts(user, old) || s.accepts(user, fresh) {
			t.Error("refused, and the password of one of the accounts was changed")
		}
		r := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: fresh, Mark: mark}
		if _, err := super.EnsureClone(t.Context(), r); !fault.Is(err, fault.DatabaseError) {
			t.Errorf("got %v", err)
		}
		if s.accepts(r.Clone, fresh) {
			t.Error("refused, and one of the clone's accounts was made")
		}
	})
}

// sql_mode changes what quotes and backslashes mean.
func TestSQLModes(t *testing.T) {
	for _, p := range []product{mariaDB, mysql56, mysql9} {
		for _, mode := range []string{"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE", ""} {
			t.Run(p.name+" "+mode, func(t *testing.T) {
				s := p.own(t, "modes", nil)
				s.Exec("SET GLOBAL sql_mode = '" + mode + "'")
				user, odd := s.Name()[:6]+"'\"`\\", redact.New("p'\"`\\''\\'\\\\-"+dbtest.Password().Reveal())
				s.dropLater(t, user)
				// The fixture's own session has a mode of its own.
				s.Quietly("SET SESSION sql_mode = ''", "CREATE USER "+at(user)+" IDENTIFIED BY 'first'", "GRANT SELECT ON `a'\"`.* TO "+at(user))
				if err := s.open(t, s.Document(user, redact.New("first"))).SetPassword(t.Context(), user, odd); err != nil {
					t.Fatal(err)
				}
				if !s.accepts(user, odd) {
					t.Error("the password was not changed to what it should be")
				}
				r := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: odd, Mark: mark}
				if _, err := s.open(t, s.Document(s.AdminUser, s.AdminPassword)).EnsureClone(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if !s.accepts(user+"_clone", odd) {
					t.Error("the clone cannot log in")
				}
				s.Exec("SET SESSION sql_mode = ''", "DROP USER "+at(user), "DROP USER "+at(user+"_clone"))
			})
		}
	}
}

// MariaDB with a policy accepts no hash by default.
func TestPolicyThatWantsPlaintext(t *testing.T) {
	s := mariaDB.own(t, "policy", nil)
	user, old := s.user(t)
	s.Exec("INSTALL SONAME 'simple_password_check'")
	session := s.open(t, s.Document(user, old))
	fresh := redact.New("Aa1-" + dbtest.Password().Reveal())
	err := session.SetPassword(t.Context(), user, fresh)
	if !fault.Is(err, fault.PasswordRejected) || !s.accepts(user, old) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(s.Log(), fresh.Reveal()) {
		t.Error("the log shows the password")
	}
	s.engine.Plaintext = true
	if err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	if !s.accepts(user, fresh) || s.accepts(user, old) {
		t.Error("the password was not changed")
	}
	err = s.open(t, s.Document(user, fresh)).SetPassword(t.Context(), user, redact.New("weak"))
	if !fault.Is(err, fault.PasswordRejected) {
		t.Errorf("a weak password: %v", err)
	}
	// With the option off by the administrator hashes are accepted again.
	s.Exec("SET GLOBAL strict_password_validation = OFF")
	s.engine.Plaintext = false
	last := dbtest.Password()
	if err := s.open(t, s.Document(user, fresh)).SetPassword(t.Context(), user, last); err != nil {
		t.Error(err)
	}
	s.Exec("UNINSTALL SONAME 'simple_password_check'")
}

// MySQL 8: a policy, a password history, and an account that has to name its
// present password.
func TestPoliciesOfMySQL8(t *testing.T) {
	s := mysql9.server(t)
	user, old := s.user(t)
	s.Exec("INSTALL COMPONENT 'file://component_validate_password'")
	t.Cleanup(func() { s.Exec("UNINSTALL COMPONENT 'file://component_validate_password'") })
	err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, redact.New("weak"))
	if !fault.Is(err, fault.PasswordRejected) {
		t.Errorf("a weak password: %v", err)
	}
	s.Exec("ALTER USER " + at(user) + " PASSWORD REQUIRE CURRENT PASSWORD HISTORY 3")
	fresh := redact.New("Aa1-" + dbtest.Password().Reveal())
	if err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	if !s.accepts(user, fresh) || s.accepts(user, old) {
		t.Error("the password was not changed")
	}
	err = s.open(t, s.Document(user, fresh)).SetPassword(t.Context(), user, fresh)
	if !fault.Is(err, fault.PasswordRejected) {
		t.Errorf("a password of the history: %v", err)
	}
	if log := s.Log(); strings.Contains(log, fresh.Reveal()) || strings.Contains(log, old.Reveal()) {
		t.Error("the log shows a password")
	}
}

// An anonymous account can come before the user's: its password is not ours.
func TestAnonymousAccount(t *testing.T) {
	s := mysql56.own(t, "anonymous", nil)
	password := dbtest.Password()
	s.Quietly("CREATE USER ''@'localhost' IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
	session := s.open(t, s.Document("someone", password))
	err := session.SetPassword(t.Context(), "someone", dbtest.Password())
	if !fault.Is(err, fault.DatabaseError) || !s.accepts("anyone", password) {
		t.Errorf("got %v", err)
	}
}
