package enginetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Scene is an account, or a server around it, as people have them and tests do not. A
// rotation has to get along with it, or to say before anything is changed that it
// does not.
type Scene struct {
	Name string // in the server's words, such as "mandatory_roles"

	// Set makes the scene around a user. What it changes of the server it undoes when
	// the test ends.
	Set func(t testing.TB, user string)

	// Encrypted says that the account takes logins over TLS only, which the fixture's
	// are not.
	Encrypted bool

	// Code is what the superuser's work ends with; its work on a clone only if
	// CloneOnly is set. Empty: nothing is in its way.
	Code      fault.Code
	CloneOnly bool
}

// sceneCases rotates a user of each scene in all ways, and compares what the clone and
// its original may do by the server's own catalogue, which the engine has no part in.
func (s *suite) sceneCases() []testCase {
	var cases []testCase
	for _, scene := range s.Scenes {
		cases = append(cases, testCase{"scene/" + scene.Name, "", func(t *testing.T) { s.scene(t, scene) }})
	}
	return cases
}

func (s *suite) scene(t *testing.T, scene Scene) {
	user, old := s.user(t)
	s.Rights[0].Grant(t, user)
	scene.Set(t, user)

	// By itself.
	own := s.connect(t, s.Fixture.Document(user, old))
	s.foretold(t, own, engine.InspectRequest{SetPassword: user}, "")
	fresh := s.scenePassword()
	if err := own.SetPassword(t.Context(), user, fresh); err != nil {
		t.Fatalf("own: %v", err)
	}
	s.loginsWork(t, scene, user, fresh)

	// By the superuser.
	super := s.connect(t, s.super)
	reset := s.scenePassword()
	code := scene.Code
	if scene.CloneOnly {
		code = ""
	}
	s.foretold(t, super, engine.InspectRequest{SetPassword: user}, code)
	err := super.SetPassword(t.Context(), user, reset)
	if code != "" {
		s.want(t, err, code)
		reset = fresh
	} else if err != nil {
		t.Fatalf("by superuser: %v", err)
	}
	s.loginsWork(t, scene, user, reset)

	// The clone, made, and levelled again.
	r := request(user, s.scenePassword())
	s.foretold(t, super, engine.InspectRequest{Clone: &r}, scene.Code)
	if scene.Code != "" {
		_, err := super.EnsureClone(t.Context(), r)
		s.want(t, err, scene.Code)
		return
	}
	for range 2 {
		s.ensure(t, r)
		s.loginsWork(t, scene, clone(user), r.Password)
		s.sameByCatalogue(t, user, reset, r.Password)
		r.Password, r.Proven = s.scenePassword(), true
	}
	// What the original loses the clone loses, in the scene too.
	s.Rights[0].Revoke(t, user)
	r.Password = s.scenePassword()
	s.ensure(t, r)
	s.sameByCatalogue(t, user, reset, r.Password)
}

// scenePassword satisfies policies.
func (s *suite) scenePassword() redact.String { return s.password("-Aa1!") }

func (s *suite) loginsWork(t *testing.T, scene Scene, user string, password redact.String) {
	t.Helper()
	if !scene.Encrypted && !s.Fixture.Login(t, user, password) {
		t.Errorf("%q is refused its password", user)
	}
	session, err := s.Engine.Connect(t.Context(), s.Fixture.Document(user, password))
	if err != nil {
		t.Errorf("the engine cannot log in as %q: %v", user, err)
		return
	}
	if err := session.Probe(t.Context()); err != nil {
		t.Errorf("a query as %q: %v", user, err)
	}
	session.Close()
}

// foretold expects preflight to know how it ends, where there is a preflight.
func (s *suite) foretold(t *testing.T, session engine.Session, r engine.InspectRequest, code fault.Code) {
	t.Helper()
	inspector, ok := session.(engine.Inspector)
	if !ok {
		return
	}
	if _, err := inspector.CanRotate(t.Context(), r); fault.CodeOf(err) != code {
		t.Errorf("preflight of %+v says %v, and it ends with %q", r, err, code)
	}
}

func (s *suite) sameByCatalogue(t *testing.T, user string, password, clonePassword redact.String) {
	t.Helper()
	original, copied := s.Catalogue(t, user, password), s.Catalogue(t, clone(user), clonePassword)
	if len(original) == 0 {
		t.Error("the catalogue says nothing")
	}
	for _, line := range original {
		if !slices.Contains(copied, line) {
			t.Errorf("by the catalogue the clone lacks: %s", line)
		}
	}
	for _, line := range copied {
		if !slices.Contains(original, line) {
			t.Errorf("by the catalogue the clone has too much: %s", line)
		}
	}
	if s.leaks(strings.Join(original, "\n")) {
		t.Error("the catalogue shows a password: it is no list of rights")
	}
}
