package enginetest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

func (s *suite) passwordCases() []testCase {
	return []testCase{
		{"password/own", "", s.ownPassword},
		{"password/own, again and again", "", s.ownAgain},
		{"password/by superuser", "", s.superuserPassword},
		{"password/the old one before the new one is used", "", s.oldBeforeNew},
		{"password/every printable ASCII character", "", s.everyCharacter},
		{"password/odd names and passwords", "", s.oddNames},
		{"password/of another user without privilege", "", s.noPrivilege},
		{"password/of a user that does not exist", "", s.noSuchUser},
		{"password/empty", "", s.emptyPassword},
		{"password/connection lost", "", s.passwordLost},
	}
}

func (s *suite) ownPassword(t *testing.T) {
	user, old := s.user(t)
	session := s.connect(t, s.Fixture.Document(user, old))
	fresh := s.password("")
	if err := session.SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	s.accepts(t, user, fresh, old)
	if err := session.Probe(t.Context()); err != nil {
		t.Errorf("the session does not outlive its password: %v", err)
	}
	s.connect(t, s.Fixture.Document(user, fresh))
	s.refuses(t, s.Engine, s.Fixture.Document(user, old), fault.LoginRefused)
}

// ownAgain: a session may change the password twice, and to what it is.
func (s *suite) ownAgain(t *testing.T) {
	user, old := s.user(t)
	session := s.connect(t, s.Fixture.Document(user, old))
	first, second := s.password(""), s.password("")
	for _, p := range []redact.String{first, first, second} {
		if err := session.SetPassword(t.Context(), user, p); err != nil {
			t.Fatal(err)
		}
	}
	s.accepts(t, user, second, first)
}

func (s *suite) superuserPassword(t *testing.T) {
	user, old := s.user(t)
	bystander, untouched := s.user(t)
	session := s.connect(t, s.super)
	fresh := s.password("")
	if err := session.SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatal(err)
	}
	s.accepts(t, user, fresh, old)
	s.accepts(t, bystander, untouched, fresh)
}

// oldBeforeNew: a server that keeps what it needs to check a password quickly
// (MySQL's caching_sha2_password) forgets it when the password is changed, and not
// only when somebody logs in with the new one.
func (s *suite) oldBeforeNew(t *testing.T) {
	for how, change := range map[string]func(t *testing.T, user string, old, fresh redact.String) error{
		"own": func(t *testing.T, user string, old, fresh redact.String) error {
			return s.connect(t, s.Fixture.Document(user, old)).SetPassword(t.Context(), user, fresh)
		},
		"by superuser": func(t *testing.T, user string, _, fresh redact.String) error {
			return s.connect(t, s.super).SetPassword(t.Context(), user, fresh)
		},
		"by superuser, over another's": func(t *testing.T, user string, old, fresh redact.String) error {
			other := s.connect(t, s.Fixture.Document(user, old)) // stays
			if err := other.Probe(t.Context()); err != nil {
				return err
			}
			return s.connect(t, s.super).SetPassword(t.Context(), user, fresh)
		},
	} {
		user, old := s.user(t)
		for range 2 { // the second may be the quick one
			if !s.Fixture.Login(t, user, old) {
				t.Fatal("the user cannot log in")
			}
		}
		fresh := s.password("")
		if err := change(t, user, old, fresh); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		for range 2 {
			if s.Fixture.Login(t, user, old) {
				t.Errorf("%s: the old password is accepted until the new one is used", how)
			}
		}
		s.accepts(t, user, fresh, old)
	}
}

func (s *suite) everyCharacter(t *testing.T) {
	var all strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		all.WriteByte(c)
	}
	user, old := s.user(t)
	super := s.connect(t, s.super)
	for _, ending := range []string{
		all.String(), "'", `"`, "`", `\`, `\\`, `''`, `\'`, "%", "%s%d%n", "$", "$$", "$1", ";", "--", "/*", "?", ":x", "{}", " ", "&<>", "~",
	} {
		fresh := s.password(ending)
		session := s.connect(t, s.Fixture.Document(user, old))
		if err := session.SetPassword(t.Context(), user, fresh); err != nil {
			t.Fatalf("a password with %q: %v", ending, err)
		}
		session.Close()
		s.accepts(t, user, fresh, old)
		bySuper := s.password(ending)
		if err := super.SetPassword(t.Context(), user, bySuper); err != nil {
			t.Fatalf("a password with %q, by the superuser: %v", ending, err)
		}
		s.accepts(t, user, bySuper, fresh)
		old = bySuper
	}
}

// oddRunes are characters that quoting, formatting and patterns trip over.
var oddRunes = []rune("abzAZ09_ '\"`\\%$@:;,.-+*/?!#&|<>()[]{}=~^éßøЖ中あ")

func (s *suite) oddNames(t *testing.T) {
	names := rapid.StringOfN(rapid.RuneFrom(oddRunes), 1, 12, -1).Filter(func(name string) bool {
		return strings.TrimSpace(name) == name && (s.UserName == nil || s.UserName(name))
	})
	endings := rapid.StringOfN(rapid.RuneFrom(nil, printable), 0, 24, -1)
	super := s.connect(t, s.super)
	rapid.Check(t, func(r *rapid.T) {
		user := "e" + names.Draw(r, "user")
		old, fresh, bySuper := s.password(""), s.password(endings.Draw(r, "ending")), s.password("")
		s.Fixture.DropUser(t, user)
		s.Fixture.CreateUser(t, user, old)
		defer s.Fixture.DropUser(t, user)
		session, err := s.Engine.Connect(t.Context(), s.Fixture.Document(user, old))
		if err != nil {
			r.Fatalf("logging in as %q: %v", user, err)
		}
		defer session.Close()
		if err := session.SetPassword(t.Context(), user, fresh); err != nil {
			r.Fatalf("%q: %v", user, err)
		}
		if !s.Fixture.Login(t, user, fresh) || s.Fixture.Login(t, user, old) {
			r.Fatalf("%q: the password was not changed", user)
		}
		if err := super.SetPassword(t.Context(), user, bySuper); err != nil {
			r.Fatalf("%q, by the superuser: %v", user, err)
		}
		if !s.Fixture.Login(t, user, bySuper) || s.Fixture.Login(t, user, fresh) {
			r.Fatalf("%q: the superuser did not change the password", user)
		}
	})
}

func (s *suite) noPrivilege(t *testing.T) {
	user, password := s.user(t)
	other, untouched := s.user(t)
	session := s.connect(t, s.Fixture.Document(user, password))
	fresh := s.password("")
	s.want(t, session.SetPassword(t.Context(), other, fresh), fault.PrivilegeMissing)
	s.accepts(t, other, untouched, fresh)
}

func (s *suite) noSuchUser(t *testing.T) {
	session := s.connect(t, s.super)
	s.want(t, session.SetPassword(t.Context(), s.name(t), s.password("")), fault.DatabaseError)
}

func (s *suite) emptyPassword(t *testing.T) {
	user, password := s.user(t)
	session := s.connect(t, s.Fixture.Document(user, password))
	s.want(t, session.SetPassword(t.Context(), user, redact.New("")), fault.PasswordRejected)
	s.accepts(t, user, password, redact.New("x"))
}

// passwordLost cuts the connection at each message in turn. Whatever is lost,
// the session must not claim more than it knows.
func (s *suite) passwordLost(t *testing.T) {
	for _, how := range []loss{loseRequest, loseAnswer} {
		for n := 0; ; n++ {
			user, old := s.user(t)
			fresh := s.password("")
			p := newProxy(t, s.super)
			session := s.connect(t, p.document(s.Fixture.Document(user, old)))
			p.cutAfter(n, how)
			err := session.SetPassword(t.Context(), user, fresh)
			cut := p.wasCut() // before Close, whose farewell may be cut, too
			session.Close()
			s.check(t, err)
			isNew, isOld := s.Fixture.Login(t, user, fresh), s.Fixture.Login(t, user, old)
			switch {
			case isNew == isOld:
				t.Errorf("%v after %d messages: old password accepted: %v, new: %v", how, n, isOld, isNew)
			case err == nil && !isNew:
				t.Errorf("%v after %d messages: claims to have changed the password", how, n)
			case err != nil && isNew && !fault.Is(err, fault.OutcomeUnknown):
				t.Errorf("%v after %d messages: the password was changed, and the error is %v", how, n, err)
			case err != nil && !fault.Is(err, fault.OutcomeUnknown, fault.DatabaseUnavailable):
				t.Errorf("%v after %d messages: %v", how, n, err)
			}
			if err == nil && !cut {
				break // every message has had its turn
			}
			if n > 100 {
				t.Fatal("more than 100 messages for one password")
			}
		}
	}
}
