package rotation

import (
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Interruption is what is known about an execution that ended where no Catch applies: it
// timed out, was stopped, or Step Functions failed it.
type Interruption struct {
	Request   Request
	Execution Execution
	Plan      Planned           // zero if Plan had not returned
	Unknown   bool              // Plan's result could not be read
	Step      string            // the state that it was in
	Status    string            // TIMED_OUT, ABORTED or FAILED
	Failure   Failure           // Step Functions' own. Optional.
	Labels    map[string]string // staging label -> version id, as they are now; nil if they could not be read
	Now       time.Time
	Runbook   string // where the runbook is published. Optional.
}

// Ending returns the alert and the event about it: the effect on applications, as far as
// the labels show it, and what to do.
func (i Interruption) Ending() Ending {
	i.Plan = i.Plan.made()
	affected, left, advice := i.assess()
	cause := "the execution is " + i.Status
	if i.Failure.Error != "" {
		cause += " with " + i.Failure.Error
	}
	if i.Failure.Cause != "" {
		cause += ": " + i.Failure.Text()
	}
	return run{
		request: i.Request, execution: i.Execution, plan: i.Plan, step: i.Step, now: i.Now,
		applications: affected, advice: advice, runbook: i.Runbook,
	}.end(CutShort, Failure{Error: string(fault.RotationCutShort), Cause: cause}, left)
}

// assess draws conclusions from the labels. The hold label of this execution is on its
// version from before the database is changed until a login has proven AWSCURRENT.
func (i Interruption) assess() (affected, left, advice string) {
	const again = "rotate again, or redrive the execution: either finds out which password works and repairs the secret. Delete no version until then."
	own := i.Plan.VersionID
	label := Hold(own)
	if i.Labels[Pending] == own {
		label = Pending
	}
	switch {
	case i.Unknown:
		return atRisk, "not known: the execution's history could not be read.", again
	case i.Plan.Decision != Rotate:
		return notChanged, "nothing: no step had run.", "rotate again, if that is still wanted."
	case i.Labels == nil:
		return atRisk, "not known: the secret's labels could not be read.", again
	case i.Labels[Current] == own:
		return unaffected, "nothing that matters: AWSCURRENT already is the new version, which had logged in. Only the report is missing.", "nothing; the next rotation clears up what is left."
	case i.Labels[Pending] != own && i.Labels[Hold(own)] != own:
		return notChanged, "no label: the rotation had not gone to the database, or had put everything right.", "rotate again."
	case i.Step == readyState:
		return notChanged, label + " on its version. The rotation had not gone to the database.", again
	case i.Plan.Strategy == AlternatingUsers:
		return notChanged, label + " on its version. The user that AWSCURRENT names was not touched.", again
	}
	return atRisk, label + " on its version. The database may have its password already, and refuse AWSCURRENT.", again
}

// Undelivered is a request for which no execution could be started.
type Undelivered struct {
	Request Request
	By      string // what asked, such as "schedule ARN"
	Reason  string
	At      time.Time
	Runbook string // where the runbook is published. Optional.
}

// Ending returns the alert and the event about it.
func (u Undelivered) Ending() Ending {
	cause := u.By + " could not start the state machine: " + u.Reason
	return run{request: u.Request, now: u.At, runbook: u.Runbook}.end(NotStarted, Failure{Error: string(fault.RotationNotStarted), Cause: cause}, "")
}
