package rotation

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Outcome is how a rotation ended. Each is a final state of the state machine.
type Outcome string

// The endings. A rotation that failed still ended well for applications unless
// it is NeedsAttention.
const (
	Rotated         Outcome = "Rotated"         // AWSCURRENT is the new password
	AlreadyRotating Outcome = "AlreadyRotating" // another execution is at it; this one changed nothing
	WindowClosed    Outcome = "WindowClosed"    // outside the window
	Refused         Outcome = "Refused"         // cannot be rotated as it stands; nothing was changed
	RestoredCleanly Outcome = "RestoredCleanly" // failed; AWSCURRENT has logged in since
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

// What is known of applications. Each is a fact of this run: nothing is called
// fine that was not seen to be fine.
const (
	unaffected = "unaffected"  // AWSCURRENT logged in when the rotation ended, and nothing is known to have been refused before
	restored   = "restored"    // AWSCURRENT logged in when the rotation ended; it was refused for a time before, or may have been
	notChanged = "not changed" // not changed by this rotation; whether AWSCURRENT logs in was not tried
	atRisk     = "at risk"     // AWSCURRENT may be refused
)

// inWords says it to a person.
var inWords = map[string]string{
	unaffected: "unaffected: AWSCURRENT logs in",
	restored:   "restored: AWSCURRENT logs in again",
	notChanged: "not changed by this rotation; whether AWSCURRENT logs in was not tried",
	atRisk:     "at risk: AWSCURRENT may be refused",
}

// unread continues notChanged where the cause tells of applications, too.
var unread = map[fault.Code]string{
	fault.SecretNotFound: "applications cannot read a secret that is not there",
	fault.SecretDeleted:  "applications cannot read it either while it is scheduled for deletion",
	fault.InvalidSecret:  "applications cannot read AWSCURRENT either if they need what is wrong with it",
	fault.KeyUnusable:    "applications cannot read it either if the key is unusable for them, too",

	fault.DatabaseUnreachable: "the database did not answer Tumbler, and may not answer applications",
	fault.DatabaseUnavailable: "the database lets nobody in at the moment, or not Tumbler",
	fault.LoginRefused:        "the database refuses AWSCURRENT",
}

// knownOf says of applications what is known when a rotation ends with this error.
func knownOf(affected, code string) string {
	if more := unread[fault.Code(code)]; more != "" && affected == notChanged {
		return "not changed by this rotation; " + more
	}
	return inWords[affected]
}

// applications is what an outcome says where nothing more is known.
var applications = map[Outcome]string{
	Rotated:         unaffected,
	AlreadyRotating: notChanged,
	WindowClosed:    notChanged,
	Refused:         notChanged,
	RestoredCleanly: unaffected,
	NeedsAttention:  atRisk,
	CutShort:        atRisk,
	NotStarted:      notChanged,
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

	// Alert is true when people are told: of every failure, and of a success that
	// settles an earlier one, needed the superuser's help, or went to another host.
	Alert bool `json:"alert"`

	Event Event `json:"event"`
}

// Event is the detail of the EventBridge event that ends every rotation
// (source "tumbler").
type Event struct {
	Outcome      Outcome   `json:"outcome"`
	SecretARN    string    `json:"secretArn,omitempty"`
	Applications string    `json:"applications"` // unaffected, restored, not changed or at risk
	Execution    string    `json:"execution"`
	VersionID    string    `json:"versionId,omitempty"`
	Trigger      Trigger   `json:"trigger,omitzero"`
	Step         string    `json:"step,omitempty"`         // the state that failed
	Error        string    `json:"error,omitempty"`        // its error name
	RestoreError string    `json:"restoreError,omitempty"` // that of Restore, when it could not prove that AWSCURRENT works
	StartedAt    time.Time `json:"startedAt"`
	EndedAt      time.Time `json:"endedAt"`

	// Changes lists what was granted to and revoked from the clone.
	Changes []string `json:"changes,omitempty"`

	// Recovered is true when the superuser has reset a password: of a single user
	// that no version of the secret logged in as any more, or of a user of a pair.
	Recovered bool `json:"recovered,omitempty"`

	// StaleKeys are keys of the secret, beside those that alsoUpdate names, under which
	// the old password stays.
	StaleKeys []string `json:"staleKeys,omitempty"`

	// Advice is what people had better do about the secret.
	Advice []string `json:"advice,omitempty"`

	// Healed is true when a rotation before this one had left something undone.
	Healed bool `json:"healed,omitempty"`

	// ReplicaLagMs is the time from the move of AWSCURRENT until every replica in
	// another Region was seen in sync, in milliseconds. ReplicasBehind are the
	// Regions that were not in time. Both are absent without replicas.
	ReplicaLagMs   *int64   `json:"replicaLagMs,omitempty"`
	ReplicasBehind []string `json:"replicasBehind,omitempty"`

	// CredentialGapMs is the time in which the database refused what AWSCURRENT
	// said, in milliseconds, also when the rotation failed and was undone. It is
	// absent when it is not known, because the answer to the change was lost, and
	// with alternating users, where there is none.
	CredentialGapMs *int64 `json:"credentialGapMs,omitempty"`

	// CredentialGapAtMostMs stands in for it where the answer to the change was lost:
	// the time since the first moment at which the database can have been changed.
	CredentialGapAtMostMs *int64 `json:"credentialGapAtMostMs,omitempty"`
}

// gap tells how long AWSCURRENT was refused, until now. A rotation that found another
// one's remains does not know: the gap may have begun with that one.
func (e *Event) gap(plan Planned, changedAt, notBefore *time.Time, now time.Time) {
	switch {
	case changedAt != nil:
		e.CredentialGapMs = new(now.Sub(*changedAt).Milliseconds())
	case notBefore != nil && plan.Strategy != AlternatingUsers && len(plan.leftovers()) == 0:
		e.CredentialGapAtMostMs = new(now.Sub(*notBefore).Milliseconds())
	}
}

// Failure is an error as Step Functions hands it to a Catch.
type Failure struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// Text returns the cause for people. A Lambda function's cause is a JSON
// object; everything else comes as it is.
func (f Failure) Text() string {
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

	refused string // for how long AWSCURRENT was, in words. Optional.

	redriven bool   // it had been cut short, which was alerted
	reset    bool   // the superuser has reset a password, or may have
	moved    bool   // the secret names another server than its version before
	runbook  string // where the runbook is published. Optional.
}

// rotated describes a success.
func (r run) rotated(set SetResult, created Created) Ending {
	if set.recovered() || !slices.Contains([]string{"", Current, Pending, "rotationFunction"}, set.LoggedInWith) {
		r.applications = restored // AWSCURRENT had been refused
	}
	r.moved = created.Moved
	e := r.end(Rotated, Failure{}, "")
	e.Event.Changes, e.Event.StaleKeys = set.Changes, created.StaleKeys
	e.Event.Advice = append(e.Event.Advice, set.Advice...)
	r.tellSuccess(&e, set.recovered())
	return e
}

// rotatedAfterAll describes a rotation of which a step failed after its work was
// done.
func (r run) rotatedAfterAll(in RestoreInput, s settlement) Ending {
	var set SetResult
	if in.Set != nil {
		set = *in.Set
	}
	set.Repaired = set.Repaired || s.reset
	if s.refused {
		r.applications = restored
	}
	return r.rotated(set, in.Create)
}

// notChanged describes a rotation that has not gone to the database.
func (r run) notChanged(failure Failure, did string) Ending {
	e := r.end(outcomeFor(fault.Code(failure.Error), Refused), failure, did)
	e.Alert = !r.toldAtTheKeyboard(fault.Code(failure.Error))
	return e
}

// leftBehind describes a rotation that has not gone to the database, and of which
// nobody could find out what it has left in the secret.
func (r run) leftBehind(failure Failure, err error) Ending {
	why := fault.From(err)
	r.applications = notChanged
	return r.needsAttention(failure, why, "could not look for what this rotation has left in the secret ("+why.Error()+"). The next one takes it over or off; no step had gone to the database.")
}

// needsAttention describes a rotation after which Restore failed for good.
func (r run) needsAttention(failure Failure, why *fault.Error, did string) Ending {
	e := r.end(NeedsAttention, failure, did)
	e.Cause += ". Then restoring failed with " + why.Error()
	e.Event.RestoreError = string(why.Code)
	return e
}

// toldAtTheKeyboard reports whether whoever typed the request has been told all of it,
// and nobody else needs to know: a name that is mistyped, a window that is closed,
// another rotation that is at work. Who asked for a rotation in a later window has
// gone.
func (r run) toldAtTheKeyboard(code fault.Code) bool {
	if r.request.Trigger.Source != SourceManual || r.request.OutsideWindow == OutsideWait {
		return false
	}
	switch code {
	case fault.AlreadyRotating:
		return true
	case fault.InvalidRequest, fault.NotConfigured, fault.SecretNotFound, fault.WindowClosed:
		return r.step == "Plan"
	}
	return false
}

// restored describes a rotation that failed and after which AWSCURRENT has logged
// in. An attempt of Restore that did not answer may have found AWSCURRENT refused and
// have put it right, so that this one sees nothing of it.
func (r run) restored(in RestoreInput, s settlement) Ending {
	unsure := in.Set == nil && (!answered(in.Failure.Error) || in.State.RetryCount > 0)
	r.reset = s.reset || in.Set != nil && in.Set.recovered()
	r.applications = unaffected
	if s.refused || r.reset || in.Plan.Strategy != AlternatingUsers && (unsure || in.Set != nil) {
		r.applications = restored
	}
	var known Event
	if r.applications == restored {
		var changedAt *time.Time
		if in.Set != nil {
			changedAt = in.Set.ChangedAt
		}
		known.gap(in.Plan, changedAt, in.Create.At, r.now)
		r.refused = known.refusedFor(s.refused)
	}
	e := r.end(outcomeFor(fault.Code(in.Failure.Error), RestoredCleanly), in.Failure, sentence(s.did))
	e.Event.CredentialGapMs, e.Event.CredentialGapAtMostMs = known.CredentialGapMs, known.CredentialGapAtMostMs
	return e
}

// refusedFor says for how long only AWSPENDING logged in. seen: in this attempt
// AWSCURRENT was refused.
func (e Event) refusedFor(seen bool) string {
	known := "for a time that is not known"
	switch {
	case e.CredentialGapMs != nil:
		known = "for " + milliseconds(*e.CredentialGapMs)
	case e.CredentialGapAtMostMs != nil:
		known = "for " + milliseconds(*e.CredentialGapAtMostMs) + " at most: the answer to the change was lost"
	}
	if !seen && e.CredentialGapMs == nil {
		return "perhaps, " + known
	}
	return known
}

// milliseconds says a duration for people, without the digits that do not matter.
func milliseconds(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d >= time.Second {
		d = d.Round(100 * time.Millisecond)
	}
	return d.String()
}

// answered reports whether the last attempt of a step ended with a code of ours, so
// that it is known to have changed nothing.
func answered(code string) bool {
	return slices.Contains(fault.Codes(), fault.Code(code)) && code != string(fault.OutcomeUnknown) && code != string(fault.RotationFunctionFailed)
}

// end describes the ending. did says what Tumbler did about the failure.
func (r run) end(outcome Outcome, failure Failure, did string) Ending {
	secret := cmp.Or(r.plan.SecretARN, r.request.SecretID, "(none named)") // SNS refuses an empty attribute
	affected := cmp.Or(r.applications, applications[outcome])
	severity := severities[outcome]
	if severity == severityCritical && affected != atRisk {
		severity = severityWarning
	}
	e := Ending{
		Outcome:    outcome,
		Severity:   severity,
		Error:      failure.Error,
		Secret:     secret,
		DetailType: "Rotation Failed",
		Alert:      true,
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
			Recovered:    r.reset,
		},
	}
	if r.moved {
		e.Event.Advice = []string{adviceMoved}
	}
	if outcome == Rotated {
		e.DetailType, e.Alert = "Rotation Succeeded", false
		e.Subject = subject("rotated", cmp.Or(r.plan.SecretName, secret))
		e.Message = "The credentials of " + secret + " were rotated."
		return e
	}
	if outcome == AlreadyRotating {
		e.DetailType = "Rotation Skipped" // the other one reports how it ended
	}
	e.Error = cmp.Or(failure.Error, string(fault.Internal)) // as above
	e.Cause = failure.Text()
	e.Subject = subject(headlines[outcome], cmp.Or(r.plan.SecretName, secret))
	if affected == restored {
		e.Subject = subject(headlineRestored, cmp.Or(r.plan.SecretName, secret))
	}
	e.Message = r.alert(e, did)
	return e
}
