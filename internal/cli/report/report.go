// Package report lists a deployment's rotations over a period, for the people who are
// responsible for them, on paper or in a browser.
package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// Report lists the rotations that were started in a period.
type Report struct {
	Deployment string    `json:"deployment"`
	Account    string    `json:"account"`
	Region     string    `json:"region"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Totals     Totals    `json:"totals"`
	Secrets    []Secret  `json:"secrets"`
}

// Totals counts the rotations.
type Totals struct {
	Rotated        int  `json:"rotated"`
	Failed         int  `json:"failed"` // ended in RestoredCleanly, NeedsAttention, Refused, or cut short
	NeedsAttention int  `json:"needsAttention"`
	Open           int  `json:"open"` // failures without a later success
	WindowsKept    int  `json:"windowsKept"`
	WindowsMissed  int  `json:"windowsMissed"`
	Gap            Gaps `json:"credentialGap"`
}

// Gaps are the times in which AWSCURRENT was refused, in milliseconds, where they were
// measured.
type Gaps struct {
	Measured int     `json:"measured"`
	Median   int64   `json:"medianMs"`
	P95      int64   `json:"p95Ms"`
	Longest  int64   `json:"longestMs"`
	all      []int64 // sorted
}

// Secret is a secret that is configured or was rotated.
type Secret struct {
	Name       string          `json:"secret"`
	Strategy   string          `json:"strategy,omitempty"`
	Schedule   string          `json:"schedule,omitempty"`
	Configured bool            `json:"configured"`
	Kept       []window.Window `json:"windowsKept,omitempty"`
	Missed     []window.Window `json:"windowsMissed,omitempty"`
	Rotations  []Rotation      `json:"rotations"` // the latest first
}

// Rotation is a rotation that has ended or is running.
type Rotation struct {
	StartedAt    time.Time  `json:"startedAt"`
	EndedAt      *time.Time `json:"endedAt,omitempty"`
	Outcome      string     `json:"outcome"`
	Error        string     `json:"error,omitempty"`
	Cause        string     `json:"cause,omitempty"`
	Step         string     `json:"step,omitempty"`
	Applications string     `json:"applications,omitempty"`
	Who          string     `json:"who,omitempty"` // schedule, manual or event
	Why          string     `json:"why,omitempty"`
	GapMs        *int64     `json:"credentialGapMs,omitempty"`
	GapAtMostMs  *int64     `json:"credentialGapAtMostMs,omitempty"`
	SettledAt    *time.Time `json:"settledAt,omitempty"` // of a failure: when a later rotation succeeded
	Execution    string     `json:"execution"`
}

// Kind groups the outcomes for the page.
func (r Rotation) Kind() string {
	switch r.Outcome {
	case string(rotation.Rotated):
		return "rotated"
	case string(rotation.RestoredCleanly):
		return "restored"
	case string(rotation.AlreadyRotating), string(rotation.WindowClosed):
		return "skipped"
	case string(rotation.Refused):
		return "refused"
	}
	if r.EndedAt == nil {
		return "running"
	}
	return "attention" // or cut short
}

// Failed reports whether the rotation failed, which excludes AlreadyRotating and
// WindowClosed.
func (r Rotation) Failed() bool {
	kind := r.Kind()
	return kind == "restored" || kind == "refused" || kind == "attention"
}

// Make makes a report from the configuration and the outcomes, which must be the latest
// first.
func Make(machineARN string, entries []registry.Entry, outcomes []executions.Outcome, from, to time.Time) Report {
	parts := strings.Split(machineARN+":::::::", ":")
	r := Report{
		Deployment: strings.TrimSuffix(parts[6], "-rotation"), Region: parts[3], Account: parts[4],
		From: from.UTC(), To: to.UTC(), Secrets: []Secret{},
	}
	byName := map[string]*Secret{}
	find := func(id string) *Secret {
		name := config.SecretName(id)
		if byName[name] == nil {
			byName[name] = &Secret{Name: id, Rotations: []Rotation{}}
		}
		return byName[name]
	}
	for _, o := range outcomes {
		s := find(o.SecretID)
		s.Rotations = append(s.Rotations, rotationOf(o, s.Rotations))
	}
	for _, e := range entries {
		s := find(e.SecretID)
		s.Name, s.Configured = e.SecretID, true
		s.windows(e, r.From, r.To)
	}
	for _, s := range byName {
		r.Secrets = append(r.Secrets, *s)
	}
	slices.SortFunc(r.Secrets, func(a, b Secret) int { return strings.Compare(a.Name, b.Name) })
	r.sum()
	return r
}

// rotationOf converts an outcome. later are the rotations after it, the latest first.
func rotationOf(o executions.Outcome, later []Rotation) Rotation {
	r := Rotation{
		StartedAt: o.StartedAt.UTC(), Outcome: o.What, Error: o.Error, Cause: o.Cause,
		Who: o.Trigger.Source, Why: o.Trigger.Reason, Execution: o.Execution,
	}
	if !o.Running {
		r.EndedAt = new(o.EndedAt.UTC())
	}
	if e := o.Event; e != nil {
		r.Step, r.Applications, r.GapMs, r.GapAtMostMs = e.Step, e.Applications, e.CredentialGapMs, e.CredentialGapAtMostMs
	}
	if r.Failed() {
		for _, l := range slices.Backward(later) {
			if l.Kind() == "rotated" {
				r.SettledAt = l.EndedAt
				break
			}
		}
	}
	return r
}

// windows counts the windows that have closed since the last change of the schedule, before
// which it may have had others.
func (s *Secret) windows(e registry.Entry, from, to time.Time) {
	request, err := rotation.ParseRequest(e.Input)
	if err != nil {
		s.Schedule = "cannot be read"
		return
	}
	s.Strategy = string(request.Strategy)
	if request.Schedule == nil {
		s.Schedule = "on demand"
		return
	}
	s.Schedule = request.Schedule.Expression
	if !e.Enabled {
		s.Schedule += " (disabled)"
	}
	timetable, err := request.Schedule.Timetable()
	if err != nil {
		return
	}
	if e.ChangedAt.After(from) {
		from = e.ChangedAt
	}
	for w := range timetable.Windows(from) {
		if w.ClosesAt.After(to) {
			break
		}
		if s.rotatedIn(w) {
			s.Kept = append(s.Kept, w)
		} else {
			s.Missed = append(s.Missed, w)
		}
	}
}

func (s *Secret) rotatedIn(w window.Window) bool {
	return slices.ContainsFunc(s.Rotations, func(r Rotation) bool {
		return r.Kind() == "rotated" && (w.Contains(r.StartedAt) || w.Contains(*r.EndedAt))
	})
}

func (r *Report) sum() {
	t := &r.Totals
	for _, s := range r.Secrets {
		t.WindowsKept += len(s.Kept)
		t.WindowsMissed += len(s.Missed)
		for _, one := range s.Rotations {
			switch {
			case one.Kind() == "rotated":
				t.Rotated++
			case one.Failed():
				t.Failed++
				if one.SettledAt == nil {
					t.Open++
				}
			}
			if one.Outcome == string(rotation.NeedsAttention) {
				t.NeedsAttention++
			}
			if one.GapMs != nil {
				t.Gap.all = append(t.Gap.all, *one.GapMs)
			}
		}
	}
	slices.Sort(t.Gap.all)
	if n := len(t.Gap.all); n > 0 {
		at := func(percent int) int64 { return t.Gap.all[(n*percent+99)/100-1] } // nearest rank
		t.Gap.Measured, t.Gap.Median, t.Gap.P95, t.Gap.Longest = n, at(50), at(95), at(100)
	}
}

// Failures are those of all secrets, the latest first.
func (r Report) Failures() (list []Failure) {
	for _, s := range r.Secrets {
		for _, one := range s.Rotations {
			if one.Failed() {
				list = append(list, Failure{s.Name, one})
			}
		}
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(a.Secret, b.Secret))
	})
	return list
}

// Failure is one with the secret that it is about.
type Failure struct {
	Secret string
	Rotation
}

// Ended describes how it ended for the secret.
func (r Rotation) Ended() string {
	if r.SettledAt != nil {
		return "settled by the rotation of " + r.SettledAt.Format("2006-01-02 15:04")
	}
	if r.Failed() {
		return "no rotation has succeeded since"
	}
	return ""
}
