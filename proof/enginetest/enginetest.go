// Package enginetest is the suite that every engine has to pass, on a real
// server wherever one can be had.
//
// An engine's own tests call [Run] once per server:
//
//	func TestSuite(t *testing.T) {
//		enginetest.Run(t, enginetest.Target{Name: "MariaDB " + version, Engine: mysql.Engine{Roots: roots}, Fixture: fixture, ...})
//	}
//
// What the engine or the server cannot do is named, with the reason, in
// [Target].NotApplicable; everything else is run. The last line of the output
// says how many cases ran.
//
// Every password that the suite makes up holds a unique word. No error and, if
// the target has one, no log of the server may show it.
package enginetest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Target is an engine and a server to try it on.
type Target struct {
	Name    string        // product and version, for people. Required.
	Engine  engine.Engine // trusts the server's certificate if it has one. Required.
	Fixture Fixture       // Required.

	// Rights are some rights that the server knows, at least two: they are
	// granted, revoked and exercised. Nil when the engine has no clones.
	Rights []Right

	// GrantAll gives a user everything that the superuser can give. Optional.
	GrantAll func(t testing.TB, user string)

	// Marks is set when a clone bears a mark, so that it is known again
	// without the caller's word for it.
	Marks bool

	// Barred are the ways of the server to keep a user out whatever its password
	// is, or to take a password only for setting another one. Nil when it has
	// none.
	Barred []Barred

	// Tenancy makes users that turn the database they own against the superuser.
	// Nil when the server has nothing of that kind.
	Tenancy *Tenancy

	// Locks make changes of accounts wait, each kind that the server knows, and
	// Waiting returns how many of the suite's changes the server is at work on.
	// Optional.
	Locks   []Lock
	Waiting func(t testing.TB) int

	// Namesake makes a second account of a user's name, which the server chooses for
	// the suite's logins until drop is called. Nil when a name is one account.
	Namesake func(t testing.TB, user string, password redact.String) (drop func())

	// Scenes are accounts as people have them, and Catalogue lists what an account
	// may do by the server's own catalogue, without the account's name. Nil when there
	// is none.
	Scenes    []Scene
	Catalogue func(t testing.TB, user string, password redact.String) []string

	// TLS describes the server's TLS. Nil when it has none.
	TLS *TLS

	// NoTLS is a secret of a user on a server without TLS. Optional.
	NoTLS *secretdoc.Document

	// Log returns what the server has logged since the suite began: every
	// statement, successful or not. Nil when the server has no such log.
	Log func(t testing.TB) string

	// Logins returns how many logins the server has accepted and refused so
	// far. Nil when it does not count.
	Logins func(t testing.TB) (accepted, refused int)

	// UserName reports whether the server allows the name. Optional: by default
	// every name is tried.
	UserName func(name string) bool

	// NotApplicable names cases that cannot be run, with the reason.
	NotApplicable map[string]string
}

// Fixture manages users behind the engine's back.
type Fixture interface {
	// Superuser returns the secret of a user that may change and clone others,
	// with no more privileges than the master user that AWS gives.
	Superuser() secretdoc.Document

	// Document returns a secret of the user, without the key ssl.
	Document(user string, password redact.String) secretdoc.Document

	// CreateUser creates a user that may log in, and nothing else. The
	// statement must not show in the target's Log.
	CreateUser(t testing.TB, user string, password redact.String)

	// DropUser drops a user if there is one.
	DropUser(t testing.TB, user string)

	// Login reports whether the server accepts the password, by other means
	// than the engine's.
	Login(t testing.TB, user string, password redact.String) bool
}

// Right is something that a user can be allowed to do.
type Right struct {
	Name   string
	Grant  func(t testing.TB, user string)
	Revoke func(t testing.TB, user string)
	// Works reports whether the user, logged in, can do it.
	Works func(t testing.TB, user string, password redact.String) bool
}

// Barred is a way to keep a user out that has the right password.
type Barred struct {
	Name string     // what the server calls it, such as "ACCOUNT LOCK"
	Code fault.Code // AccountDisabled or PasswordExpired
	Bar  func(t testing.TB, user string)
}

// TLS describes a server that has TLS.
type TLS struct {
	// Distrusting is the engine with other authorities than the server's.
	Distrusting engine.Engine
	// WrongHost is a name by which the server is reached and for which its
	// certificate is not.
	WrongHost string
}

// suite is one run.
type suite struct {
	Target
	super secretdoc.Document

	mu       sync.Mutex
	canaries []string
}

// Run runs the whole suite on the target.
func Run(t *testing.T, target Target) {
	s := &suite{Target: target, super: target.Fixture.Superuser()}
	var ran, failed int
	var names []string
	for _, group := range s.groups() {
		for _, c := range group {
			names = append(names, c.name)
			if reason := s.notApplicable(c); reason != "" {
				continue
			}
			ran++
			if !t.Run(c.name, c.run) {
				failed++
			}
		}
	}
	for name, reason := range s.NotApplicable {
		if !slices.Contains(names, name) {
			t.Errorf("NotApplicable names %q (%s), and there is no such case: the cases are %q", name, reason, names)
		}
	}
	t.Logf("enginetest: %s: %d cases ran, %d failed, %d not applicable%s", s.Name, ran, failed, len(names)-ran, s.reasons(names))
}

// groups lists all cases, in order.
func (s *suite) groups() [][]testCase {
	return [][]testCase{
		s.connectCases(), s.passwordCases(), s.namesakeCases(), s.lateCases(), s.cloneCases(), s.sceneCases(), s.hostileCases(), s.logCases(),
	}
}

// testCase is a case with what it needs of the target.
type testCase struct {
	name  string
	needs string // why it cannot be run; "" if it can
	run   func(*testing.T)
}

func (s *suite) notApplicable(c testCase) string {
	if reason := s.NotApplicable[c.name]; reason != "" {
		return reason
	}
	return c.needs
}

func (s *suite) reasons([]string) string {
	var lines []string
	for _, group := range s.groups() {
		for _, c := range group {
			if reason := s.notApplicable(c); reason != "" {
				lines = append(lines, fmt.Sprintf("\n\t%s: %s", c.name, reason))
			}
		}
	}
	return strings.Join(lines, "")
}

// unless returns the reason unless the condition holds.
func unless(holds bool, reason string) string {
	if holds {
		return ""
	}
	return reason
}

// password makes up a password that holds a unique word, followed by more.
func (s *suite) password(more string) redact.String {
	word := "Cnry7" + rand.Text()[:14]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.canaries = append(s.canaries, word)
	return redact.New(word + more)
}

// leaks reports whether the text holds one of the passwords.
func (s *suite) leaks(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.canaries, func(word string) bool { return strings.Contains(text, word) })
}

// user makes up a user name of ten characters, which leaves room for "_clone"
// in the shortest names, and sees to it that both are dropped.
func (s *suite) name(t testing.TB) string {
	name := "et" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() {
		s.Fixture.DropUser(t, clone(name))
		s.Fixture.DropUser(t, name)
	})
	return name
}

func clone(name string) string { return name + "_clone" }

// user creates a user.
func (s *suite) user(t testing.TB) (string, redact.String) {
	t.Helper()
	name, password := s.name(t), s.password("")
	s.Fixture.CreateUser(t, name, password)
	return name, password
}

// connect logs in by the engine.
func (s *suite) connect(t testing.TB, doc secretdoc.Document) engine.Session {
	t.Helper()
	session, err := s.Engine.Connect(t.Context(), doc)
	s.check(t, err)
	if err != nil {
		t.Fatalf("logging in as %q: %v", doc.Username, err)
	}
	t.Cleanup(session.Close)
	return session
}

// refuses expects Connect to fail.
func (s *suite) refuses(t testing.TB, e engine.Engine, doc secretdoc.Document, want ...fault.Code) {
	t.Helper()
	session, err := e.Connect(t.Context(), doc)
	if err == nil {
		session.Close()
	}
	s.want(t, err, want...)
}

// want checks the code of an error, and what every error has to be.
func (s *suite) want(t testing.TB, err error, codes ...fault.Code) {
	t.Helper()
	s.check(t, err)
	if !fault.Is(err, codes...) {
		t.Errorf("got %v, want %v", err, codes)
		return
	}
	if f := fault.From(err); f.Op == "" || f.Hint == "" {
		t.Errorf("%v has no operation or no hint", err)
	}
}

// check checks what every error has to be, whatever it says.
func (s *suite) check(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if s.leaks(err.Error()) || s.leaks(fmt.Sprintf("%+v", err)) {
		t.Error("an error shows a password")
	}
	if fault.CodeOf(err) == fault.Internal {
		t.Errorf("%T: %v", err, err)
	}
}

// accepts expects that the server accepts the one password and not the other.
func (s *suite) accepts(t testing.TB, user string, good, bad redact.String) {
	t.Helper()
	if !s.Fixture.Login(t, user, good) {
		t.Errorf("the server refuses %q the password that it should have", user)
	}
	if s.Fixture.Login(t, user, bad) {
		t.Errorf("the server accepts another password of %q", user)
	}
}

// equal compares two lists of privileges.
func equal(t testing.TB, what string, a, b []string) {
	t.Helper()
	if !slices.Equal(a, b) {
		t.Errorf("%s: privileges differ:\n\t%s\n\t%s", what, strings.Join(a, "; "), strings.Join(b, "; "))
	}
}
