package postgres_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// What cannot be made level is refused with what to do about it, and nothing is
// changed, not even the password.
func TestCloneRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup func(w *twins)
		code  fault.Code
		words []string // ORIGINAL, CLONE and MASTER stand for names
	}{
		"expired":     {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " VALID UNTIL '2020-01-01'") }, fault.AccountDisabled, []string{"2020-01-01", "VALID UNTIL another time"}},
		"no login":    {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " NOLOGIN") }, fault.AccountDisabled, []string{`ALTER ROLE "ORIGINAL" LOGIN`}},
		"superuser":   {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SUPERUSER") }, fault.PrivilegeMissing, []string{"SUPERUSER", "42501"}},
		"replication": {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " REPLICATION") }, fault.PrivilegeMissing, []string{"REPLICATION", "42501"}},
		"bypass RLS":  {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " BYPASSRLS") }, fault.PrivilegeMissing, []string{"BYPASSRLS", "42501"}},
		"setting":     {func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SET log_statement = 'none'") }, fault.PrivilegeMissing, []string{`GRANT SET ON PARAMETER "log_statement" TO "MASTER"`}},
		"the other way": {func(w *twins) {
			w.Exec("CREATE ROLE " + w.clone + " LOGIN; COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "'; GRANT " + w.clone + " TO " + w.original +
				"; GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN OPTION")
		}, fault.DatabaseError, []string{"member of its clone"}},
	} {
		for _, version := range []string{"15", ""} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				w := newTwins(t, nil, dbtest.Version(version))
				w.master()
				tc.setup(w)
				before := w.everything()
				_, err := w.try(w.request())
				words := make([]string, 0, len(tc.words))
				for _, word := range tc.words {
					words = append(words, strings.NewReplacer("ORIGINAL", w.original, "CLONE", w.clone, "MASTER", w.admin.Username).Replace(word))
				}
				expect(t, err, tc.code, w.admin, words...)
				if diff := cmp.Diff(before, w.everything()); diff != "" {
					t.Errorf("something was changed:\n%s", diff)
				}
				if strings.Contains(err.Error(), clonePW) {
					t.Error("the error shows the password")
				}
			})
		}
	}
}

// From PostgreSQL 16 on the hint names every GRANT that is missing.
func TestCloneWithoutAdminOption(t *testing.T) {
	t.Parallel()
	w := newTwins(t, []string{"extra_" + unique(t)})
	extra := "extra_" + unique(t)
	w.master()
	w.Exec("REVOKE " + w.original + " FROM " + w.admin.Username)
	_, err := w.try(w.request())
	expect(t, err, fault.PrivilegeMissing, w.admin, `ADMIN OPTION on "`+w.original+`"`, `GRANT "`+w.original+`" TO "`+w.admin.Username+`" WITH ADMIN OPTION`)
	w.Exec("CREATE ROLE " + w.clone + " LOGIN; GRANT " + w.original + ", " + extra + " TO " + w.clone + "; COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "'")
	_, err = w.try(w.request())
	expect(t, err, fault.PrivilegeMissing, w.admin, `GRANT "`+w.clone+`" TO "`+w.admin.Username+`" WITH ADMIN OPTION`, `GRANT "`+extra+`" TO "`+w.admin.Username+`" WITH ADMIN OPTION`)
	w.Exec("GRANT " + w.original + ", " + w.clone + ", " + extra + " TO " + w.admin.Username + " WITH ADMIN OPTION; REVOKE " + extra + " FROM " + w.clone)
	if _, err = w.try(w.request()); err != nil {
		t.Errorf("after the GRANTs of the hint: %v", err)
	}
}

// An original that is all-powerful, or acts as somebody else.
func TestCloneOfSpecialRoles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup   func(w *twins, group string)
		changes []string
		acts    string // empty: the original; G: the group
	}{
		"superuser": {func(w *twins, _ string) {
			w.Exec("ALTER ROLE " + w.original + " SUPERUSER REPLICATION BYPASSRLS CREATEROLE")
		}, []string{"SUPERUSER", "CREATEROLE", "REPLICATION", "BYPASSRLS"}, ""},
		"acts as a group": {func(w *twins, g string) {
			w.Exec("GRANT " + g + " TO " + w.original + "; ALTER ROLE " + w.original + " SET role = " + g)
		}, nil, "G"},
		"acts as a group in the database": {func(w *twins, g string) {
			w.Exec("GRANT " + g + " TO " + w.original + "; ALTER ROLE " + w.original + " IN DATABASE " + w.Name + " SET role = " + g)
		}, []string{"in database"}, "G"},
		"all act as a group in the database": {func(w *twins, g string) {
			w.Exec("GRANT " + g + " TO " + w.original + "; ALTER DATABASE " + w.Name + " SET role = " + g)
			w.admin = w.SuperuserDocument(func(keys map[string]any) { keys["dbname"] = w.Server.AdminDatabase }) // here it acts as the group, too
			w.t.Cleanup(func() {
				conn, err := w.Server.Admin(context.Background())
				if err != nil {
					w.t.Fatal(err)
				}
				defer conn.Close(context.Background())
				if _, err := conn.Exec(context.Background(), "ALTER DATABASE "+w.Name+" RESET role").ReadAll(); err != nil {
					w.t.Error(err)
				}
			})
		}, []string{"in database"}, "G"},
		"NOINHERIT": {func(w *twins, g string) {
			w.Exec("ALTER ROLE " + w.original + " NOINHERIT; GRANT " + g + " TO " + w.original)
		}, nil, ""},
	} {
		for _, version := range []string{"15", ""} {
			t.Run(name+" "+version, func(t *testing.T) {
				group := "group_" + strings.ReplaceAll(unique(t), " ", "_")
				if len(group) > 60 {
					group = group[len(group)-60:]
				}
				// Settings of a database concern every role of the server.
				w := newTwins(t, []string{group}, dbtest.Version(version), dbtest.Unshared("TestCloneOfSpecialRoles"))
				tc.setup(w, group)
				changes := []string{"created role " + q(w.clone)}
				setRole := "SET role"
				for _, c := range tc.changes {
					if c == "in database" {
						setRole = "SET role, SET role in database " + q(w.Name)
						continue
					}
					changes = append(changes, c)
				}
				changes = append(changes, "granted "+q(w.original)+" WITH INHERIT, SET")
				w.ensure(append(changes, strings.Split(setRole, ", ")...)...)
				w.ensure()
				want := w.original
				if tc.acts == "G" {
					want = group
				}
				for user, password := range map[string]string{w.original: w.Password.Reveal(), w.clone: clonePW} {
					if got := w.run(user, password, "SELECT current_user")[0][0]; got != want {
						t.Errorf("%s acts as %s, want %s", user, got, want)
					}
				}
			})
		}
	}
}

// Names with everything that a name can have, and of the greatest length.
func TestCloneNames(t *testing.T) {
	t.Parallel()
	w := newTwins(t, nil)
	for _, name := range []string{`a "quoted" 'name' \ with %s; -- and $1`, "Größe 中文 😀", strings.Repeat("é", 28) + "x", "UPPER", "a.b", "with,comma={}", "none_"} {
		original, clone := name, name+"_clone"
		w.dropLater(clone, original)
		w.Exec("CREATE ROLE " + q(original) + " LOGIN PASSWORD 'old'; GRANT CREATE ON SCHEMA public TO " + q(original))
		r := engine.CloneRequest{Original: original, Clone: clone, Password: redact.New(clonePW), Mark: secretARN}
		for i := range 2 {
			result, err := w.try(r)
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			if i == 1 && len(result.Changes) > 0 {
				t.Errorf("%q: a second call reports %q", name, result.Changes)
			}
		}
		if got := w.run(clone, clonePW, "CREATE TABLE made (n int); SELECT tableowner FROM pg_tables WHERE tablename = 'made'")[0][0]; got != original {
			t.Errorf("what the clone creates is owned by %q, want %q", got, original)
		}
		w.Exec("DROP TABLE made")
	}
	_, err := w.try(engine.CloneRequest{Original: strings.Repeat("x", 58), Clone: strings.Repeat("x", 58) + "_clone", Mark: secretARN})
	if fault.CodeOf(err) != fault.InvalidSecret {
		t.Errorf("64 bytes: got %v, want InvalidSecret", err)
	}
}

// Two rotations at the same moment: one of them may have to try again.
func TestClonesAtTheSameMoment(t *testing.T) {
	t.Parallel()
	w := newTwins(t, nil)
	r := w.request()
	for round := range 8 {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				s, err := postgres.Engine{}.Connect(t.Context(), w.admin)
				if err == nil {
					_, err = s.EnsureClone(t.Context(), r)
					s.Close()
				}
				errs[i] = err
			})
		}
		wg.Wait()
		if !slices.Contains(errs, nil) {
			t.Errorf("round %d: none succeeded: %v", round, errs)
		}
		for _, err := range errs {
			if err != nil && !fault.CodeOf(err).Retryable() {
				t.Errorf("round %d: %v", round, err)
			}
		}
		w.Exec("ALTER ROLE " + w.clone + " RESET ALL; ALTER ROLE " + w.clone + " CONNECTION LIMIT 5")
	}
	w.ensure("CONNECTION LIMIT -1", "SET role")
}

// One round trip to find that there is nothing to do, one more to do it.
func TestCloneRoundTrips(t *testing.T) {
	t.Parallel()
	w := newTwins(t, nil)
	p := (&enginetest.Proxy{}).Start(t, w.Host, w.Port)
	doc := w.admin.At(w.Host, p.Port)
	s := open(t, doc)
	r := w.request()
	for _, want := range []int64{2, 2, 1} { // made, its password changed, nothing to do
		before := p.Rounds.Load()
		if _, err := s.EnsureClone(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := p.Rounds.Load() - before; got != want {
			t.Errorf("%d round trips, want %d", got, want)
		}
		if want == 2 && p.Rounds.Load() > 6 {
			r.Password = redact.String{}
		}
	}
}

// Rights on objects, where the clone owns for itself.
func TestSeparateOwnership(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"15", ""} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newTwins(t, nil, dbtest.Version(version))
			w.engine.SeparateOwnership = true
			o, c, db := q(w.original), q(w.clone), "DATABASE "+q(w.Name)
			w.Exec("CREATE TABLE seen (n int, note text); CREATE SEQUENCE seq; CREATE TYPE mood AS ENUM ('ok'); CREATE SCHEMA shop; CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';" +
				"GRANT CREATE ON SCHEMA public TO " + o)
			first := w.ensure("created role "+c, "granted CONNECT ON "+db, "granted CREATE ON "+db, "granted TEMPORARY ON "+db, `granted CREATE ON SCHEMA "public"`)
			w.Exec("GRANT SELECT ON seen TO " + o + " WITH GRANT OPTION; GRANT UPDATE (note) ON seen TO " + o + "; GRANT USAGE ON SEQUENCE seq TO " + o + "; GRANT USAGE ON SCHEMA shop TO " + o +
				"; GRANT EXECUTE ON FUNCTION f TO " + o + "; ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO " + o + "; GRANT INSERT ON seen TO " + c)
			w.ensure(`granted EXECUTE ON FUNCTION "public"."f"(a integer)`, `granted USAGE ON SCHEMA "shop"`, `granted USAGE ON SEQUENCE "public"."seq"`, `granted SELECT ON TABLE "public"."seen"`,
				`granted UPDATE ("note") ON TABLE "public"."seen"`, `granted SELECT ON future TABLES of "postgres" in schema "shop"`, `revoked INSERT ON TABLE "public"."seen"`)
			w.run(w.clone, clonePW, "SELECT * FROM seen; UPDATE seen SET note = ''; SELECT nextval('seq'); SELECT f(1)")
			w.Exec("CREATE TABLE shop.later (n int)")
			w.run(w.clone, clonePW, "SELECT * FROM shop.later")
			// What the clone makes is its own, and the original can use it.
			w.run(w.clone, clonePW, "CREATE TABLE made (n int)")
			if result, err := w.try(w.request()); err != nil || len(result.Changes) == 0 {
				t.Errorf("changes %q, %v", result.Changes, err)
			}
			w.run(w.original, w.Password.Reveal(), "INSERT INTO made VALUES (1)")
			w.run(w.clone, clonePW, "DROP TABLE made")
			w.Exec("REVOKE ALL ON seen FROM " + o + "; REVOKE UPDATE (note) ON seen FROM " + o + "; REVOKE ALL ON SEQUENCE seq FROM " + o + "; REVOKE ALL ON SCHEMA shop FROM " + o +
				"; REVOKE ALL ON FUNCTION f FROM " + o + "; ALTER DEFAULT PRIVILEGES IN SCHEMA shop REVOKE SELECT ON TABLES FROM " + o)
			w.Exec("DROP TABLE shop.later")
			if _, err := w.try(w.request()); err != nil {
				t.Fatal(err)
			}
			if last := w.ensure(); !cmp.Equal(last.Privileges, first.Privileges) {
				t.Errorf("after all was undone: %q, want %q", last.Privileges, first.Privileges)
			}
		})
	}
}
