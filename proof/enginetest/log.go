package enginetest

import "testing"

func (s *suite) logCases() []testCase {
	return []testCase{{"log/no password in it", unless(s.Log != nil, "the server has no log of statements"), s.noPasswordInLog}}
}

// noPasswordInLog comes last: it looks for every password of the suite, those
// of statements that failed included.
func (s *suite) noPasswordInLog(t *testing.T) {
	log := s.Log(t)
	if len(log) == 0 {
		t.Fatal("the log is empty: it proves nothing")
	}
	s.mu.Lock()
	count := len(s.canaries)
	s.mu.Unlock()
	if s.leaks(log) {
		t.Error("the server's log shows a password")
	}
	t.Logf("looked for %d passwords in %d bytes of log", count, len(log))
}
