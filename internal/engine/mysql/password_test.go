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
	return map[string]string{
		"caching_sha2_password": "IDENTIFIED WITH caching_sha2_password BY %", "sha256_password": "IDENTIFIED WITH sha256_password BY %",
	}
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

// A second password (RETAIN CURRENT PASSWORD), which may be the one that has leaked,
// is no longer accepted after a change, by whoever may discard it. Who may not is told.
func TestSecondPassword(t *testing.T) {
	s := mysql9.server(t)
	// account makes one with two passwords, of which the first logs in.
	account := func(t *testing.T, grants ...string) (user string, now, leaked redact.String) {
		user, leaked = s.user(t)
		now = dbtest.Password()
		s.Quietly("ALTER USER " + at(user) + " IDENTIFIED BY " + dbtest.MySQLText(now.Reveal()) + " RETAIN CURRENT PASSWORD")
		for _, grant := range grants {
			s.Exec("GRANT " + grant + " ON *.* TO " + at(user))
		}
		if !s.accepts(user, leaked) || !s.accepts(user, now) {
			t.Fatal("the server does not accept both passwords")
		}
		return user, now, leaked
	}
	discards := func(t *testing.T, user string, fresh, now, leaked redact.String) {
		t.Helper()
		if !s.accepts(user, fresh) || s.accepts(user, now) || s.accepts(user, leaked) {
			t.Errorf("accepted: the new password %v, the one before %v, the second one %v", s.accepts(user, fresh), s.accepts(user, now), s.accepts(user, leaked))
		}
	}
	notes := func(t *testing.T, session engine.Session, r engine.InspectRequest) string {
		t.Helper()
		told, err := session.(engine.Inspector).CanRotate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(append(told.Notes, told.Changes...), "; ")
	}
	fresh := dbtest.Password()
	t.Run("by superuser", func(t *testing.T) {
		user, now, leaked := account(t)
		super := s.open(t, s.super)
		if told := notes(t, super, engine.InspectRequest{SetPassword: user}); !strings.Contains(told, "second password, which is discarded") {
			t.Errorf("preflight: %q", told)
		}
		if err := super.SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		discards(t, user, fresh, now, leaked)
	})
	t.Run("of a clone", func(t *testing.T) {
		user, _ := s.user(t)
		s.rotate(t, user, dbtest.Password(), false)
		leaked, now := dbtest.Password(), dbtest.Password()
		s.rotate(t, user, leaked, true)
		s.Quietly("ALTER USER " + at(user+"_clone") + " IDENTIFIED BY " + dbtest.MySQLText(now.Reveal()) + " RETAIN CURRENT PASSWORD")
		r := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: fresh, Mark: mark, Proven: true}
		if told := notes(t, s.open(t, s.super), engine.InspectRequest{Clone: &r}); !strings.Contains(told, "discarded its second password") {
			t.Errorf("preflight: %q", told)
		}
		s.rotate(t, user, fresh, true)
		discards(t, user+"_clone", fresh, now, leaked)
	})
	for _, privilege := range []string{"APPLICATION_PASSWORD_ADMIN", "CREATE USER"} {
		t.Run("own, with "+privilege, func(t *testing.T) {
			user, now, leaked := account(t, privilege)
			session := s.open(t, s.Document(user, now))
			if told := notes(t, session, engine.InspectRequest{SetPassword: user}); strings.Contains(told, "second password") {
				t.Errorf("preflight: %q", told)
			}
			if err := session.SetPassword(t.Context(), user, fresh); err != nil {
				t.Fatal(err)
			}
			discards(t, user, fresh, now, leaked)
		})
	}
	t.Run("own, without a privilege", func(t *testing.T) {
		user, now, leaked := account(t)
		session := s.open(t, s.Document(user, now))
		if told := notes(t, session, engine.InspectRequest{SetPassword: user}); !strings.Contains(told, "second password") || !strings.Contains(told, "recoverPassword") {
			t.Errorf("preflight does not tell: %q", told)
		}
		if err := session.SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		if !s.accepts(user, leaked) {
			t.Error("MySQL has changed: tell nobody that this is left")
		}
		// With the superuser, as recoverPassword has it.
		r := engine.PasswordChange{User: user, Password: dbtest.Password(), OwnSession: s.open(t, s.Document(user, fresh))}
		if _, err := s.open(t, s.super).(engine.PasswordChanger).ChangePassword(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		discards(t, user, r.Password, fresh, leaked)
	})
}

// A server may begin each session with a limit of rows. Whoever is told of one account
// of several changes one, and leaves the others with the old password.
func TestAllAccountsOnAServerThatCutsAnswers(t *testing.T) {
	for _, p := range []product{mariaDB, mysql56, mysql9} {
		t.Run(p.name, func(t *testing.T) {
			s := p.own(t, "cut answers", nil)
			s.super = s.master(t)
			user, old := s.user(t)
			hosts := []string{"%", "10.1.%", "127.0.0.1"}
			for _, host := range hosts[1:] {
				s.Quietly("CREATE USER " + dbtest.MySQLText(user) + "@" + dbtest.MySQLText(host) + " IDENTIFIED BY " + dbtest.MySQLText(old.Reveal()))
			}
			stored := func() (different map[string]bool) {
				column := "authentication_string"
				if s.name == mysql56.name {
					column = "Password"
				}
				different = map[string]bool{}
				for _, row := range s.Exec("SELECT HEX(" + column + ") FROM mysql.user WHERE User = " + dbtest.MySQLText(user)) {
					different[row[0]] = true
				}
				return different
			}
			before := stored()
			s.Exec("SET GLOBAL sql_select_limit = 1")
			change := engine.PasswordChange{User: user, Password: dbtest.Password(), OwnSession: s.open(t, s.Document(user, old)), Known: []redact.String{old}}
			n, err := s.open(t, s.super).(engine.PasswordChanger).ChangePassword(t.Context(), change)
			cloned := s.rotate(t, user, dbtest.Password(), true)
			s.Exec("SET GLOBAL sql_select_limit = DEFAULT")
			s.Exec("SET SESSION sql_select_limit = DEFAULT")
			if err != nil || n != len(hosts) {
				t.Errorf("changed %d accounts of %d: %v", n, len(hosts), err)
			}
			for hash := range stored() {
				if before[hash] {
					t.Error("an account has kept its password")
				}
			}
			if got := s.Exec("SELECT COUNT(*) FROM mysql.user WHERE User = " + dbtest.MySQLText(user+"_clone")); got[0][0] != "3" {
				t.Errorf("the clone has %s accounts: %+v", got[0][0], cloned)
			}
		})
	}
}

// KeepPrevious: the password before is accepted until the next change, whichever way
// and however often an attempt is made.
func TestKeepPrevious(t *testing.T) {
	s := mysql9.server(t)
	ways := map[string]func(t *testing.T, user string, now redact.String, c engine.PasswordChange) error{
		"own": func(t *testing.T, user string, now redact.String, c engine.PasswordChange) error {
			s.Exec("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + at(user))
			_, err := s.open(t, s.Document(user, now)).(engine.PasswordChanger).ChangePassword(t.Context(), c)
			return err
		},
		"by superuser": func(t *testing.T, user string, now redact.String, c engine.PasswordChange) error {
			c.OwnSession = s.open(t, s.Document(user, now))
			_, err := s.open(t, s.super).(engine.PasswordChanger).ChangePassword(t.Context(), c)
			return err
		},
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			user, first := s.user(t)
			second, third := dbtest.Password(), dbtest.Password()
			check := func(accepted ...bool) {
				t.Helper()
				for i, p := range []redact.String{first, second, third} {
					if got := s.accepts(user, p); got != accepted[i] {
						t.Errorf("password %d is accepted: %v", i+1, got)
					}
				}
			}
			keep := engine.PasswordChange{User: user, Password: second, KeepPrevious: true}
			if err := change(t, user, first, keep); err != nil {
				t.Fatal(err)
			}
			check(true, true, false)
			// Again, by an attempt that has logged in with the new one, and by one that has
			// logged in with the old one and does not know that it has been done.
			for _, with := range []redact.String{second, first, first} {
				if err := change(t, user, with, keep); err != nil {
					t.Fatal(err)
				}
				check(true, true, false)
			}
			keep.Password = third
			if err := change(t, user, second, keep); err != nil {
				t.Fatal(err)
			}
			check(false, true, true)
			// Back, as after a failure: what is set is all that is accepted.
			if err := change(t, user, second, engine.PasswordChange{User: user, Password: second}); err != nil {
				t.Fatal(err)
			}
			check(false, true, false)
		})
	}
	t.Run("without a privilege", func(t *testing.T) {
		user, now := s.user(t)
		session := s.open(t, s.Document(user, now))
		_, err := session.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: user, KeepPrevious: true})
		if !fault.Is(err, fault.PrivilegeMissing) {
			t.Errorf("preflight: %v", err)
		}
		fresh := dbtest.Password()
		_, err = session.(engine.PasswordChanger).ChangePassword(t.Context(), engine.PasswordChange{User: user, Password: fresh, KeepPrevious: true})
		if !fault.Is(err, fault.PrivilegeMissing) || s.accepts(user, fresh) || !s.accepts(user, now) {
			t.Errorf("got %v", err)
		}
	})
	for _, p := range []product{mariaDB, mysql56} {
		t.Run(p.name, func(t *testing.T) {
			s := p.server(t)
			user, now := s.user(t)
			session := s.open(t, s.Document(user, now))
			_, err := session.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: user, KeepPrevious: true})
			if !fault.Is(err, fault.InvalidRequest) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A user that may change others changes all accounts of its name that have its
// password: RDS's master user, for one.
func TestOwnPasswordOfSeveralAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, old := s.user(t)
		local := dbtest.MySQLText(user) + "@'localhost'"
		s.Quietly("CREATE USER " + local + " IDENTIFIED BY " + dbtest.MySQLText(old.Reveal()))
		fresh := dbtest.Password()
		s.Exec("GRANT SELECT ON mysql.* TO " + local)
		err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh)
		if !fault.Is(err, fault.PrivilegeMissing) || !strings.Contains(err.Error(), "2 accounts") || !s.accepts(user, old) || s.accepts(user, fresh) {
			t.Errorf("it sees both and may not change them: %v", err)
		}
		s.Exec("GRANT CREATE USER ON *.* TO "+local, "GRANT UPDATE ON mysql.* TO "+local)
		if err := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		if !s.accepts(user, fresh) || s.accepts(user, old) {
			t.Error("its own account was not changed")
		}
		s.Exec("DROP USER " + local)
		if !s.accepts(user, fresh) || s.accepts(user, old) {
			t.Error("the other account was not changed")
		}
	})
}
