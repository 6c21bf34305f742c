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

// The outcomes. Unless it is NeedsAttention, applications can log in after a rotation that
// failed as they could before it.
const (
	Rotated         Outcome = "Rotated"         // AWSCURRENT is the new password
	AlreadyRotating Outcome = "AlreadyRotating" // another execution is rotating the secret; this one changed nothing
	WindowClosed    Outcome = "WindowClosed"    // the window is closed; nothing was changed
	Refused         Outcome = "Refused"         // cannot be rotated as it stands; nothing was changed
	RestoredCleanly Outcome = "RestoredCleanly" // failed; a login with AWSCURRENT has succeeded since
	NeedsAttention  Outcome = "NeedsAttention"  // AWSCURRENT may not log in: page
)

// Two more outcomes of alerts. They are not final states, since the state machine could
// not end in them.
const (
	CutShort   Outcome = "CutShort"   // the execution ended where no Catch applies
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

// What is known about applications. Each states what this run has observed: applications
// are never called unaffected without a successful login.
const (
	unaffected = "unaffected"  // AWSCURRENT logged in when the rotation ended, and nothing is known to have been refused before
	restored   = "restored"    // AWSCURRENT logged in when the rotation ended; it was refused for a time before, or may have been
	notChanged = "not changed" // not changed by this rotation; whether AWSCURRENT logs in was not tried
	atRisk     = "at risk"     // AWSCURRENT may be refused
)

// applicationTexts are the texts for people.
var applicationTexts = map[string]string{
	unaffected: "unaffected: AWSCURRENT logs in",
	restored:   "restored: AWSCURRENT logs in again",
	notChanged: "not changed by this rotation; whether AWSCURRENT logs in was not tried",
	atRisk:     "at risk: AWSCURRENT may be refused",
}

// unread replaces the text of notChanged for errors that themselves affect applications.
var unread = map[fault.Code]string{
	fault.SecretNotFound: "applications cannot read a secret that is not there",
	fault.SecretDeleted:  "applications cannot read it either while it is scheduled for deletion",
	fault.InvalidSecret:  "applications cannot read AWSCURRENT either if they need what is wrong with it",
	fault.KeyUnusable:    "applications cannot read it either if the key is unusable for them, too",

	fault.DatabaseUnreachable: "the database did not answer Tumbler, and may not answer applications",
	fault.DatabaseUnavailable: "the database lets nobody in at the moment, or not Tumbler",
	fault.LoginRefused:        "the database refuses AWSCURRENT",
}

// applicationsText is what is known about applications when a rotation ends with this error.
func applicationsText(affected, code string) string {
	if more := unread[fault.Code(code)]; more != "" && affected == notChanged {
		return "not changed by this rotation; " + more
	}
	return applicationTexts[affected]
}

// applications is what each outcome implies for applications if nothing more is known.
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

// Ending is the alert, the event and the final state of a rotation.
type Ending struct {
	Outcome    Outcome `json:"outcome"`
	Severity   string  `json:"severity"` // info, warning or critical
	Error      string  `json:"error"`    // error name of the first failure; "" when Rotated
	Cause      string  `json:"cause"`    // text for people
	Secret     string  `json:"secret"`
	Subject    string  `json:"subject"` // of the alert: ASCII, below 100 characters
	Message    string  `json:"message"` // of the alert
	DetailType string  `json:"detailType"`

	// Alert is true when people are alerted: of every failure, and of a success that
	// settles an earlier alert, needed the superuser, or names another host.
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

	// Recovered is true when the superuser has reset a password: of a single user for
	// whom no version of the secret was accepted any more, or of a user of a pair.
	Recovered bool `json:"recovered,omitempty"`

	// StaleKeys are keys of the secret, other than those in alsoUpdate, that still hold
	// the old password.
	StaleKeys []string `json:"staleKeys,omitempty"`

	// Advice recommends changes to the secret.
	Advice []string `json:"advice,omitempty"`

	// Healed is true when an earlier rotation had not finished, and this one has settled
	// what it left.
	Healed bool `json:"healed,omitempty"`

	// ReplicaLagMs is the time from the move of AWSCURRENT until every replica in
	// another Region was in sync, in milliseconds. ReplicasBehind are the Regions that
	// were not in time. Both are absent without replicas.
	ReplicaLagMs   *int64   `json:"replicaLagMs,omitempty"`
	ReplicasBehind []string `json:"replicasBehind,omitempty"`

	// CredentialGapMs is the time in which the database refused AWSCURRENT, in
	// milliseconds, also when the rotation failed and was undone. It is absent if the
	// answer to the change was lost, so that it is unknown, and with alternating users,
	// for whom there is no gap.
	CredentialGapMs *int64 `json:"credentialGapMs,omitempty"`

	// CredentialGapAtMostMs is an upper bound, set instead if the answer to the change was
	// lost: the time since the earliest moment at which the database can have changed.
	CredentialGapAtMostMs *int64 `json:"credentialGapAtMostMs,omitempty"`
}

// gap sets how long AWSCURRENT was refused, until now. It stays unknown if an earlier
// rotation had not finished, since the gap may have begun with that one.
func (e *Event) gap(plan Planned, changedAt, notBefore *time.Time, now time.Time) {
	switch {
	case changedAt != nil:
		e.CredentialGapMs = new(now.Sub(*changedAt).Milliseconds())
	case notBefore != nil && plan.Strategy != AlternatingUsers && len(plan.leftovers()) == 0:
		e.CredentialGapAtMostMs = new(now.Sub(*notBefore).Milliseconds())
	}
}

// Failure is an error as Step Functions passes it to a Catch.
type Failure struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// Text returns the cause for people. The cause of a Lambda function's error is a JSON
// object; any other is returned unchanged.
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

// outcomeFor returns the outcome that is named after the failure's code, or else otherwise.
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

	// These override the texts of the outcome. Optional.
	applications, advice string

	refused string // how long AWSCURRENT was refused, as text. Optional.

	redriven bool   // the execution had been cut short before, which was alerted
	reset    bool   // the superuser has reset a password, or may have
	moved    bool   // the secret names another server than its previous version
	runbook  string // URL of the runbook. Optional.
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

// rotatedAfterAll describes a rotation that succeeded although a step failed: the step
// had done its work.
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

// notChanged describes a rotation that failed before any change to the database.
func (r run) notChanged(failure Failure, did string) Ending {
	e := r.end(outcomeFor(fault.Code(failure.Error), Refused), failure, did)
	e.Alert = !r.requesterKnows(fault.Code(failure.Error))
	return e
}

// leftBehind describes a rotation that failed before any change to the database, and whose
// labels could not be taken off the secret.
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

// requesterKnows reports whether the person who typed the request has been told all of it,
// and nobody else needs to know: a name that is mistyped, a window that is closed,
// another rotation that is running. A person who asked for a rotation in a later window is
// assumed to be no longer watching.
func (r run) requesterKnows(code fault.Code) bool {
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

// restored describes a rotation that failed and after which a login with AWSCURRENT has
// succeeded. An earlier attempt of Restore that gave no answer may have found AWSCURRENT
// refused and repaired it, which this attempt cannot see.
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

// refusedFor is the text about how long AWSCURRENT was refused. seen is whether this
// attempt saw it refused.
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

// milliseconds writes a duration for people, rounded.
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

// end makes the ending. did is the text about what Tumbler did about the failure.
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
		e.DetailType = "Rotation Skipped" // the other execution sends the event about its ending
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
