package mysql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// inspect asks, and fails if a statement that changes anything was run.
func (s *server) inspect(t *testing.T, r engine.InspectRequest) (engine.Inspection, error) {
	t.Helper()
	session := s.open(t, s.super)
	log := len(s.Log())
	found, err := session.(engine.Inspector).CanRotate(t.Context(), r)
	for _, word := range []string{"CREATE USER", "ALTER USER", "GRANT SELECT", "REVOKE ", "DROP USER", "SET PASSWORD", "SET DEFAULT ROLE"} {
		for line := range strings.Lines(s.Log()[log:]) {
			if strings.Contains(line, word) && !strings.Contains(line, "SHOW CREATE USER") {
				t.Errorf("it ran %s", word)
			}
		}
	}
	return found, err
}

// CanRotate foretells what EnsureClone does, and with which error it is refused.
func TestForetellsClone(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for name, setup := range map[string]func(t *testing.T, s *server, user string){
			"nothing granted": func(*testing.T, *server, string) {},
			"rights": func(t *testing.T, s *server, user string) {
				s.Exec("GRANT SELECT, INSERT ON `foretold`.* TO "+at(user), "GRANT PROCESS ON *.* TO "+at(user))
			},
			"rights to pass on": func(t *testing.T, s *server, user string) {
				s.Exec("GRANT SELECT ON `foretold`.* TO " + at(user) + " WITH GRANT OPTION")
			},
			"pattern": func(t *testing.T, s *server, user string) {
				s.Exec("GRANT SELECT, UPDATE ON `wild\\_card%`.* TO " + at(user))
			},
			"a right that the superuser has not": func(t *testing.T, s *server, user string) {
				s.Exec("GRANT SHUTDOWN ON *.* TO " + at(user))
			},
			"somebody else's": func(t *testing.T, s *server, user string) { s.createUser(user+"_clone", dbtest.Password()) },
			"an older clone": func(t *testing.T, s *server, user string) {
				s.Exec("GRANT SELECT ON `foretold`.* TO " + at(user))
				s.rotate(t, user, dbtest.Password(), false)
				s.Exec("GRANT INSERT ON `foretold`.* TO "+at(user), "REVOKE SELECT ON `foretold`.* FROM "+at(user))
			},
			"gone": func(t *testing.T, s *server, user string) { s.DropUser(t, user) },
		} {
			t.Run(name, func(t *testing.T) {
				user, _ := s.user(t)
				setup(t, s, user)
				request := engine.CloneRequest{
					Original: user, Clone: user + "_clone", Password: dbtest.Password(), Mark: mark, Proven: name == "an older clone",
				}
				found, foretold := s.inspect(t, engine.InspectRequest{Clone: &request})
				result, err := s.open(t, s.super).EnsureClone(t.Context(), request)
				if fault.CodeOf(foretold) != fault.CodeOf(err) {
					t.Fatalf("foretold %v, got %v", foretold, err)
				}
				if diff := cmp.Diff(result.Changes, found.Changes); err == nil && diff != "" {
					t.Errorf("changes: %s", diff)
				}
			})
		}
	})
}

// A superuser with EXECUTE on a schema and the grant option may pass on rights on the
// schema's routines; without the option, or on another schema, it may not.
func TestForetellsRoutinesOfASchema(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.Exec("CREATE DATABASE IF NOT EXISTS routines", "DROP PROCEDURE IF EXISTS routines.p", "DROP FUNCTION IF EXISTS routines.f",
			"CREATE PROCEDURE routines.p() SELECT 1", "CREATE FUNCTION routines.f() RETURNS INT DETERMINISTIC RETURN 1")
		for name, tc := range map[string]struct {
			grant string
			may   bool
		}{
			"with the option":    {"GRANT SELECT, EXECUTE ON routines.* TO ? WITH GRANT OPTION", true},
			"without the option": {"GRANT SELECT, EXECUTE ON routines.* TO ?", false},
			"another schema":     {"GRANT SELECT, EXECUTE ON elsewhere.* TO ? WITH GRANT OPTION", false},
		} {
			t.Run(name, func(t *testing.T) {
				user, _ := s.user(t)
				s.Exec("GRANT EXECUTE ON PROCEDURE routines.p TO "+at(user), "GRANT EXECUTE ON FUNCTION routines.f TO "+at(user))
				super, password := "r"+s.Name()[:11], dbtest.Password()
				s.createUser(super, password)
				t.Cleanup(func() { s.DropUser(t, super) })
				s.Exec("GRANT CREATE USER ON *.* TO "+at(super), "GRANT SELECT ON mysql.* TO "+at(super), strings.ReplaceAll(tc.grant, "?", at(super)))
				session := s.open(t, s.Document(super, password))
				request := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: dbtest.Password(), Mark: mark}
				_, foretold := session.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &request})
				_, err := session.EnsureClone(t.Context(), request)
				if fault.CodeOf(foretold) != fault.CodeOf(err) || (err == nil) != tc.may {
					t.Errorf("foretold %v, got %v", foretold, err)
				}
			})
		}
	})
}

// CanRotate foretells SetPassword by oneself and by a superuser.
func TestForetellsSetPassword(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, password := s.user(t)
		own, err := s.open(t, s.Document(user, password)).(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: user})
		if err != nil || len(own.Changes) > 0 {
			t.Errorf("own: %+v, %v", own, err)
		}
		if _, err := s.inspect(t, engine.InspectRequest{SetPassword: user}); err != nil {
			t.Error(err)
		}
		if _, err := s.inspect(t, engine.InspectRequest{SetPassword: user + "x"}); !fault.Is(err, fault.DatabaseError) {
			t.Errorf("nobody's: %v", err)
		}
		s.Exec("REVOKE CREATE USER, INSERT, UPDATE ON *.* FROM " + at(s.super.Username))
		_, err = s.inspect(t, engine.InspectRequest{SetPassword: user})
		if !fault.Is(err, fault.PrivilegeMissing) || !slices.Contains(strings.Fields(err.Error()), "CREATE") {
			t.Errorf("without CREATE USER: %v", err)
		}
	})
}

// MySQL 5.6 has no statement that gives an account of sha256_password a hash. Preflight
// says so, and what to change, as the rotation does.
func TestSHA256OnMySQL56(t *testing.T) {
	s := mysql56.server(t)
	user, _ := s.user(t)
	s.Exec("DROP USER "+at(user), "CREATE USER "+at(user)+" IDENTIFIED WITH sha256_password")
	r := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: dbtest.Password(), Mark: mark}
	_, told := s.inspect(t, engine.InspectRequest{Clone: &r})
	_, single := s.inspect(t, engine.InspectRequest{SetPassword: user})
	_, err := s.open(t, s.super).EnsureClone(t.Context(), r)
	for what, err := range map[string]error{"preflight of a pair": told, "preflight": single, "the rotation of a pair": err} {
		if !fault.Is(err, fault.DatabaseError) || !strings.Contains(err.Error(), `"sha256_password", which on MySQL 5.6`) ||
			!strings.Contains(err.Error(), "Change the account to mysql_native_password") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s.accepts(r.Clone, r.Password) {
		t.Error("refused, and the clone was made")
	}
}
