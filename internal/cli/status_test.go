package cli

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

// Of a secret's executions, the latest first, one tells most of it.
func TestTheOutcomeThatMatters(t *testing.T) {
	attention, undone, rotated := executions.Outcome{What: "NeedsAttention"}, executions.Outcome{What: "RestoredCleanly"}, executions.Outcome{What: "Rotated"}
	refused, closed, busy := executions.Outcome{What: "Refused", Error: "InvalidSecret"}, executions.Outcome{What: "WindowClosed"}, executions.Outcome{What: "AlreadyRotating"}
	race, soon := executions.Outcome{What: "Refused", Error: "SecretChanged"}, executions.Outcome{What: "Refused", Error: "TooSoon"}
	cut, running := executions.Outcome{What: "ABORTED"}, executions.Outcome{What: "RUNNING", Running: true, Execution: "arn:x"}
	for name, tc := range map[string]struct {
		history []executions.Outcome
		what    string
		state   audit.State
	}{
		"none":                               {nil, "", audit.OK},
		"only a closed window":               {[]executions.Outcome{closed}, "WindowClosed", audit.OK},
		"a closed window since a success":    {[]executions.Outcome{closed, rotated}, "Rotated", audit.OK},
		"a closed window since a failure":    {[]executions.Outcome{closed, undone, rotated}, "RestoredCleanly", audit.Failed},
		"the worst is not forgotten":         {[]executions.Outcome{closed, refused, busy, attention, rotated}, "NeedsAttention", audit.Attention},
		"stopped":                            {[]executions.Outcome{refused, cut, rotated}, "ABORTED", audit.Failed},
		"refused since a success":            {[]executions.Outcome{busy, refused, rotated}, "Refused", audit.Failed},
		"undone since the worst":             {[]executions.Outcome{undone, attention}, "RestoredCleanly", audit.Failed},
		"rotated since the worst":            {[]executions.Outcome{rotated, attention}, "Rotated", audit.OK},
		"a race that was lost":               {[]executions.Outcome{race, rotated}, "Rotated", audit.OK},
		"an event too soon":                  {[]executions.Outcome{soon, rotated}, "Rotated", audit.OK},
		"one waits for its window":           {[]executions.Outcome{running, rotated}, "Rotated", audit.Waiting},
		"two wait for their window":          {[]executions.Outcome{running, running, rotated}, "Rotated", audit.Waiting},
		"one waits, and the last has failed": {[]executions.Outcome{running, undone}, "RestoredCleanly", audit.Failed},
	} {
		s := audit.Status{State: audit.OK}
		addOutcome(&s, tc.history)
		if s.LastOutcome != tc.what || s.State != tc.state {
			t.Errorf("%s: %s, %s: %s", name, s.LastOutcome, s.State, s.Detail)
		}
	}
}

// ARNs and names are of the same secret.
func TestSameSecret(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-AbCdEf"
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"prod/app", arn, true},
		{arn, arn, true},
		{"prod/app", "prod/app", true},
		{"prod/app-AbCdEf", arn, false},
		{"prod/ap", arn, false},
		{"prod/app-AbCdEf", "prod/app", false},
	} {
		if sameSecret(tc.a, tc.b) != tc.same || sameSecret(tc.b, tc.a) != tc.same {
			t.Errorf("%+v", tc)
		}
	}
}
