package tdsfake

import (
	"strings"
	"time"
)

// Hold locks what changes of accounts need, as an open transaction does, until it
// is released.
func (s *Server) Hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held == held {
			s.held = nil
			close(held)
		}
	}
}

// Waiting is how many statements wait for the lock.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

const errLockTimeout = 1222

// await waits for the lock: without an end, or as long as the session said. That
// the client has gone it does not see: a dead one does not say so.
func (s *Server) await(who *identity, r request) *sqlError {
	s.mu.Lock()
	held := s.held
	if held == nil || r.procedure || !strings.Contains(r.text, "PASSWORD") {
		s.mu.Unlock()
		return nil
	}
	s.waiting++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}()
	var timeout <-chan time.Time
	if who.lockTimeout > 0 {
		timer := time.NewTimer(who.lockTimeout)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-held:
		return nil
	case <-timeout:
		return refuse(errLockTimeout)
	}
}
