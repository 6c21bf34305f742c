package mysql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

const mark = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mysql-Ab12Cd"

// rotate makes or levels the clone of a user as an administrator and checks that
// both lists of privileges are equal.
func (s *server) rotate(t testing.TB, user string, password redact.String, proven bool) engine.CloneResult {
	t.Helper()
	admin := s.open(t, s.Document(s.AdminUser, s.AdminPassword))
	result, err := admin.EnsureClone(t.Context(), engine.CloneRequest{
		Original: user, Clone: user + "_clone", Password: password, Mark: mark, Proven: proven,
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := admin.Privileges(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	b, err := admin.Privileges(t.Context(), user+"_clone")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a, b) || !slices.Equal(a, result.Privileges) {
		t.Fatalf("not level:\n%q\n%q\n%q", a, b, result.Privileges)
	}
	again, err := admin.EnsureClone(t.Context(), engine.CloneRequest{Original: user, Clone: user + "_clone", Mark: mark, Proven: true})
	if err != nil || len(again.Changes) > 0 {
		t.Fatalf("a second call: %v, %q", err, again.Changes)
	}
	return result
}

// schema makes a schema with a table for one test.
func (s *server) schema(t testing.TB, name string) {
	q := "`" + strings.ReplaceAll(name, "`", "``") + "`"
	s.Exec("CREATE DATABASE "+q, "CREATE TABLE "+q+".t (a INT, `b c` INT, `d``e` INT, under_score INT)",
		"CREATE PROCEDURE "+q+".`p(` () SELECT 1", "CREATE FUNCTION "+q+".f () RETURNS INT DETERMINISTIC NO SQL RETURN 1")
	t.Cleanup(func() { s.Exec("DROP DATABASE " + q) })
}

// Every kind of right and option: the clone gets it, and loses it again.
func TestCloneFollowsEveryKindOfRight(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "sh' TO `x`@\"%")
		scope := "`sh' TO ``x``@\"%`"
		grants := []string{
			"SELECT, INSERT ON *.*", "ALL PRIVILEGES ON " + scope + ".*", "SELECT, UPDATE ON `wild\\_card%`.*",
			"SELECT ON " + scope + ".t", "ALL PRIVILEGES ON " + scope + ".t",
			"EXECUTE ON PROCEDURE " + scope + ".`p(`", "EXECUTE, ALTER ROUTINE ON FUNCTION " + scope + ".f",
			"SELECT (a, `b c`), UPDATE (a, under_score) ON " + scope + ".t", "GRANT OPTION ON " + scope + ".*",
			"GRANT OPTION ON " + scope + ".t", "ALL PRIVILEGES ON *.*", "GRANT OPTION ON *.*",
		}
		if s.name != mysql56.name { // which shows column names without quotes
			grants = append(grants, "INSERT (`d``e`, a) ON "+scope+".t")
		}
		if s.newer() {
			grants = append(grants, "BACKUP_ADMIN, CONNECTION_ADMIN ON *.*")
		}
		if s.name == mariaDB.name {
			grants = append(grants, "DELETE HISTORY, BINLOG MONITOR ON *.*")
		}
		user, _ := s.user(t)
		s.rotate(t, user, dbtest.Password(), false)
		for _, grant := range grants {
			s.Exec("GRANT " + grant + " TO " + at(user))
			if result := s.rotate(t, user, redact.String{}, true); len(result.Changes) == 0 {
				t.Errorf("GRANT %s: no change", grant)
			}
			s.Exec("REVOKE " + grant + " FROM " + at(user))
			if result := s.rotate(t, user, redact.String{}, true); len(result.Changes) == 0 {
				t.Errorf("REVOKE %s: no change", grant)
			}
		}
		// All at once, onto an account that has none.
		for _, grant := range grants {
			s.Exec("GRANT " + grant + " TO " + at(user))
		}
		s.rotate(t, user, redact.String{}, true)
		if a, b := s.grants(user, "%"), s.grants(user+"_clone", "%"); withoutHashes(strings.ReplaceAll(b, user+"_clone", user)) != withoutHashes(a) {
			t.Errorf("SHOW GRANTS differ:\n%s\n%s", a, b)
		}
		t.Logf("%d kinds of rights", len(grants))
	})
}

func withoutHashes(grants string) string {
	var lines []string
	for line := range strings.Lines(grants) {
		head, tail, found := strings.Cut(line, " IDENTIFIED BY PASSWORD '")
		if found {
			_, tail, _ = strings.Cut(tail, "'")
		}
		lines = append(lines, head+tail)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// From everything to something: single privileges cannot be taken out of ALL.
func TestCloneOfAUserThatLostEverythingButOneRight(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "shrink")
		user, _ := s.user(t)
		s.Exec("GRANT ALL PRIVILEGES ON *.* TO "+at(user)+" WITH GRANT OPTION", "GRANT ALL PRIVILEGES ON shrink.* TO "+at(user))
		password := dbtest.Password()
		s.rotate(t, user, password, false)
		s.Exec("REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+at(user), "GRANT SELECT ON shrink.t TO "+at(user))
		s.rotate(t, user, redact.String{}, true)
		if _, _, err := s.As(user+"_clone", password, "SELECT * FROM shrink.t"); err != nil {
			t.Error(err)
		}
		if _, _, err := s.As(user+"_clone", password, "INSERT INTO shrink.t (a) VALUES (1)"); err == nil {
			t.Error("the clone can still write")
		}
	})
}

// Options of the account: TLS, limits, the age of passwords.
func TestCloneFollowsOptions(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, _ := s.user(t)
		s.rotate(t, user, dbtest.Password(), false)
		alter := func(options string) string { return "ALTER USER " + at(user) + " " + options }
		if s.name == mysql56.name {
			alter = func(options string) string { return "GRANT USAGE ON *.* TO " + at(user) + " " + options }
		}
		options := []string{
			"REQUIRE SSL", "REQUIRE X509", "REQUIRE SUBJECT '/CN=a b' AND ISSUER '/CN=it, REQUIRE SSL'", "REQUIRE NONE",
			"WITH MAX_QUERIES_PER_HOUR 9 MAX_USER_CONNECTIONS 3", "WITH MAX_QUERIES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 7", "WITH MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0",
		}
		if s.name != mysql56.name {
			options = append(options, "PASSWORD EXPIRE NEVER", "PASSWORD EXPIRE INTERVAL 90 DAY", "PASSWORD EXPIRE NEVER", "PASSWORD EXPIRE DEFAULT", "PASSWORD EXPIRE INTERVAL 60 DAY")
		}
		if s.name == mariaDB.name {
			options = append(options, "WITH MAX_STATEMENT_TIME 12.5", "WITH MAX_STATEMENT_TIME 0")
		}
		if s.newer() {
			options = append(options, "PASSWORD REQUIRE CURRENT", "PASSWORD REQUIRE CURRENT OPTIONAL", "PASSWORD REQUIRE CURRENT DEFAULT")
			options = append(options, "FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2", "FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED", "FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0")
		}
		for _, o := range options {
			s.Exec(alter(o))
			if result := s.rotate(t, user, redact.String{}, true); len(result.Changes) == 0 {
				t.Errorf("%s: no change", o)
			}
		}
		if s.name == mysql56.name {
			return
		}
		// From an interval to the default: see neverExpiresSQL.
		s.Exec(alter("PASSWORD EXPIRE NEVER"), alter("PASSWORD EXPIRE DEFAULT"))
		s.rotate(t, user, redact.String{}, true)
		// What is not a clone's business.
		s.Exec(alter("ACCOUNT LOCK"))
		if result := s.rotate(t, user, redact.String{}, true); len(result.Changes) > 0 {
			t.Errorf("the lock was copied: %q", result.Changes)
		}
		if s.newer() {
			s.Exec(alter("PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 30 DAY ATTRIBUTE '{\"team\": \"a''b\"}'"))
			if result := s.rotate(t, user, redact.String{}, true); len(result.Changes) > 0 {
				t.Errorf("changes: %q", result.Changes)
			}
		}
	})
}

// With a default role the clone that AWS's published function makes ends up reading nothing.
func TestCloneHasTheDefaultRole(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if s.name == mysql56.name {
			t.Log("MySQL 5.6 has no roles")
			return
		}
		s.schema(t, "roles")
		r1, r2 := s.Name()+"' r", s.Name()
		q1, q2 := "`"+r1+"`", "`"+r2+"`"
		s.Exec("CREATE ROLE "+q1, "CREATE ROLE "+q2, "GRANT SELECT ON roles.* TO "+q1, "GRANT INSERT ON roles.* TO "+q2)
		t.Cleanup(func() { s.Exec("DROP ROLE "+q1, "DROP ROLE "+q2) })
		user, _ := s.user(t)
		password := dbtest.Password()
		can := func(want ...bool) {
			t.Helper()
			for i, statement := range []string{"SELECT * FROM roles.t", "INSERT INTO roles.t (a) VALUES (1)"} {
				if _, _, err := s.As(user+"_clone", password, statement); (err == nil) != want[i] {
					t.Errorf("%s: %v", statement, err)
				}
			}
		}
		setDefault := func(role string) string {
			if s.newer() {
				return "SET DEFAULT ROLE " + role + " TO " + at(user)
			}
			return "SET DEFAULT ROLE " + role + " FOR " + at(user)
		}
		s.Exec("GRANT "+q1+" TO "+at(user), setDefault(q1))
		s.rotate(t, user, password, false)
		can(true, false)
		s.Exec("GRANT "+q2+" TO "+at(user)+" WITH ADMIN OPTION", setDefault(q2))
		s.rotate(t, user, redact.String{}, true)
		can(s.newer() && false, true)
		s.Exec("REVOKE "+q1+" FROM "+at(user), setDefault("NONE"))
		s.rotate(t, user, redact.String{}, true)
		can(false, false)
		if s.newer() {
			s.Exec("REVOKE "+q2+" FROM "+at(user), "GRANT "+q2+" TO "+at(user), "GRANT "+q1+" TO "+at(user), setDefault("ALL"))
		} else {
			s.Exec("REVOKE ADMIN OPTION FOR "+q2+" FROM "+at(user), setDefault(q2))
		}
		s.rotate(t, user, redact.String{}, true)
		can(s.newer(), true)
		s.Exec("REVOKE " + q2 + " FROM " + at(user))
		s.rotate(t, user, redact.String{}, true)
		can(s.newer(), false)
		// An account sees its own roles in the same form.
		own, err := s.open(t, s.Document(user+"_clone", password)).Privileges(t.Context(), user+"_clone")
		if err != nil {
			t.Fatal(err)
		}
		if result := s.rotate(t, user, redact.String{}, true); !slices.Equal(own, result.Privileges) {
			t.Errorf("own list %q, the superuser's %q", own, result.Privileges)
		}
	})
}

func TestCloneFollowsProxies(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, _ := s.user(t)
		other, _ := s.user(t)
		s.Exec("GRANT PROXY ON " + at(other) + " TO " + at(user))
		result := s.rotate(t, user, dbtest.Password(), false)
		if !slices.ContainsFunc(result.Privileges, func(line string) bool { return strings.HasPrefix(line, "PROXY ON ") }) {
			t.Errorf("%q has no proxy", result.Privileges)
		}
		s.Exec("GRANT PROXY ON " + at(other) + " TO " + at(user) + " WITH GRANT OPTION")
		s.rotate(t, user, redact.String{}, true)
		s.Exec("REVOKE PROXY ON " + at(other) + " FROM " + at(user))
		s.rotate(t, user, redact.String{}, true)
	})
}

// A right may outlive its table.
func TestCloneOfAUserWithARightOnADroppedTable(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "dropped")
		user, _ := s.user(t)
		s.Exec("GRANT SELECT ON dropped.t TO "+at(user), "DROP TABLE dropped.t")
		password := dbtest.Password()
		s.rotate(t, user, password, false)
		s.Exec("CREATE TABLE dropped.t (a INT)")
		if _, _, err := s.As(user+"_clone", password, "SELECT * FROM dropped.t"); err != nil {
			t.Error(err)
		}
		if strings.Contains(s.grants(user+"_clone", "%"), "CREATE") {
			t.Error("the clone may create tables")
		}
	})
}

// MySQL 8: a global privilege that does not hold in one schema.
func TestCloneFollowsPartialRevokes(t *testing.T) {
	s := mysql9.server(t)
	s.schema(t, "hidden")
	s.Exec("SET GLOBAL partial_revokes = ON")
	// Switched off again only when no account has one left.
	t.Cleanup(func() { s.Exec("SET GLOBAL partial_revokes = OFF") })
	user, _ := s.user(t)
	s.Exec("GRANT SELECT, INSERT ON *.* TO "+at(user), "REVOKE SELECT ON hidden.* FROM "+at(user))
	password := dbtest.Password()
	result := s.rotate(t, user, password, false)
	if !slices.Contains(result.Privileges, "NOT SELECT ON `hidden`.*") {
		t.Errorf("%q lacks the restriction", result.Privileges)
	}
	if _, _, err := s.As(user+"_clone", password, "SELECT * FROM hidden.t"); err == nil {
		t.Error("the clone reads what the original must not")
	}
	s.Exec("GRANT SELECT ON hidden.* TO " + at(user))
	s.rotate(t, user, redact.String{}, true)
	s.Exec("REVOKE SELECT, INSERT ON hidden.* FROM " + at(user))
	s.rotate(t, user, redact.String{}, true)
	s.DropUser(t, user)
	s.DropUser(t, user+"_clone")
}

// MySQL 8: each dynamic privilege has a grant option of its own.
func TestCloneFollowsDynamicPrivileges(t *testing.T) {
	s := mysql9.server(t)
	user, _ := s.user(t)
	s.rotate(t, user, dbtest.Password(), false)
	for _, statement := range []string{
		"GRANT BACKUP_ADMIN ON *.* TO " + at(user) + " WITH GRANT OPTION",
		"GRANT ROLE_ADMIN, XA_RECOVER_ADMIN ON *.* TO " + at(user),
		"REVOKE BACKUP_ADMIN ON *.* FROM " + at(user),
		"GRANT BACKUP_ADMIN, SELECT ON *.* TO " + at(user),
		"REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + at(user),
	} {
		s.Exec(statement)
		s.rotate(t, user, redact.String{}, true)
	}
}

// Users bound to hosts, for which AWS's published function fails.
func TestUsersBoundToHosts(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "hosts")
		user := s.Name()[:10]
		s.dropLater(t, user)
		hosts := []string{"127.0.0.1", "10.1.%", "10.2.0.0/255.255.0.0", "%.example.com"}
		old := dbtest.Password()
		for i, host := range hosts {
			account := dbtest.MySQLText(user) + "@" + dbtest.MySQLText(host)
			s.Quietly("CREATE USER " + account + " IDENTIFIED BY " + dbtest.MySQLText(old.Reveal()))
			s.Exec("GRANT " + []string{"SELECT", "INSERT", "UPDATE", "DELETE"}[i] + " ON hosts.* TO " + account)
		}
		password := dbtest.Password()
		result := s.rotate(t, user, password, false)
		for i, host := range hosts {
			if got := s.grants(user+"_clone", host); !strings.Contains(got, []string{"SELECT", "INSERT", "UPDATE", "DELETE"}[i]+" ON `hosts`.*") {
				t.Errorf("at %s: %s", host, got)
			}
		}
		if !result.Created || !s.accepts(user+"_clone", password) {
			t.Error("the clone cannot log in")
		}
		// The account of the present host changes its own password.
		session := s.open(t, s.Document(user, old))
		fresh := dbtest.Password()
		if err := session.SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		if !s.accepts(user, fresh) || s.accepts(user, old) {
			t.Error("the password of the user bound to a host was not changed")
		}
		// Another host is gone: so is the clone's account for it.
		s.Exec("DROP USER " + dbtest.MySQLText(user) + "@'10.1.%'")
		result = s.rotate(t, user, redact.String{}, true)
		if len(result.Changes) != 1 || !strings.HasSuffix(result.Changes[0], ": dropped") {
			t.Errorf("changes: %q", result.Changes)
		}
		// The superuser changes all accounts of the name.
		last := dbtest.Password()
		if err := s.open(t, s.super).SetPassword(t.Context(), user, last); err != nil {
			t.Fatal(err)
		}
		if !s.accepts(user, last) {
			t.Error("the superuser did not change the password")
		}
	})
}

// Between CREATE USER and the next attempt the password that only the pending
// version knows proves whose the clone is.
func TestPendingPasswordProvesTheClone(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, _ := s.user(t)
		clone, pending := user+"_clone", dbtest.Password()
		s.createUser(clone, pending) // as far as an interrupted call got
		s.rotate(t, user, pending, false)
		other, _ := s.user(t)
		s.createUser(other+"_clone", dbtest.Password())
		_, err := s.open(t, s.super).EnsureClone(t.Context(), engine.CloneRequest{Original: other, Clone: other + "_clone", Password: pending, Mark: mark})
		if !fault.Is(err, fault.AccountNotOurs) {
			t.Errorf("another password: %v", err)
		}
	})
}

// A clone that AWS's alternating function made, for hosts '%', goes on.
func TestCloneMadeByAWS(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "aws")
		user, _ := s.user(t)
		s.Exec("GRANT SELECT ON aws.* TO " + at(user))
		s.createUser(user+"_clone", dbtest.Password())
		s.Exec("GRANT SELECT, INSERT ON aws.* TO " + at(user+"_clone")) // a REVOKE since
		password := dbtest.Password()
		result := s.rotate(t, user, password, true)
		if result.Created || len(result.Changes) != 1 || !strings.Contains(result.Changes[0], "revoked INSERT") {
			t.Errorf("created %v, changes %q", result.Created, result.Changes)
		}
		if !s.accepts(user+"_clone", password) {
			t.Error("the clone cannot log in")
		}
	})
}

// A superuser without the right itself cannot pass it on, and says so.
func TestCloneOfAUserWithMoreThanTheSuperuser(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, _ := s.user(t)
		s.Exec("GRANT SUPER ON *.* TO " + at(user))
		_, err := s.open(t, s.super).EnsureClone(t.Context(), engine.CloneRequest{Original: user, Clone: user + "_clone", Password: dbtest.Password(), Mark: mark})
		if !fault.Is(err, fault.PrivilegeMissing) || !strings.Contains(err.Error(), "SUPER") {
			t.Errorf("got %v", err)
		}
	})
}

// AWS's published function refuses names over 10 characters on MySQL, whose limit is 32.
func TestLongNames(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		limit := map[string]int{mariaDB.name: 80, mysql56.name: 16, mysql9.name: 32}[s.name]
		longest := (s.Name() + strings.Repeat("x", 80))[:limit-len("_clone")]
		s.dropLater(t, longest)
		s.createUser(longest, dbtest.Password())
		password := dbtest.Password()
		s.rotate(t, longest, password, false)
		if !s.accepts(longest+"_clone", password) {
			t.Error("the clone cannot log in")
		}
		if s.name == mariaDB.name {
			return // which knows longer ones than AWS documents
		}
		tooLong := longest[:len(longest)-1] + "yz"
		s.dropLater(t, tooLong)
		s.createUser(tooLong, dbtest.Password())
		_, err := s.open(t, s.super).EnsureClone(t.Context(), engine.CloneRequest{Original: tooLong, Clone: tooLong + "_clone", Password: password, Mark: mark})
		if !fault.Is(err, fault.DatabaseError) || !strings.Contains(err.Error(), "longer than the server allows") {
			t.Errorf("got %v", err)
		}
	})
}

// A whole rotation by both strategies makes no refused login.
func TestRotationsRefuseNoLogin(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		user, old := s.user(t)
		logins := s.counters(t)
		accepted, refused := logins(t)
		fresh, clone := dbtest.Password(), dbtest.Password()
		set := s.open(t, s.Document(user, old))
		if err := set.SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatal(err)
		}
		if err := s.open(t, s.Document(user, fresh)).Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		request := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: clone, Mark: mark}
		if _, err := s.open(t, s.super).EnsureClone(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if err := s.open(t, s.Document(user+"_clone", clone)).Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, r := logins(t)
		if a-accepted != 4 || r != refused {
			t.Errorf("%d logins accepted and %d refused, want 4 and 0", a-accepted, r-refused)
		}
	})
}

// Rights on columns outlive the table and the columns, and nobody can grant them then:
// they are left out, and told, until there are such columns again.
func TestRightsOnColumnsThatAreGone(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.schema(t, "gone")
		s.Exec("CREATE TABLE gone.u (a INT, b INT)")
		user, old := s.user(t)
		s.Exec("GRANT SELECT (a), UPDATE (a) ON gone.t TO "+at(user), "GRANT SELECT (a, b) ON gone.u TO "+at(user), "GRANT DELETE ON gone.t TO "+at(user),
			"DROP TABLE gone.t", "ALTER TABLE gone.u DROP COLUMN b")
		r := engine.CloneRequest{Original: user, Clone: user + "_clone", Password: dbtest.Password(), Mark: mark}
		told, err := s.open(t, s.super).(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &r})
		if err != nil || len(told.Notes) != 3 {
			t.Errorf("preflight: %q, %v", told.Notes, err)
		}
		result := s.rotate(t, user, r.Password, false)
		for name, password := range map[string]redact.String{user: old, r.Clone: r.Password} {
			own, err := s.open(t, s.Document(name, password)).Privileges(t.Context(), name)
			if err != nil || !slices.Equal(own, result.Privileges) {
				t.Errorf("%q sees %q, %v, and the superuser %q", name, own, err, result.Privileges)
			}
		}
		if _, _, err := s.As(r.Clone, r.Password, "SELECT a FROM gone.u"); err != nil {
			t.Error(err)
		}
		s.Exec("CREATE TABLE gone.t (a INT)", "ALTER TABLE gone.u ADD COLUMN b INT")
		s.rotate(t, user, redact.String{}, true)
		for _, statement := range []string{"SELECT a FROM gone.t", "SELECT b FROM gone.u"} {
			if _, _, err := s.As(r.Clone, r.Password, statement); err != nil {
				t.Error(err)
			}
		}
	})
}

// Where there is no place for a mark, a password that every account of the changed user
// has proves whose the pair is; one that is another's, or that one account lacks, does not.
func TestProofByHash(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for name, tc := range map[string]struct {
			of    string // whose password is known: "clone" or "original"
			spoil func(original, clone string)
			code  fault.Code
		}{
			"the clone's":                {of: "clone"},
			"the original's":             {of: "original"},
			"of neither":                 {of: "stranger", code: fault.AccountNotOurs},
			"not of all of the clone":    {"clone", func(_, clone string) { s.another(clone) }, fault.AccountNotOurs},
			"not of all of the original": {"original", func(original, _ string) { s.another(original) }, fault.AccountNotOurs},
			"of a locked clone":          {"clone", func(_, clone string) { s.lock(clone) }, fault.AccountDisabled},
			"of a locked original":       {"original", func(original, _ string) { s.lock(original) }, fault.AccountDisabled},
		} {
			if tc.code == fault.AccountDisabled && s.name == mysql56.name {
				continue // which locks no accounts
			}
			if s.newer() {
				tc.code = fault.AccountNotOurs // it has a mark, or the secret's it is not
			}
			t.Run(name, func(t *testing.T) {
				original, first := s.user(t)
				clone, second, next := original+"_clone", dbtest.Password(), dbtest.Password()
				s.createUser(clone, second)
				if tc.spoil != nil {
					tc.spoil(original, clone)
				}
				users := map[string]string{"clone": clone, "original": original, "stranger": "stranger"}
				request := engine.CloneRequest{
					Original: original, Clone: clone, Mark: mark,
					Known: engine.Known{User: users[tc.of], Passwords: []redact.String{dbtest.Password(), map[string]redact.String{"original": first}[tc.of]}},
				}
				if tc.of != "original" {
					request.Password, request.Known.Passwords = next, []redact.String{second}
				}
				s.Exec("GRANT CREATE VIEW ON *.* TO " + at(original))
				before := s.grants(clone, "%")
				admin := s.open(t, s.super)
				if got := admin.(engine.HashProver).ProvesByHash(); got == s.newer() {
					t.Errorf("ProvesByHash is %t", got)
				}
				_, err := admin.EnsureClone(t.Context(), request)
				if fault.CodeOf(err) != tc.code {
					t.Fatalf("got %v, want %q", err, tc.code)
				}
				if after := s.grants(clone, "%"); (after == before) != (tc.code != "") {
					t.Errorf("%v, and the clone has\n%s", err, after)
				}
				// The session goes on: its turn has been given back.
				if tc.code == "" && tc.of == "original" {
					if err := admin.SetPassword(t.Context(), original, next); err != nil {
						t.Fatal(err)
					}
					s.open(t, s.Document(original, next)).Close()
				}
			})
		}
	})
}

// another makes a second account of a user, with another password.
func (s *server) another(user string) {
	s.Quietly("CREATE USER " + dbtest.MySQLText(user) + "@'10.%' IDENTIFIED BY " + dbtest.MySQLText(dbtest.Password().Reveal()))
}

func (s *server) lock(user string) { s.Exec("ALTER USER " + at(user) + " ACCOUNT LOCK") }
