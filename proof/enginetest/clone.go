package enginetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

func (s *suite) cloneCases() []testCase {
	clones := unless(len(s.Rights) >= 2, "the engine has no clones")
	marks := clones + unless(s.Marks || clones != "", "a clone bears no mark")
	unmarked := clones + unless(!s.Marks || clones != "", "a clone bears a mark")
	all := clones + unless(s.GrantAll != nil || clones != "", "there is nothing like all rights")
	return []testCase{
		{"clone/created", clones, s.cloneCreated},
		{"clone/of a user without any right", clones, s.cloneOfNothing},
		{"clone/of an all-powerful user", all, s.cloneOfEverything},
		{"clone/nothing to do", clones, s.cloneIdempotent},
		{"clone/new password", clones, s.clonePassword},
		{"clone/follows GRANT and REVOKE", clones, s.cloneFollows},
		{"clone/loses what only it has", clones, s.cloneLoses},
		{"clone/is not adopted when unproven", clones, s.cloneUnproven},
		{"clone/is adopted when proven", clones, s.cloneProven},
		{"clone/is known by its mark", marks, s.cloneMarked},
		{"clone/is not adopted with another's mark", marks, s.cloneForeignMark},
		{"clone/is not known without a mark", unmarked, s.cloneForgotten},
		{"clone/of a user that does not exist", clones, s.cloneOfNobody},
		{"clone/without privilege", clones, s.cloneUnprivileged},
		{"clone/connection lost", clones, s.cloneLost},
		{"privileges/an account may list its own", clones, s.ownPrivileges},
	}
}

const mark = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:enginetest-Ab12Cd"

// request asks for the clone of a user, which nothing proves yet.
func request(user string, password redact.String) engine.CloneRequest {
	return engine.CloneRequest{Original: user, Clone: clone(user), Password: password, Mark: mark}
}

// ensure makes or levels a clone and checks that it is level.
func (s *suite) ensure(t testing.TB, r engine.CloneRequest) engine.CloneResult {
	t.Helper()
	session := s.connect(t, s.super)
	result, err := session.EnsureClone(t.Context(), r)
	s.check(t, err)
	if err != nil {
		t.Fatalf("EnsureClone: %v", err)
	}
	s.level(t, session, r, result)
	return result
}

func (s *suite) level(t testing.TB, session engine.Session, r engine.CloneRequest, result engine.CloneResult) {
	t.Helper()
	original, err := session.Privileges(t.Context(), r.Original)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := session.Privileges(t.Context(), r.Clone)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "original and clone", original, copied)
	equal(t, "original and result", original, result.Privileges)
	for _, line := range append(slices.Clone(result.Changes), result.Privileges...) {
		if s.leaks(line) {
			t.Error("changes or privileges show a password")
		}
	}
}

// does expects that the user can make use of exactly these rights.
func (s *suite) does(t testing.TB, user string, password redact.String, rights ...int) {
	t.Helper()
	for i, right := range s.Rights {
		if got, want := right.Works(t, user, password), slices.Contains(rights, i); got != want {
			t.Errorf("%s: %q can: %v, want %v", right.Name, user, got, want)
		}
	}
}

func (s *suite) cloneCreated(t *testing.T) {
	user, old := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	result := s.ensure(t, request(user, password))
	if !result.Created {
		t.Error("Created is not set")
	}
	s.accepts(t, clone(user), password, old)
	s.accepts(t, user, old, password)
	s.does(t, clone(user), password, 0)
	s.connect(t, s.Fixture.Document(clone(user), password))
}

func (s *suite) cloneOfNothing(t *testing.T) {
	user, _ := s.user(t)
	password := s.password("")
	s.ensure(t, request(user, password))
	s.does(t, clone(user), password)
}

func (s *suite) cloneOfEverything(t *testing.T) {
	user, _ := s.user(t)
	s.GrantAll(t, user)
	password := s.password("")
	r := request(user, password)
	s.ensure(t, r)
	s.does(t, clone(user), password, all(s.Rights)...)
	r.Password, r.Proven = redact.String{}, true
	if again := s.ensure(t, r); len(again.Changes) > 0 {
		t.Errorf("a second call changes %q", again.Changes)
	}
}

func all(rights []Right) []int {
	var out []int
	for i := range rights {
		out = append(out, i)
	}
	return out
}

func (s *suite) cloneIdempotent(t *testing.T) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	r := request(user, password)
	s.ensure(t, r)
	r.Proven, r.Password = true, redact.String{}
	again := s.ensure(t, r)
	if again.Created || len(again.Changes) > 0 {
		t.Errorf("a second call: created %v, changes %q", again.Created, again.Changes)
	}
	s.accepts(t, clone(user), password, s.password(""))
}

func (s *suite) clonePassword(t *testing.T) {
	user, untouched := s.user(t)
	old, fresh := s.password(""), s.password("")
	r := request(user, old)
	s.ensure(t, r)
	r.Proven, r.Password = true, fresh
	if s.ensure(t, r).Created {
		t.Error("Created is set")
	}
	s.accepts(t, clone(user), fresh, old)
	s.accepts(t, user, untouched, fresh)
}

func (s *suite) cloneFollows(t *testing.T) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	r := request(user, password)
	s.ensure(t, r)
	r.Proven, r.Password = true, redact.String{}
	for _, step := range []struct {
		change func(testing.TB, string)
		want   []int
	}{
		{s.Rights[1].Grant, []int{0, 1}},
		{s.Rights[0].Revoke, []int{1}},
		{s.Rights[0].Grant, []int{0, 1}},
		{s.Rights[1].Revoke, []int{0}},
		{s.Rights[0].Revoke, nil},
	} {
		step.change(t, user)
		if result := s.ensure(t, r); len(result.Changes) == 0 {
			t.Error("something changed, and Changes is empty")
		}
		s.does(t, clone(user), password, step.want...)
	}
}

func (s *suite) cloneLoses(t *testing.T) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	r := request(user, password)
	s.ensure(t, r)
	s.Rights[1].Grant(t, clone(user))
	r.Proven, r.Password = true, redact.String{}
	s.ensure(t, r)
	s.does(t, clone(user), password, 0)
}

func (s *suite) cloneUnproven(t *testing.T) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	theirs, ours := s.password(""), s.password("")
	s.Fixture.CreateUser(t, clone(user), theirs)
	s.Rights[1].Grant(t, clone(user))
	for _, password := range []redact.String{ours, {}} {
		_, err := s.connect(t, s.super).EnsureClone(t.Context(), request(user, password))
		s.want(t, err, fault.AccountNotOurs)
	}
	s.accepts(t, clone(user), theirs, ours)
	s.does(t, clone(user), theirs, 1)
}

func (s *suite) cloneProven(t *testing.T) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	theirs, ours := s.password(""), s.password("")
	s.Fixture.CreateUser(t, clone(user), theirs)
	s.Rights[1].Grant(t, clone(user))
	r := request(user, ours)
	r.Proven = true
	if s.ensure(t, r).Created {
		t.Error("Created is set")
	}
	s.accepts(t, clone(user), ours, theirs)
	s.does(t, clone(user), ours, 0)
}

func (s *suite) cloneMarked(t *testing.T) {
	user, _ := s.user(t)
	s.ensure(t, request(user, s.password("")))
	fresh := s.password("")
	s.ensure(t, request(user, fresh))
	s.accepts(t, clone(user), fresh, s.password(""))
}

func (s *suite) cloneForeignMark(t *testing.T) {
	user, _ := s.user(t)
	theirs := s.password("")
	s.ensure(t, request(user, theirs))
	r := request(user, s.password(""))
	r.Mark = mark + "2"
	_, err := s.connect(t, s.super).EnsureClone(t.Context(), r)
	s.want(t, err, fault.AccountNotOurs)
	s.accepts(t, clone(user), theirs, r.Password)
}

// cloneForgotten: with no mark the same request must not take the clone over
// with a second password.
func (s *suite) cloneForgotten(t *testing.T) {
	user, _ := s.user(t)
	theirs := s.password("")
	s.ensure(t, request(user, theirs))
	r := request(user, s.password(""))
	_, err := s.connect(t, s.super).EnsureClone(t.Context(), r)
	s.want(t, err, fault.AccountNotOurs)
	s.accepts(t, clone(user), theirs, r.Password)
}

func (s *suite) cloneOfNobody(t *testing.T) {
	user, password := s.name(t), s.password("")
	_, err := s.connect(t, s.super).EnsureClone(t.Context(), request(user, password))
	s.want(t, err, fault.DatabaseError)
	if s.Fixture.Login(t, clone(user), password) {
		t.Error("a clone of nobody may log in")
	}
}

func (s *suite) cloneUnprivileged(t *testing.T) {
	user, old := s.user(t)
	password := s.password("")
	session := s.connect(t, s.Fixture.Document(user, old))
	_, err := session.EnsureClone(t.Context(), request(user, password))
	s.want(t, err, fault.PrivilegeMissing)
	if s.Fixture.Login(t, clone(user), password) {
		t.Error("a user without privileges made a clone")
	}
}

// cloneLost cuts the connection at each message in turn. The next call, of a
// caller that can prove no more than before, makes it good.
func (s *suite) cloneLost(t *testing.T) {
	for _, how := range []loss{loseRequest, loseAnswer} {
		for n := 0; ; n++ {
			cut := s.cloneCut(t, n, how)
			if !cut {
				t.Logf("%v: a first EnsureClone sends %d messages", how, n)
				break
			}
			if n > 200 {
				t.Fatal("more than 200 messages for one clone")
			}
		}
	}
}

func (s *suite) cloneCut(t *testing.T, n int, how loss) (cut bool) {
	user, _ := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	r := request(user, password)
	p := newProxy(t, s.super)
	session := s.connect(t, p.document(s.super))
	p.cutAfter(n, how)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := session.EnsureClone(ctx, r)
	cut = p.wasCut() // before Close, whose farewell may be cut, too
	session.Close()
	s.check(t, err)
	if err != nil && !fault.Is(err, fault.OutcomeUnknown, fault.DatabaseUnavailable) {
		t.Errorf("%v after %d messages: %v", how, n, err)
	}
	if err == nil && cut && !s.Fixture.Login(t, clone(user), password) {
		t.Errorf("%v after %d messages: claims success", how, n)
	}
	again, err := s.connect(t, s.super).EnsureClone(t.Context(), r)
	// The server may still be at work on what was cut off; the state machine
	// tries again after such an answer, too.
	for tries := 0; fault.CodeOf(err).Retryable() && tries < 10; tries++ {
		time.Sleep(200 * time.Millisecond)
		again, err = s.connect(t, s.super).EnsureClone(t.Context(), r)
	}
	s.check(t, err)
	if err != nil {
		t.Errorf("%v after %d messages: the next call says %v", how, n, err)
		return cut
	}
	s.level(t, s.connect(t, s.super), r, again)
	s.accepts(t, clone(user), password, s.password(""))
	s.does(t, clone(user), password, 0)
	return cut
}

func (s *suite) ownPrivileges(t *testing.T) {
	user, old := s.user(t)
	s.Rights[0].Grant(t, user)
	password := s.password("")
	result := s.ensure(t, request(user, password))
	for name, p := range map[string]redact.String{user: old, clone(user): password} {
		own, err := s.connect(t, s.Fixture.Document(name, p)).Privileges(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "an account's own list and the superuser's", own, result.Privileges)
	}
}
