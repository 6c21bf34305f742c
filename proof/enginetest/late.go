package enginetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Lock is something that makes a change of an account wait.
type Lock struct {
	Name string
	// Hold takes the lock. The release must not fail when it has been called.
	Hold func(t testing.TB, user string) (release func())

	// Unordered is set when those who wait for it go on together, in any order, so
	// that only [engine.LateBound] makes certain which change is the last.
	Unordered bool
}

// A statement whose client has gone is still at work in the server. What it may
// do later is what these cases are about; see [engine.LateBound].
func (s *suite) lateCases() []testCase {
	locks := unless(len(s.Locks) > 0, "nothing makes a change of an account wait")
	return []testCase{
		{"late statement/the server gives it up", locks, func(t *testing.T) { s.eachLock(t, s.givenUp) }},
		{"late statement/the next one wins", locks, func(t *testing.T) { s.eachLock(t, s.overtaken) }},
	}
}

func (s *suite) eachLock(t *testing.T, test func(*testing.T, Lock)) {
	for _, lock := range s.Locks {
		t.Run(lock.Name, func(t *testing.T) { test(t, lock) })
	}
}

// change is a change of a password under way.
type change struct {
	what       string
	user       string
	old, fresh redact.String
	cut        func() // ends the connection
	err        chan error
}

// begin begins to change the password.
func (c *change) begin(t *testing.T, session engine.Session) *change {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		defer cancel()
		c.err <- session.SetPassword(ctx, c.user, c.fresh)
	}()
	return c
}

// givenUp: a statement that waits for a lock ends within [engine.LateBound] by the
// server's own doing, whatever became of its client. What it had not changed by
// then it never will.
func (s *suite) givenUp(t *testing.T, lock Lock) {
	var changes []*change
	var begin []func()
	add := func(what string, bySuper bool, cut func(*proxy)) {
		user, old := s.user(t)
		as := s.Fixture.Document(user, old)
		if bySuper {
			as = s.super
		}
		p := newProxy(t, s.super)
		session := s.connect(t, p.document(as))
		c := &change{what: what, user: user, old: old, fresh: s.password(""), err: make(chan error, 1), cut: func() { cut(p) }}
		changes = append(changes, c)
		begin = append(begin, func() { c.begin(t, session) })
	}
	add("own, client dead", false, func(p *proxy) { p.hangUp(false) })
	add("by superuser, cut off", true, func(p *proxy) { p.hangUp(true) })
	add("own", false, func(*proxy) {})
	release := lock.Hold(t, changes[0].user)
	defer release()
	began := time.Now()
	for _, b := range begin {
		b()
	}
	s.waiting(t, len(changes))
	for _, c := range changes {
		c.cut()
	}
	certain := s.givenUpInTime(t, changes, began)
	changed := map[*change]bool{}
	for _, c := range changes {
		changed[c] = s.Fixture.Login(t, c.user, c.fresh)
		if changed[c] && certain[c] {
			t.Errorf("%s: said to have changed nothing, and the new password is accepted", c.what)
		}
	}
	release()
	time.Sleep(300 * time.Millisecond)
	for _, c := range changes {
		if changed[c] {
			s.accepts(t, c.user, c.fresh, c.old)
		} else {
			s.accepts(t, c.user, c.old, c.fresh)
		}
	}
}

// givenUpInTime waits until the server is at work on none of them any more, and says
// which are certain to have changed nothing.
func (s *suite) givenUpInTime(t *testing.T, changes []*change, began time.Time) (certain map[*change]bool) {
	certain = map[*change]bool{}
	for _, c := range changes {
		err := <-c.err
		s.want(t, err, fault.OutcomeUnknown, fault.DatabaseUnavailable)
		if took := time.Since(began); took > engine.LateBound {
			t.Errorf("%s: the answer came after %v", c.what, took)
		}
		certain[c] = !fault.Is(err, fault.OutcomeUnknown)
		t.Logf("%s: %v", c.what, err)
	}
	for s.Waiting(t) > 0 && time.Since(began) < engine.LateBound {
		time.Sleep(20 * time.Millisecond)
	}
	if n := s.Waiting(t); n > 0 {
		t.Errorf("after %v the server is still at work on %d statements", engine.LateBound, n)
	}
	t.Logf("the server had given up after %v", time.Since(began).Round(time.Millisecond))
	return certain
}

// waiting waits until so many statements have come to a stop. The server gives the
// first of them up after engine.LockTimeout.
func (s *suite) waiting(t *testing.T, n int) {
	t.Helper()
	if !s.haveStopped(t, n) {
		t.Fatalf("the server is at work on %d statements, want %d: the lock holds nothing up", s.Waiting(t), n)
	}
}

func (s *suite) haveStopped(t *testing.T, n int) bool {
	t.Helper()
	deadline := time.Now().Add(engine.LockTimeout)
	for steady := 0; steady < 10; {
		steady++
		if s.Waiting(t) < n {
			steady = 0
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// overtaken: a change that is asked for after one that was cut off has the last
// word, although both wait for the same lock.
func (s *suite) overtaken(t *testing.T, lock Lock) {
	if lock.Unordered {
		t.Log("the server lets all go on at once that wait for this lock")
		return
	}
	const tries = 5 // on a busy machine the first is given up before the second has come
	for round := range 2 {
		won := false
		for try := 0; try < tries && !won; try++ {
			won = s.overtakes(t, lock, round)
		}
		if !won {
			t.Errorf("round %d: in %d tries the two never waited for the lock at once", round, tries)
		}
	}
}

// overtakes lets one change wait for the lock, cuts it off, and has another wait behind
// it. It is false when the server has given the first up before the second had come.
func (s *suite) overtakes(t *testing.T, lock Lock, round int) bool {
	user, old := s.user(t)
	own := s.Fixture.Document(user, old)
	p := newProxy(t, s.super)
	late := &change{user: user, fresh: s.password(""), err: make(chan error, 1)}
	session, as := s.connect(t, p.document(own)), own
	if round == 1 {
		as = s.super
	}
	next := s.connect(t, as)
	release := lock.Hold(t, user)
	defer release()
	late.begin(t, session)
	if !s.haveStopped(t, 1) {
		return false
	}
	p.hangUp(round == 1)
	<-late.err
	last := (&change{user: user, fresh: s.password(""), err: make(chan error, 1)}).begin(t, next)
	if !s.haveStopped(t, 2) {
		release()
		<-last.err
		return false
	}
	release()
	err := <-last.err
	// Where a change makes those that waited beside it fail, the next one is tried
	// again, as a rotation would.
	for tries := 0; fault.CodeOf(err).Retryable() && tries < 5; tries++ {
		err = next.SetPassword(t.Context(), user, last.fresh)
	}
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("round %d", round)
	if !s.Fixture.Login(t, user, last.fresh) {
		t.Errorf("%s: the last change is not the last", at)
	}
	for deadline := time.Now().Add(engine.LateBound); s.Waiting(t) > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if !s.Fixture.Login(t, user, last.fresh) || s.Fixture.Login(t, user, late.fresh) {
		t.Errorf("%s: the late statement has won", at)
	}
	return true
}
