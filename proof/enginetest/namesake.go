package enginetest

import (
	"slices"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// One user name may be several accounts. Applications log in to whichever the server
// chooses for their address, and so all of them have to be rotated.
func (s *suite) namesakeCases() []testCase {
	several := unless(s.Namesake != nil, "a name is one account")
	clones := several + unless(len(s.Rights) >= 2 || several != "", "the engine has no clones")
	return []testCase{
		{"several accounts/by superuser", several, s.namesakes},
		{"several accounts/one with another's password", several, s.namesakeOfOthers},
		{"several accounts/what the user itself does is told", several, s.namesakeAlone},
		{"several accounts/clone", clones, s.namesakesCloned},
	}
}

// namesakes: the accounts that have the password get the new one, over and over, also
// those that an attempt before has left behind.
func (s *suite) namesakes(t *testing.T) {
	user, old := s.user(t)
	drop := s.Namesake(t, user, old)
	defer drop()
	super := s.connect(t, s.super)
	fresh := s.password("")
	own := s.connect(t, s.Fixture.Document(user, old))
	if err := own.SetPassword(t.Context(), user, fresh); err != nil { // an attempt that got no further
		t.Fatal(err)
	}
	own = s.connect(t, s.Fixture.Document(user, fresh))
	for range 2 {
		n, err := super.(engine.PasswordChanger).ChangePassword(t.Context(), engine.PasswordChange{
			User: user, Password: fresh, OwnSession: own, Known: []redact.String{old},
		})
		if err != nil || n != 2 {
			t.Fatalf("changed %d accounts: %v", n, err)
		}
		s.accepts(t, user, fresh, old)
	}
	drop()
	s.accepts(t, user, fresh, old)
}

func (s *suite) namesakeOfOthers(t *testing.T) {
	user, theirs := s.user(t)
	old, fresh := s.password(""), s.password("")
	drop := s.Namesake(t, user, old)
	defer drop()
	request := engine.PasswordChange{User: user, Password: fresh, OwnSession: s.connect(t, s.Fixture.Document(user, old))}
	super := s.connect(t, s.super)
	told, err := super.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: user, OwnSession: request.OwnSession})
	if err != nil || len(told.Notes) == 0 {
		t.Errorf("preflight does not tell of the account that is left alone: %q, %v", told.Notes, err)
	}
	if n, err := super.(engine.PasswordChanger).ChangePassword(t.Context(), request); err != nil || n != 1 {
		t.Fatalf("changed %d accounts: %v", n, err)
	}
	s.accepts(t, user, fresh, old)
	drop()
	s.accepts(t, user, theirs, fresh)
}

// namesakeAlone: a user without privileges changes the account that it has logged in
// to, and does not see the others.
func (s *suite) namesakeAlone(t *testing.T) {
	user, old := s.user(t)
	drop := s.Namesake(t, user, old)
	defer drop()
	own := s.connect(t, s.Fixture.Document(user, old))
	told, err := own.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: user})
	if err != nil || len(told.Notes) == 0 {
		t.Errorf("preflight does not tell that there may be other accounts: %q, %v", told.Notes, err)
	}
	fresh := s.password("")
	if err := own.SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	s.accepts(t, user, fresh, old)
}

// namesakesCloned: the clone is as many accounts, and each finds its own rights in the
// result.
func (s *suite) namesakesCloned(t *testing.T) {
	user, old := s.user(t)
	dropOriginal := s.Namesake(t, user, old)
	defer dropOriginal()
	s.Rights[0].Grant(t, user)
	password := s.password("")
	result := s.ensure(t, request(user, password))
	found := func(user string, password redact.String) {
		t.Helper()
		own, err := s.connect(t, s.Fixture.Document(user, password)).Privileges(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(result.Accounts, func(a []string) bool { return slices.Equal(a, own) }) {
			t.Errorf("%q may %q, and the accounts are %q", user, own, result.Accounts)
		}
	}
	s.accepts(t, clone(user), password, old)
	found(clone(user), password)
	found(user, old)
	fresh := s.password("")
	if err := s.connect(t, s.super).SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	s.accepts(t, user, fresh, old)
	dropOriginal()
	s.accepts(t, user, fresh, old)
	found(user, fresh)
	result = s.ensure(t, engine.CloneRequest{Original: user, Clone: clone(user), Mark: mark, Proven: true})
	if len(result.Accounts) > 1 || len(result.Changes) == 0 {
		t.Errorf("one of the clone's accounts is too many: %q, %q", result.Accounts, result.Changes)
	}
	s.accepts(t, clone(user), password, old)
	s.does(t, clone(user), password, 0)
}
