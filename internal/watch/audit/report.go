package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Every is the interval of the function, which runs on the full hour. Findings that began
// since the last run are new.
const Every = time.Hour

// reminderHour, in UTC, is when all findings are alerted again, so that a run that failed
// hides nothing for longer than a day.
const reminderHour = 8

// Metrics receives the counts, by State, for each state that is a finding, including zeros.
type Metrics interface {
	Count(counts map[State]int)
}

// Topic takes the alert.
type Topic interface {
	Publish(ctx context.Context, alert rotation.Ending) error
}

// Report is the function audit: it writes metrics, and sends one alert about new findings.
type Report struct {
	Auditor Auditor
	Metrics Metrics
	Topic   Topic
	Log     func(Status) // called for each finding. Optional.
}

// Tick is the event of a schedule.
type Tick struct {
	Time time.Time `json:"time"` // the scheduled time; zero: now
}

// Result counts what was found.
type Result struct {
	Rotations int      `json:"rotations"`
	Findings  []Status `json:"findings"`
	Alerted   bool     `json:"alerted"`
}

// Run audits. Codes: those of [Auditor.Run] and of the topic.
func (r Report) Run(ctx context.Context, tick Tick) (Result, error) {
	statuses, err := r.Auditor.Run(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{Rotations: len(statuses), Findings: []Status{}}
	counts := map[State]int{Missing: 0, Unknown: 0, Stuck: 0, Overdue: 0}
	for _, s := range statuses {
		if !s.State.Finding() {
			continue
		}
		counts[s.State]++
		result.Findings = append(result.Findings, s)
		if r.Log != nil {
			r.Log(s)
		}
	}
	r.Metrics.Count(counts)
	at := tick.Time
	if at.IsZero() {
		at = r.Auditor.Now()
	}
	if !worthTelling(result.Findings, at.UTC().Truncate(Every)) {
		return result, nil
	}
	if err := r.Topic.Publish(ctx, alert(result.Findings, counts)); err != nil {
		return Result{}, err
	}
	result.Alerted = true
	return result, nil
}

// worthTelling reports whether a finding is new, without stored state: it is new if it began
// since the last run. Findings without a known beginning wait for the reminder.
func worthTelling(findings []Status, at time.Time) bool {
	for _, s := range findings {
		if at.Hour() == reminderHour || s.Since != nil && s.Since.After(at.Add(-Every)) && !s.Since.After(at) {
			return true
		}
	}
	return false
}

// alert lists all findings, the worst first.
func alert(findings []Status, counts map[State]int) rotation.Ending {
	order := []State{Missing, Unknown, Stuck, Overdue}
	findings = slices.SortedFunc(slices.Values(findings), func(a, b Status) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Secret, b.Secret))
	})
	var some []string
	for _, state := range order {
		if n := counts[state]; n > 0 {
			some = append(some, fmt.Sprintf("%d %s", n, state))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Rotations need a look: %s. This is seen from the secrets themselves, whatever was alerted or not.\n", strings.Join(some, ", "))
	for _, s := range findings {
		fmt.Fprintf(&b, "\n%-9s %s\n          %s\n", s.State, s.Secret, s.Detail)
		if s.Since != nil {
			fmt.Fprintf(&b, "          since %s\n", s.Since.Format(time.RFC3339))
		}
		switch {
		case s.LastRotated != nil:
			fmt.Fprintf(&b, "          last rotated %s\n", s.LastRotated.Format(time.RFC3339))
		case s.StoredAt != nil:
			fmt.Fprintf(&b, "          AWSCURRENT was stored by hand %s\n", s.StoredAt.Format(time.RFC3339))
		}
	}
	b.WriteString("\nWhat to do: see all of them with 'tumbler status'; rotate a secret with 'tumbler rotate SECRET', which also repairs it (tumbler explain audit).\n")
	return rotation.Ending{
		Outcome: "Audit", Severity: "warning", Error: "none", Secret: "(several)",
		Subject: "Tumbler: rotations need a look: " + strings.Join(some, ", "), Message: b.String(),
	}
}
