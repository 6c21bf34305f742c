package rotation

import (
	"cmp"
	"encoding/json"
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

// What else is alerted: no final states, because the state machine had no say in
// them.
const (
	CutShort   Outcome = "CutShort"   // the execution ended where no Catch could see it
	NotStarted Outcome = "NotStarted" // no execution could be started
)

// The severities.
const (
	severityInfo     = "info"
	severityWarning  = "warning"
	severityCritical = "critical" // page
)

// severities grade the alert of each outcome for subscription filters.
var severities = map[Outcome]string{
	Rotated:         severityInfo,
	AlreadyRotating: severityInfo,
	WindowClosed:    severityWarning,
	Refused:         severityWarning,
	RestoredCleanly: severityWarning,
	NeedsAttention:  severityCritical,
	CutShort:        severityCritical, // unless the labels show that nothing is at risk
	NotStarted:      severityWarning,
}

// Whether applications are affected.
const (
	unaffected = "unaffected"
	atRisk     = "at risk"
)

// applications says it for each outcome.
var applications = map[Outcome]string{
	Rotated:         unaffected,
	AlreadyRotating: unaffected,
	WindowClosed:    unaffected,
	Refused:         unaffected,
	RestoredCleanly: unaffected,
	NeedsAttention:  atRisk,
	CutShort:        atRisk,
	NotStarted:      unaffected,
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

	// Healed is true when the rotation succeeded where one before it had not: the
	// state machine then sends the message, which is otherwise for failures.
	Healed bool `json:"healed,omitempty"`

	Event Event `json:"event"`
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

	// Healed is true when a rotation before this one had left something undone.
	Healed bool `json:"healed,omitempty"`

	// ReplicaLagMs is the time from the move of AWSCURRENT until every replica in
	// another Region was seen in sync, in milliseconds. ReplicasBehind are the
	// Regions that were not in time. Both are absent without replicas.
	ReplicaLagMs   *int64   `json:"replicaLagMs,omitempty"`
	ReplicasBehind []string `json:"replicasBehind,omitempty"`

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

	// What differs from case to case within an outcome. Default: the outcome's.
	applications, advice string
}

// end describes the ending. did says what Tumbler did about the failure.
func (r run) end(outcome Outcome, failure Failure, did string) Ending {
	secret := cmp.Or(r.plan.SecretARN, r.request.SecretID, "(none named)") // SNS refuses an empty attribute
	affected := cmp.Or(r.applications, applications[outcome])
	severity := severities[outcome]
	if severity == severityCritical && affected == unaffected {
		severity = severityWarning
	}
	e := Ending{
		Outcome:    outcome,
		Severity:   severity,
		Error:      failure.Error,
		Secret:     secret,
		DetailType: "Rotation Failed",
		Event: Event{
			Outcome:      outcome,
			SecretARN:    r.plan.SecretARN,
			Applications: affected,
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
		if r.plan.Heals {
			r.tellHealed(&e)
		}
		return e
	}
	e.Error = cmp.Or(failure.Error, string(fault.Internal)) // as above
	e.Cause = failure.Words()
	e.Subject = r.subject(headlines[outcome], secret)
	e.Message = r.alert(e, did)
	return e
}
