package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Outcome is how a fleet ended. Each is a final state of the state machine.
type Outcome string

// The outcomes.
const (
	AllRotated   Outcome = "AllRotated"   // every secret
	SomeFailed   Outcome = "SomeFailed"   // all were tried, and no more failed than is tolerated
	Stopped      Outcome = "Stopped"      // too many failed; no others were started
	CanaryFailed Outcome = "CanaryFailed" // a canary failed; no others were started
	NothingToDo  Outcome = "NothingToDo"  // no secret is selected
	Interrupted  Outcome = "Interrupted"  // rotations could not be started
)

// Ending is the alert, the event and the final state of a fleet.
type Ending struct {
	Outcome    Outcome `json:"outcome"`
	Severity   string  `json:"severity"` // info or warning
	Error      string  `json:"error"`    // error name of a failed execution; "none" otherwise: SNS refuses an empty attribute
	Cause      string  `json:"cause"`
	Subject    string  `json:"subject"`
	Message    string  `json:"message"`
	DetailType string  `json:"detailType"`
	Event      Event   `json:"event"`
}

// Event is the detail of the EventBridge event that is sent when a fleet ends
// (source "tumbler", detail type "Fleet Ended").
type Event struct {
	Outcome    Outcome        `json:"outcome"`
	Execution  string         `json:"execution"`
	Reason     string         `json:"reason,omitempty"`
	Total      int            `json:"total"`
	Rotated    int            `json:"rotated"`
	Failed     int            `json:"failed"`
	NotStarted int            `json:"notStarted"`
	Earlier    int            `json:"earlier,omitempty"` // rotated by the fleets that were resumed
	Skipped    map[string]int `json:"skipped,omitempty"`
	Failures   []Failure      `json:"failures,omitempty"` // the first 50
}

// effects are the first lines of the alerts.
var effects = map[Outcome]string{
	AllRotated:   "Every selected secret was rotated.",
	SomeFailed:   "All selected secrets were tried and some rotations failed.",
	Stopped:      "The fleet has stopped: more rotations failed than are tolerated. No others were started.",
	CanaryFailed: "The fleet has stopped after its canaries: one of the first rotations failed. No others were started.",
	NothingToDo:  "No secret is selected that Tumbler could rotate.",
	Interrupted:  "The fleet has stopped: its rotations could not be started.",
}

// advice tells the operator what to do; %s is the ARN of the fleet's execution.
var advice = map[Outcome]string{
	AllRotated:   "nothing.",
	SomeFailed:   "remove the causes, each of which has an alert of its own, then rotate what is left: tumbler rotate --resume %s",
	Stopped:      "remove the cause, then go on with what is left: tumbler rotate --resume %s",
	CanaryFailed: "remove the cause, then go on with what is left: tumbler rotate --resume %s",
	NothingToDo:  "check the tag, prefix or rotations.yaml, and the Region.",
	Interrupted:  "look at the failed items of the state RotateWave in the execution, then go on: tumbler rotate --resume %s",
}

const listed = 20 // failures that the alert lists

func (r *run) end(outcome Outcome) State {
	p := r.progress
	e := Ending{
		Outcome: outcome, Severity: "warning", Error: string(outcome), DetailType: "Fleet Ended",
		Event: Event{
			Outcome: outcome, Execution: r.Execution.ARN, Reason: r.request.Reason,
			Total: p.Total, Rotated: p.Rotated, Failed: p.Failed, NotStarted: p.Total - p.Rotated - p.Failed,
			Earlier: p.Earlier, Skipped: p.Skipped, Failures: p.Failures,
		},
	}
	if outcome == AllRotated {
		e.Severity, e.Error = "info", "none"
	}
	e.Cause = fmt.Sprintf("%d rotated, %d failed, %d not started", e.Event.Rotated, e.Event.Failed, e.Event.NotStarted)
	e.Subject = fmt.Sprintf("Tumbler: fleet: %s: %d of %d rotated", outcome, p.Rotated, p.Total)
	e.Message = r.message(e)
	return State{Decision: End, Progress: p, Ending: &e, Wave: Wave{Items: []Item{}}}
}

func (r *run) message(e Ending) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s %s\n", label+":", fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s\n\n", effects[e.Outcome])
	line("Selected", "%s", r.request.Select)
	line("Result", "%s", e.Cause)
	if e.Event.Earlier > 0 {
		line("Before", "%d were rotated by the fleet that was resumed", e.Event.Earlier)
	}
	for _, why := range slices.Sorted(maps.Keys(e.Event.Skipped)) {
		line("Left out", "%d %s", e.Event.Skipped[why], why)
	}
	for i, f := range e.Event.Failures {
		if i == listed {
			line("Failed", "and %d more", e.Event.Failed-listed)
			break
		}
		line("Failed", "%s: %s", f.Secret, f.Error)
	}
	if r.request.Reason != "" {
		line("Reason", "%s", r.request.Reason)
	}
	todo := advice[e.Outcome]
	if strings.Contains(todo, "%s") {
		todo = fmt.Sprintf(todo, r.Execution.ARN)
	}
	line("What to do", "%s", todo)
	line("Execution", "%s", r.Execution.ARN)
	return b.String()
}
