package rotation

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Outcome is how a rotation ended. Each is a final state of the state machine.
type Outcome string

// The endings. A rotation that failed still ended well for applications unless
// it is NeedsAttention.
const (
	Rotated         Outcome = "Rotated"         // AWSCURRENT is the new password
	AlreadyRotating Outcome = "AlreadyRotating" // another execution is at it; this one touched nothing
	WindowClosed    Outcome = "WindowClosed"    // outside the window; applications unaffected
	Refused         Outcome = "Refused"         // cannot be rotated as it stands; nothing was touched
	RestoredCleanly Outcome = "RestoredCleanly" // failed; AWSCURRENT logs in
	NeedsAttention  Outcome = "NeedsAttention"  // AWSCURRENT may not log in: page
)

// severities grade the alert of each outcome for subscription filters.
var severities = map[Outcome]string{
	Rotated:         "info",
	AlreadyRotating: "info",
	WindowClosed:    "warning",
	Refused:         "warning",
	RestoredCleanly: "warning",
	NeedsAttention:  "critical",
}

// applications says, for each outcome, whether applications are affected.
var applications = map[Outcome]string{
	Rotated:         "unaffected",
	AlreadyRotating: "unaffected",
	WindowClosed:    "unaffected",
	Refused:         "unaffected",
	RestoredCleanly: "unaffected",
	NeedsAttention:  "at risk",
}

// Ending is what the state machine alerts, announces and ends with.
type Ending struct {
	Outcome    Outcome `json:"outcome"`
	Severity   string  `json:"severity"` // info, warning or critical
	Error      string  `json:"error"`    // error name of the first failure; "" when Rotated
	Cause      string  `json:"cause"`    // in words
	Secret     string  `json:"secret"`
	Subject    string  `json:"subject"` // of the alert: ASCII, below 100 characters
	Message    string  `json:"message"` // of the alert
	DetailType string  `json:"detailType"`
	Event      Event   `json:"event"`
}

// Event is the detail of the EventBridge event that ends every rotation
// (source "tumbler").
type Event struct {
	Outcome      Outcome   `json:"outcome"`
	SecretARN    string    `json:"secretArn,omitempty"`
	Applications string    `json:"applications"` // unaffected or at risk
	Execution    string    `json:"execution"`
	VersionID    string    `json:"versionId,omitempty"`
	Trigger      Trigger   `json:"trigger,omitzero"`
	Step         string    `json:"step,omitempty"`  // the state that failed
	Error        string    `json:"error,omitempty"` // its error name
	StartedAt    time.Time `json:"startedAt"`
	EndedAt      time.Time `json:"endedAt"`

	// Changes lists what was granted to and revoked from the clone.
	Changes []string `json:"changes,omitempty"`

	// Recovered is true when no password that the secret knew was accepted any
	// more and the superuser has reset it.
	Recovered bool `json:"recovered,omitempty"`

	// CredentialGapMs is the time in which the database refused what
	// AWSCURRENT said, in milliseconds. It is absent when it is not known,
	// because the answer to the change was lost, and with alternating users,
	// where there is none.
	CredentialGapMs *int64 `json:"credentialGapMs,omitempty"`
}

// Failure is an error as Step Functions hands it to a Catch.
type Failure struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// failureOf is the failure that a step would have reported by returning err.
func failureOf(err *fault.Error) Failure {
	return Failure{Error: string(err.Code), Cause: err.Message()}
}

// Words returns the cause for people. A Lambda function's cause is a JSON
// object; everything else comes as it is.
func (f Failure) Words() string {
	var lambda struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(f.Cause), &lambda) == nil && lambda.Message != "" {
		return lambda.Message
	}
	if f.Cause == "" {
		return "no cause was given"
	}
	return f.Cause
}

// outcomeFor names the outcome after the failure's code where there is an
// ending of that name.
func outcomeFor(code fault.Code, otherwise Outcome) Outcome {
	switch code {
	case fault.AlreadyRotating:
		return AlreadyRotating
	case fault.WindowClosed:
		return WindowClosed
	}
	return otherwise
}

// run is what is known about an execution when it ends.
type run struct {
	request   Request
	execution Execution
	plan      Planned
	step      string // the state that failed
	now       time.Time
}

// end describes the ending. did says what Tumbler did about the failure.
func (r run) end(outcome Outcome, failure Failure, did string) Ending {
	secret := r.plan.SecretARN
	if secret == "" {
		secret = r.request.SecretID
	}
	if secret == "" {
		secret = "(none named)" // SNS refuses an empty attribute
	}
	e := Ending{
		Outcome:    outcome,
		Severity:   severities[outcome],
		Error:      failure.Error,
		Secret:     secret,
		DetailType: "Rotation Failed",
		Event: Event{
			Outcome:      outcome,
			SecretARN:    r.plan.SecretARN,
			Applications: applications[outcome],
			Execution:    r.execution.ARN,
			VersionID:    r.plan.VersionID,
			Trigger:      r.request.Trigger,
			Step:         r.step,
			Error:        failure.Error,
			StartedAt:    r.execution.StartedAt,
			EndedAt:      r.now.UTC(),
		},
	}
	if outcome == Rotated {
		e.DetailType = "Rotation Succeeded"
		e.Subject = r.subject("rotated", secret)
		e.Message = "The credentials of " + secret + " were rotated."
		return e
	}
	e.Cause = failure.Words()
	e.Subject = r.subject(headlines[outcome], secret)
	e.Message = r.alert(e, did)
	return e
}

// headlines are the alert's first words.
var headlines = map[Outcome]string{
	AlreadyRotating: "already rotating",
	WindowClosed:    "not rotated, window closed",
	Refused:         "not rotated",
	RestoredCleanly: "rotation failed, applications unaffected",
	NeedsAttention:  "NEEDS ATTENTION",
}

// subject fits SNS's rules: printable ASCII, below 100 characters.
func (r run) subject(headline, secret string) string {
	name := r.plan.SecretName
	if name == "" {
		name = secret
	}
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, "Tumbler: "+headline+": "+name)
	if len(text) > 99 {
		text = text[:96] + "..."
	}
	return text
}

// alert is the message to the person on call: what happened, whether
// applications are affected, what was done, and what to do next.
func (r run) alert(e Ending, did string) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s %s\n", label+":", fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s\n\n", effects[e.Outcome])
	line("Secret", "%s", e.Secret)
	if r.step != "" {
		line("Failed step", "%s", r.step)
	}
	line("Error", "%s", e.Error)
	line("Cause", "%s", e.Cause)
	if did != "" {
		line("Tumbler did", "%s", did)
	}
	line("What to do", "%s", advice[e.Outcome])
	line("Runbook", "docs/runbook.md#%s", strings.ToLower(e.Error))
	line("Since", "%s", stamp(r.execution.StartedAt))
	line("Execution", "%s", r.execution.ARN)
	if link := consoleLink(r.execution.ARN); link != "" {
		line("Console", "%s", link)
	}
	if e.Outcome != AlreadyRotating {
		line("Rotate again", "tumbler rotate %s", e.Secret)
	}
	return b.String()
}

// effects are the alert's first line: what the outcome means.
var effects = map[Outcome]string{
	AlreadyRotating: "This rotation stepped back for another one. Applications are unaffected.",
	WindowClosed:    "The secret was not rotated: its rotation window is closed. Applications are unaffected.",
	Refused:         "The secret was not rotated: it cannot be as it stands. Nothing was touched; applications are unaffected.",
	RestoredCleanly: "The rotation failed and was undone. AWSCURRENT logs in: applications are unaffected.",
	NeedsAttention:  "The rotation failed and AWSCURRENT may not log in: applications may be unable to connect.",
}

var advice = map[Outcome]string{
	AlreadyRotating: "nothing; the other execution reports for itself.",
	WindowClosed:    "wait for the next window, or rotate now with outsideWindow \"rotate\".",
	Refused:         "remove the cause, then rotate again.",
	RestoredCleanly: "remove the cause, then rotate again.",
	NeedsAttention:  "remove the cause, then rotate again: the next run tries AWSCURRENT, AWSPENDING and AWSPREVIOUS and repairs the secret. Delete no version until then.",
}

// consoleLink is the execution's page in the AWS console, or "" where there is
// none (the sandbox).
func consoleLink(executionARN string) string {
	parts := strings.Split(executionARN, ":")
	if len(parts) < 5 || parts[1] != "aws" {
		return ""
	}
	region := parts[3]
	return "https://" + region + ".console.aws.amazon.com/states/home?region=" + region +
		"#/v2/executions/details/" + url.PathEscape(executionARN)
}
