package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// inspect asks in a session of its own, and fails if anything has changed.
func (w *twins) inspect(doc secretdoc.Document, r engine.InspectRequest) (engine.Inspection, error) {
	w.t.Helper()
	before := w.everything()
	s, err := w.engine.Connect(w.t.Context(), doc)
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	found, err := s.(engine.Inspector).CanRotate(w.t.Context(), r)
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		w.t.Errorf("something was changed:\n%s", diff)
	}
	if err != nil && strings.Contains(err.Error(), clonePW) {
		w.t.Error("the error shows the password")
	}
	return found, err
}

// CanRotate foretells what EnsureClone does, and with which error it is refused.
func TestForetellsClone(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]func(w *twins){
		"plain":       func(*twins) {},
		"limits":      func(w *twins) { w.Exec("ALTER ROLE " + w.original + " CONNECTION LIMIT 7 VALID UNTIL '2090-01-01'") },
		"own setting": func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SET search_path = x") },
		"createdb":    func(w *twins) { w.Exec("ALTER ROLE " + w.original + " CREATEDB") },
		"createrole":  func(w *twins) { w.Exec("ALTER ROLE " + w.original + " CREATEROLE") },
		"superuser":   func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SUPERUSER") },
		"replication": func(w *twins) { w.Exec("ALTER ROLE " + w.original + " REPLICATION") },
		"bypass RLS":  func(w *twins) { w.Exec("ALTER ROLE " + w.original + " BYPASSRLS") },
		"its own bypass RLS": func(w *twins) {
			w.Exec("ALTER ROLE " + w.original + " BYPASSRLS; ALTER ROLE " + w.admin.Username + " BYPASSRLS")
		},
		"no CREATEDB of its own": func(w *twins) {
			w.Exec("ALTER ROLE " + w.original + " CREATEDB; ALTER ROLE " + w.admin.Username + " NOCREATEDB")
		},
		"expired":       func(w *twins) { w.Exec("ALTER ROLE " + w.original + " VALID UNTIL '2020-01-01'") },
		"no CREATEROLE": func(w *twins) { w.Exec("ALTER ROLE " + w.admin.Username + " NOCREATEROLE") },
		"no ADMIN OPTION": func(w *twins) {
			w.Exec("REVOKE " + w.original + " FROM " + w.admin.Username)
		},
		"somebody else's": func(w *twins) { w.Exec("CREATE ROLE " + w.clone + " LOGIN") },
		"gone":            func(w *twins) { w.original += "x"; w.clone += "x" },
		"the other way": func(w *twins) {
			w.Exec("CREATE ROLE " + w.clone + " LOGIN; COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "'; GRANT " + w.clone + " TO " + w.original +
				"; GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN OPTION")
		},
	} {
		for _, version := range []string{"15", ""} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				w := newTwins(t, nil, dbtest.Version(version))
				w.master()
				setup(w)
				request := w.request()
				found, foretold := w.inspect(w.admin, engine.InspectRequest{Clone: &request})
				result, err := w.try(request)
				if fault.CodeOf(foretold) != fault.CodeOf(err) {
					t.Fatalf("foretold %v, got %v", foretold, err)
				}
				if diff := cmp.Diff(result.Changes, found.Changes); err == nil && diff != "" {
					t.Errorf("changes: %s", diff)
				}
			})
		}
	}
}

// Policies that ask for session_user hide rows from a clone that acts as its original:
// preflight says so, and it is true.
func TestForetellsHiddenRows(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, _ []string) {
		request := w.request()
		notes := func() string {
			found, err := w.inspect(w.admin, engine.InspectRequest{Clone: &request})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(found.Notes, ". ")
		}
		w.Exec("CREATE TABLE lines (owner text); INSERT INTO lines VALUES (" + lit(w.original) + "); GRANT SELECT ON lines TO " + q(w.original) +
			"; ALTER TABLE lines ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON lines USING (owner = current_user)")
		if got := notes(); strings.Contains(got, "session_user") {
			t.Errorf("warns of current_user: %s", got)
		}
		w.Exec("ALTER POLICY mine ON lines USING (owner = session_user)")
		for _, database := range []string{w.Name, w.Server.AdminDatabase} {
			w.admin.DBName = database
			if got := notes(); !strings.Contains(got, "public.lines") || !strings.Contains(got, "current_user") {
				t.Errorf("does not warn: %q", got)
			}
		}
		if _, err := w.try(request); err != nil {
			t.Fatal(err)
		}
		if rows := w.run(w.clone, clonePW, "SELECT * FROM lines"); len(rows) != 0 {
			t.Errorf("the clone sees %q", rows)
		}
	})
}

// CanRotate foretells SetPassword.
func TestForetellsSetPassword(t *testing.T) {
	t.Parallel()
	own := func(w *twins) secretdoc.Document { return w.Document(nil) }
	master := func(w *twins) secretdoc.Document { return w.admin }
	for name, tc := range map[string]struct {
		as    func(*twins) secretdoc.Document
		setup func(w *twins)
	}{
		"own":                {own, func(*twins) {}},
		"own, read-only":     {own, func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SET default_transaction_read_only = on") }},
		"another's":          {master, func(*twins) {}},
		"without CREATEROLE": {master, func(w *twins) { w.Exec("ALTER ROLE " + w.admin.Username + " NOCREATEROLE") }},
		"without ADMIN":      {master, func(w *twins) { w.Exec("REVOKE " + w.original + " FROM " + w.admin.Username) }},
		"a superuser's":      {master, func(w *twins) { w.Exec("ALTER ROLE " + w.original + " SUPERUSER") }},
		"nobody's":           {master, func(w *twins) { w.original += "x" }},
	} {
		for _, version := range []string{"15", ""} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				w := newTwins(t, nil, dbtest.Version(version))
				w.master()
				as := tc.as(w)
				tc.setup(w)
				_, foretold := w.inspect(as, engine.InspectRequest{SetPassword: w.original})
				err := open(t, as).SetPassword(t.Context(), w.original, redact.New(clonePW))
				if fault.CodeOf(foretold) != fault.CodeOf(err) {
					t.Errorf("foretold %v, got %v", foretold, err)
				}
			})
		}
	}
}

// What RDS adds is not on other servers, so that the setting and the role that it
// goes by are made.
func TestForetellsRestrictedPasswords(t *testing.T) {
	t.Parallel()
	w := newTwins(t, nil, dbtest.Unshared("rds_password"))
	w.Exec("ALTER ROLE " + w.original + " SET rds.restrict_password_commands = 'on'")
	own := engine.InspectRequest{SetPassword: w.original}
	_, err := w.inspect(w.Document(nil), own)
	expect(t, err, fault.PrivilegeMissing, w.Document(nil), "rds.restrict_password_commands", `GRANT "rds_password" TO`)
	t.Cleanup(func() { w.Exec("DROP ROLE rds_password") })
	w.Exec("CREATE ROLE rds_password; GRANT rds_password TO " + w.original)
	if _, err := w.inspect(w.Document(nil), own); err != nil {
		t.Error(err)
	}
}
