package mysql_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// fixture is a server as the suite wants it.
type fixture struct{ *server }

func (f fixture) Document(user string, password redact.String) secretdoc.Document {
	return f.server.Document(user, password)
}

func (f fixture) CreateUser(_ testing.TB, user string, password redact.String) {
	f.createUser(user, password)
}

func (f fixture) Login(_ testing.TB, user string, password redact.String) bool {
	return f.accepts(user, password)
}

// TestSuite runs the suite that every engine has to pass.
func TestSuite(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		t.Parallel() // they wait most of the time, and are on servers of their own
		s.Exec("CREATE DATABASE IF NOT EXISTS shop", "CREATE TABLE IF NOT EXISTS shop.orders (id INT, note INT)",
			"CREATE DATABASE IF NOT EXISTS `from ``a'\" TO 'b'@'%`", "CREATE TABLE IF NOT EXISTS `from ``a'\" TO 'b'@'%`.`t ON x.*` (id INT)")
		target := enginetest.Target{
			Name:    s.Product + " " + s.Version,
			Engine:  s.engine,
			Fixture: fixture{s},
			Rights: []enginetest.Right{
				s.right("SELECT", "shop.*", "SELECT * FROM shop.orders"),
				s.right("INSERT", "`from ``a'\" TO 'b'@'%`.`t ON x.*`", "INSERT INTO `from ``a'\" TO 'b'@'%`.`t ON x.*` VALUES (1)"),
				s.right("UPDATE (note)", "shop.orders", "UPDATE shop.orders SET note = 1"),
			},
			GrantAll: func(_ testing.TB, user string) {
				s.Exec("GRANT " + masterPrivileges + " ON *.* TO " + at(user) + " WITH GRANT OPTION")
			},
			Barred: s.barred(t),
			Locks:  s.locks(),
			Waiting: func(testing.TB) int {
				n := 0
				for _, row := range s.Exec("SHOW FULL PROCESSLIST") {
					user, command := row[1], row[4]
					if command == "Query" && (user == s.super.Username || strings.HasPrefix(user, "et")) {
						n++
					}
				}
				return n
			},
			Namesake: func(t testing.TB, user string, password redact.String) func() {
				local := dbtest.MySQLText(user) + "@'localhost'" // before '%' for us
				s.Quietly("CREATE USER " + local + " IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
				return sync.OnceFunc(func() { s.Exec("DROP USER " + local) })
			},
			Scenes: s.scenes(), Catalogue: s.catalogue,
			Marks:  s.newer(),
			Log:    func(testing.TB) string { return s.Log() },
			Logins: s.counters(t),
			UserName: func(name string) bool {
				return utf8.RuneCountInString(name) < 16
			},
			NotApplicable: map[string]string{},
		}
		if s.name == mysql56.name {
			target.NotApplicable["late statement/the server gives it up"] = "MySQL before 8.0 waits for the tables of accounts without a bound"
		}
		if s.tls {
			target.TLS = &enginetest.TLS{
				Distrusting: mysql.Engine{Roots: certs.New("another").Pool()},
				WrongHost:   "localhost",
			}
			plain := s.start(t, "without TLS", dbserver.MySQL{})
			user, password := plain.Name(), dbtest.Password()
			plain.Quietly("CREATE USER " + at(user) + " IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
			// A server that knows the password already asks for nothing that can be read.
			if _, ok, err := plain.As(user, password, "SELECT 1"); !ok || err != nil {
				t.Fatal(err)
			}
			target.NoTLS = new(plain.Document(user, password, nil))
		} else {
			target.NoTLS = new(s.super)
		}
		enginetest.Run(t, target)
	})
}

// barred is each way in which the server keeps an account out that has the right
// password.
func (s *server) barred(t testing.TB) []enginetest.Barred {
	bar := func(name string, code fault.Code, statements ...string) enginetest.Barred {
		return enginetest.Barred{Name: name, Code: code, Bar: func(t testing.TB, user string) {
			for _, statement := range statements {
				s.Exec(strings.ReplaceAll(statement, "?", at(user)))
			}
		}}
	}
	// guess has somebody try wrong passwords.
	guess := func(name string, setting string, undo ...string) enginetest.Barred {
		return enginetest.Barred{Name: name, Code: fault.AccountDisabled, Bar: func(t testing.TB, user string) {
			s.Exec(strings.ReplaceAll(setting, "?", at(user)))
			t.Cleanup(func() { s.Exec(undo...) })
			for range 3 {
				s.accepts(user, dbtest.Password())
			}
		}}
	}
	switch s.name {
	case mysql56.name:
		return []enginetest.Barred{bar("PASSWORD EXPIRE", fault.PasswordExpired, "ALTER USER ? PASSWORD EXPIRE")}
	case mariaDB.name:
		const disconnect = "SET GLOBAL disconnect_on_expired_password = "
		t.Cleanup(func() { s.Exec(disconnect + "OFF") })
		return []enginetest.Barred{
			bar("ACCOUNT LOCK", fault.AccountDisabled, "ALTER USER ? ACCOUNT LOCK"),
			guess("max_password_errors", "SET GLOBAL max_password_errors = 2", "SET GLOBAL max_password_errors = DEFAULT", "FLUSH PRIVILEGES"),
			bar("PASSWORD EXPIRE", fault.PasswordExpired, "ALTER USER ? PASSWORD EXPIRE", disconnect+"OFF"),
			bar("PASSWORD EXPIRE, disconnected", fault.PasswordExpired, "ALTER USER ? PASSWORD EXPIRE", disconnect+"ON"),
		}
	}
	return []enginetest.Barred{
		bar("ACCOUNT LOCK", fault.AccountDisabled, "ALTER USER ? ACCOUNT LOCK"),
		guess("FAILED_LOGIN_ATTEMPTS", "ALTER USER ? FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1"),
		bar("PASSWORD EXPIRE", fault.PasswordExpired, "ALTER USER ? PASSWORD EXPIRE"),
	}
}

// locks is each kind of lock that a change of an account waits for.
func (s *server) locks() []enginetest.Lock {
	hold := func(name, unlock string, take ...string) enginetest.Lock {
		return enginetest.Lock{Name: name, Hold: func(t testing.TB, user string) func() {
			db, err := s.Admin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range take {
				if _, err := db.Exec(strings.ReplaceAll(statement, "?", dbtest.MySQLText(user))); err != nil {
					t.Fatal(err)
				}
			}
			return sync.OnceFunc(func() {
				if _, err := db.Exec(unlock); err != nil {
					t.Error(err)
				}
				db.Close()
			})
		}}
	}
	locks := []enginetest.Lock{hold("global read lock", "UNLOCK TABLES", "FLUSH TABLES WITH READ LOCK")}
	switch s.name {
	case mariaDB.name:
		return append(locks,
			hold("table lock", "UNLOCK TABLES", "LOCK TABLES mysql.global_priv WRITE"),
			hold("backup lock", "BACKUP STAGE END", "BACKUP STAGE START", "BACKUP STAGE FLUSH", "BACKUP STAGE BLOCK_DDL", "BACKUP STAGE BLOCK_COMMIT"))
	case mysql56.name:
		return append(locks, hold("table lock", "UNLOCK TABLES", "LOCK TABLES mysql.user WRITE"))
	}
	return append(locks,
		hold("table lock", "UNLOCK TABLES", "LOCK TABLES mysql.user WRITE"),
		hold("row lock", "ROLLBACK", "BEGIN", "SELECT * FROM mysql.user FOR UPDATE"),
		hold("backup lock", "UNLOCK INSTANCE", "LOCK INSTANCE FOR BACKUP"))
}

func (s *server) right(privilege, on, statement string) enginetest.Right {
	return enginetest.Right{
		Name:   privilege + " ON " + on,
		Grant:  func(_ testing.TB, user string) { s.Exec("GRANT " + privilege + " ON " + on + " TO " + at(user)) },
		Revoke: func(_ testing.TB, user string) { s.Exec("REVOKE " + privilege + " ON " + on + " FROM " + at(user)) },
		Works: func(t testing.TB, user string, password redact.String) bool {
			_, ok, err := s.As(user, password, statement)
			if !ok {
				t.Errorf("%q cannot log in", user)
			}
			return err == nil
		},
	}
}
