package runbook_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/runbook"
)

// Whatever an alert names is explained, and by its own section.
func TestEveryErrorIsExplained(t *testing.T) {
	for _, code := range fault.Codes() {
		s, ok := runbook.Find(string(code))
		if !ok || s.Title != string(code) || len(s.Text) < 20 || strings.Contains(s.Line(), "\n") || strings.Contains(s.Text, "\n#") {
			t.Errorf("%s: %+v, %v", code, s, ok)
		}
	}
	for name, want := range map[string]string{
		"States.Timeout": "Errors of Step Functions and Lambda", "loginrefused": "LoginRefused", "my-application-cannot-log-in-now": "My application cannot log in now",
	} {
		if s, ok := runbook.Find(name); !ok || s.Title != want {
			t.Errorf("%s: %q, %v", name, s.Title, ok)
		}
	}
	if s, ok := runbook.Find("Nonsense"); ok {
		t.Errorf("%+v", s)
	}
}
