package oracle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// The fake keeps two passwords as Oracle's documentation has it (Security Guide, "Gradual
// Database Password Rollover for Applications"; SQL*Plus guide, "PASSWORD"): the one before
// the first change in the period, and the newest; the period is counted from the first.

// rolling is a database with a user whose profile keeps the password before for a day.
func rolling(t testing.TB, privileges ...string) (*fakeDB, *fakeUser) {
	f := newFake(t)
	app := f.add("APP", "c4nary-Pa55word-0")
	app.days = "1"
	for _, p := range privileges {
		app.system = append(app.system, systemGrant{p, false})
	}
	f.add("MASTER", "master-Pa55word").system = []systemGrant{{"ALTER USER", false}, {"CREATE USER", false}}
	return f, app
}

func nth(n int) string { return fmt.Sprintf("c4nary-Pa55word-%d", n) }

// rotate is what SetSecret does with a user's n-th password.
func rotate(t testing.TB, s *session, n int, keep bool) error {
	_, err := s.ChangePassword(t.Context(), engine.PasswordChange{User: "APP", Password: redact.New(nth(n)), KeepPrevious: keep})
	return err
}

// foretold is what preflight says to it.
func foretold(t testing.TB, s *session, keep bool) (string, error) {
	found, err := s.CanRotate(t.Context(), engine.InspectRequest{SetPassword: "APP", KeepPrevious: keep})
	return strings.Join(found.Notes, "\n"), err
}

// accepted lists which of the passwords log in.
func acceptedOf(u *fakeUser) (list []int) {
	for n := range 9 {
		if u.accepts(nth(n)) {
			list = append(list, n)
		}
	}
	return list
}

// With keepPrevious the password before is accepted at each moment, and none but the two,
// however many rotations come in one period.
func TestRolloverKeepsPrevious(t *testing.T) {
	f, app := rolling(t, "ALTER USER")
	for n := 1; n <= 4; n++ {
		if note, err := foretold(t, f.session("APP"), true); err != nil || !strings.Contains(note, "1 days") {
			t.Errorf("rotation %d: preflight said %q, %v", n, note, err)
		}
		if err := rotate(t, f.session("APP"), n, true); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(acceptedOf(app)), fmt.Sprint([]int{n - 1, n}); got != want {
			t.Errorf("after rotation %d the server accepts %s, want %s", n, got, want)
		}
	}
	if f.logins != 0 {
		t.Errorf("%d logins were tried, which may count as failed ones", f.logins)
	}
}

// An attempt whose answer was lost comes again, with a session that AWSCURRENT has let in:
// to end the period then would refuse it.
func TestRolloverSetTwice(t *testing.T) {
	for name, verified := range map[string]bool{"as it is": false, "with a verification function": true} {
		f, app := rolling(t, "ALTER USER")
		app.replace = verified
		if err := rotate(t, f.session("APP"), 1, true); err != nil {
			t.Fatal(err)
		}
		s := f.session("APP")
		s.password = redact.New(nth(0))
		if err := rotate(t, s, 1, true); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(acceptedOf(app)); got != "[0 1]" {
			t.Errorf("%s: the server accepts %s", name, got)
		}
	}
	// A server that takes no password twice: only a login tells.
	f, app := rolling(t, "ALTER USER")
	if err := rotate(t, f.session("APP"), 1, true); err != nil {
		t.Fatal(err)
	}
	f.fail(`REPLACE "c4nary-Pa55word-1"`, refusal{28007})
	if err := rotate(t, f.session("APP"), 1, true); err != nil || fmt.Sprint(acceptedOf(app)) != "[0 1]" || f.logins != 1 {
		t.Errorf("%v, the server accepts %v, %d logins", err, acceptedOf(app), f.logins)
	}
}

// Most users may not end a period. A further change in it would refuse AWSCURRENT's
// password at once, so that with keepPrevious there is none.
func TestRolloverThatCannotBeEnded(t *testing.T) {
	f, app := rolling(t)
	if err := rotate(t, f.session("APP"), 1, true); err != nil {
		t.Fatal(err)
	}
	_, told := foretold(t, f.session("APP"), true)
	expect(t, told, fault.PrivilegeMissing, "PASSWORD_ROLLOVER_TIME", "ALTER USER")
	expect(t, rotate(t, f.session("APP"), 2, true), fault.PrivilegeMissing, "PASSWORD_ROLLOVER_TIME", "Nothing was changed")
	if got := fmt.Sprint(acceptedOf(app)); got != "[0 1]" {
		t.Errorf("the server accepts %s", got)
	}
	app.first = "" // a day later
	if err := rotate(t, f.session("APP"), 2, true); err != nil || fmt.Sprint(acceptedOf(app)) != "[1 2]" {
		t.Errorf("%v, the server accepts %v", err, acceptedOf(app))
	}
	// Without keepPrevious it is told and done.
	if note, err := foretold(t, f.session("APP"), false); err != nil || !strings.Contains(note, "refuses AWSCURRENT's as soon as") {
		t.Errorf("preflight said %q, %v", note, err)
	}
	if err := rotate(t, f.session("APP"), 3, false); err != nil || fmt.Sprint(acceptedOf(app)) != "[1 3]" {
		t.Errorf("%v, the server accepts %v", err, acceptedOf(app))
	}
}

// Without keepPrevious only the new password is accepted, as far as the session may see to
// that, and preflight tells how it will be.
func TestRolloverWithoutKeepPrevious(t *testing.T) {
	for name, tc := range map[string]struct {
		privileges []string
		who        string
		accepted   string
		note       string
	}{
		"a user":                     {nil, "APP", "[0 1]", "accepts the password before for 1 days"},
		"a user that may change all": {[]string{"ALTER USER"}, "APP", "[1]", "ends that period at once"},
		"the superuser":              {nil, "MASTER", "[1]", "ends that period at once"},
	} {
		t.Run(name, func(t *testing.T) {
			f, app := rolling(t, tc.privileges...)
			if note, err := foretold(t, f.session(tc.who), false); err != nil || !strings.Contains(note, tc.note) {
				t.Errorf("preflight said %q, %v", note, err)
			}
			if err := f.session(tc.who).SetPassword(t.Context(), "APP", redact.New(nth(1))); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(acceptedOf(app)); got != tc.accepted {
				t.Errorf("the server accepts %s, want %s", got, tc.accepted)
			}
		})
	}
	// A clone is changed by the superuser, too.
	f, _, s := withApp(t)
	f.users["MASTER"].system = []systemGrant{{"ALTER USER", false}}
	clone := f.add("APP_CLONE", nth(0))
	clone.days = "1"
	if _, err := s.EnsureClone(t.Context(), request(true)); err != nil || clone.accepts(nth(0)) || !clone.accepts(next) {
		t.Errorf("%v, the clone accepts %v", err, acceptedOf(clone))
	}
}

// What a server says that keeps one password, or that shows nothing.
func TestRolloverRefused(t *testing.T) {
	for name, days := range map[string]string{"before 19.12": "", "a profile without": "0"} {
		f, app := rolling(t)
		app.days = days
		_, told := foretold(t, f.session("APP"), true)
		expect(t, told, fault.InvalidRequest, "PASSWORD_ROLLOVER_TIME", "19.12")
		expect(t, rotate(t, f.session("APP"), 1, true), fault.InvalidRequest, "keepPrevious")
		if note, err := foretold(t, f.session("APP"), false); note != "" || err != nil || f.take() != "" {
			t.Errorf("%s: preflight said %q, %v", name, note, err)
		}
	}
	f, app := rolling(t)
	f.fail("dba_profiles", refusal{942}) // a superuser without the dictionary still resets
	if err := f.session("MASTER").SetPassword(t.Context(), "APP", redact.New(nth(1))); err != nil || app.password != nth(1) {
		t.Error(err)
	}
	f, _ = rolling(t, "ALTER USER")
	f.fail("EXPIRE PASSWORD ROLLOVER", errors.New("lost"))
	expect(t, rotate(t, f.session("APP"), 1, false), fault.OutcomeUnknown)
	f, _ = rolling(t, "ALTER USER")
	f.fail("EXPIRE PASSWORD ROLLOVER", refusal{54})
	expect(t, rotate(t, f.session("APP"), 1, false), fault.OutcomeUnknown)
}

// An account that is locked is left alone by the superuser.
func TestLockedAccountIsLeftAlone(t *testing.T) {
	f, app := rolling(t)
	app.status = "LOCKED(TIMED)"
	s := f.session("MASTER")
	_, told := foretold(t, s, false)
	expect(t, told, fault.AccountDisabled, "LOCKED(TIMED)", "UNLOCK")
	expect(t, s.SetPassword(t.Context(), "APP", redact.New(next)), fault.AccountDisabled, "UNLOCK")
	if f.take() != "" || app.password == next {
		t.Error("the password was changed")
	}
}

// CanRotate asks by the same code: what it foretells EnsureClone does, and nothing is sent.
func TestCanRotate(t *testing.T) {
	ask := func(s *session, r engine.InspectRequest) (engine.Inspection, error) {
		return s.CanRotate(t.Context(), r)
	}
	f, _, s := withApp(t)
	r := request(false)
	_, err := ask(s, engine.InspectRequest{Clone: &r})
	expect(t, err, fault.PrivilegeMissing, `"MASTER"`, "ALTER USER", "CREATE USER")
	_, err = ask(s, engine.InspectRequest{SetPassword: "APP"})
	expect(t, err, fault.PrivilegeMissing, "ALTER USER")
	_, err = ask(f.session("APP"), engine.InspectRequest{SetPassword: "APP"})
	if err != nil {
		t.Error(err)
	}
	_, err = ask(s, engine.InspectRequest{SetPassword: "NOBODY"})
	expect(t, err, fault.DatabaseError, `"NOBODY"`)
	f.users["MASTER"].system = []systemGrant{{"ALTER USER", false}, {"CREATE USER", false}}
	for _, what := range []string{"new", "drifted", "level"} {
		if what == "drifted" {
			clone := f.users["APP_CLONE"]
			clone.status, clone.profile = "LOCKED", "DEFAULT"
			clone.roles, clone.system, clone.quotas, clone.allDefault = clone.roles[:1], nil, nil, true
		}
		told, err := ask(s, engine.InspectRequest{Clone: &r})
		if err != nil {
			t.Fatal(err)
		}
		if text := f.take(); text != "" {
			t.Errorf("%s: %s was sent", what, text)
		}
		done, err := s.EnsureClone(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(told.Changes, "\n"), strings.Join(done.Changes, "\n"); got != want {
			t.Errorf("%s: preflight told\n%s\nand the rotation did\n%s", what, got, want)
		}
		f.take()
		r.Proven = true
	}
	// Whose a young clone is a login tells, which would count as a failed one: not here.
	f.users["APP_CLONE"].young, r.Proven = true, false
	s.prove = func(context.Context, identifier, redact.String) (bool, error) {
		t.Error("a login was tried")
		return false, nil
	}
	_, err = ask(s, engine.InspectRequest{Clone: &r})
	expect(t, err, fault.AccountNotOurs)
	f.owned["APP"] = true
	delete(f.users, "APP_CLONE")
	_, err = ask(s, engine.InspectRequest{Clone: &r})
	expect(t, err, fault.DatabaseError, "owns")
}
