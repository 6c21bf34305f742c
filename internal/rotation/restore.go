package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Restore repairs the secret after a failure. It finds out which password the database
// accepts and makes AWSCURRENT log in. It moves labels and changes the database's
// password, but has no permission to write values.
type Restore struct {
	Secrets interface {
		SecretReader
		LabelMover
	}
	Databases Databases
	Servers   Servers
	Runbook   string // URL of the runbook, for alerts. Optional.
	Now       func() time.Time
	Sleep     func(ctx context.Context, d time.Duration) error // Default: the machine's clock.
}

// RestoreInput is the execution's whole state when a step failed.
type RestoreInput struct {
	Request   json.RawMessage `json:"request"`
	Execution Execution       `json:"execution"`
	Plan      Planned         `json:"plan"`
	Create    Created         `json:"create"`
	Progress  Progress        `json:"progress"`
	Set       *SetResult      `json:"set"`
	Test      *TestResult     `json:"test"`
	Failure   Failure         `json:"failure"`
	State     State           `json:"state"`
	Retries   int             `json:"retries"` // maximum number of retries by the state machine
}

// State is the context object's part about the state that calls a function. It is passed
// as a whole, like [Context].
type State struct {
	RetryCount int `json:"RetryCount"` // of earlier attempts of the same state
}

// Run restores the secret and returns how the rotation ended. It may be repeated. A
// temporary error (the database cannot be reached, AWS throttles) is returned as long as
// the state machine retries; no label is moved until the database has shown which password
// works.
//
// Run concludes nothing from missing data: unless the state says that no step that changes
// the database was entered, the database is asked.
func (r Restore) Run(ctx context.Context, in RestoreInput) (Ending, error) {
	in.Plan = in.Plan.made()
	request, _ := ParseRequest(in.Request) // Plan has reported errors in it
	end := run{request: request, execution: in.Execution, plan: in.Plan, step: in.failedStep(), now: r.Now(), runbook: r.Runbook, moved: in.Create.Moved, reset: in.Progress.reset()}
	if in.Plan.Decision != Rotate {
		if secret, err := r.Secrets.Describe(ctx, request.SecretID); err == nil {
			end.plan.SecretARN, end.plan.SecretName = secret.ARN, secret.Name // for the alert
		}
		return end.notChanged(in.Failure, "nothing: no step had run."), nil
	}
	secret, err := r.Secrets.Describe(ctx, in.Plan.SecretARN)
	switch {
	case in.entered(), err == nil && secret.Labels[Current] == in.Plan.VersionID:
		if err != nil {
			return r.unproven(end, in, err)
		}
		return r.reconcile(ctx, end, in)
	case in.triedAgain(err):
		return Ending{}, err
	case fault.CodeOf(err).Retryable():
		return end.leftBehind(in.Failure, err), nil
	case err != nil:
		return end.notChanged(in.Failure, "nothing: no step had gone to the database."), nil
	}
	did, err := r.undoLabels(ctx, in.Plan, secret.Labels)
	switch {
	case in.triedAgain(err):
		return Ending{}, err
	case fault.CodeOf(err).Retryable():
		return end.leftBehind(in.Failure, err), nil
	case err != nil:
		did = "could not take its labels off (" + fault.From(err).Error() + "), which the next rotation will do."
	}
	return end.notChanged(in.Failure, did), nil
}

// triedAgain reports whether the state machine retries after this error.
func (in RestoreInput) triedAgain(err error) bool {
	last := in.Retries > 0 && in.State.RetryCount >= in.Retries
	return fault.CodeOf(err).Retryable() && !last
}

// entered reports whether a step that changes the database may have run: after Ready, or,
// with an existing rotation function, after CreateSecret.
func (in RestoreInput) entered() bool {
	return in.Progress.Database != NotEntered || in.Plan.RotationFunction != "" && in.Create.Attempts > 0
}

// failedStep is the state that failed. It is only shown to people.
func (in RestoreInput) failedStep() string {
	switch {
	case in.Plan.Decision != Rotate:
		return "Plan"
	case !in.entered() && in.Create.Attempts > 0:
		return readyState
	case !in.entered():
		return "CreateSecret"
	case in.Set == nil:
		return "SetSecret"
	case in.Test == nil:
		return "TestSecret"
	}
	return "FinishSecret"
}

// undoLabels takes off the labels of a rotation that never changed the database. Those on a
// password that it may have taken over from an earlier one stay: the database may have it.
func (r Restore) undoLabels(ctx context.Context, plan Planned, labels map[string]string) (did string, err error) {
	hold := Hold(plan.VersionID)
	needed, err := r.needed(ctx, plan, labels)
	if err != nil {
		return "", err
	}
	if needed {
		return "kept AWSPENDING: it may hold the password of a rotation before this one, which the next one takes over.", nil
	}
	did = "nothing: no step had gone to the database."
	if labels[Pending] == plan.VersionID {
		if _, err = r.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, plan.VersionID, ""); err == nil {
			did = "took AWSPENDING off: no step had gone to the database."
		}
	}
	if err == nil && labels[hold] == plan.VersionID {
		_, err = r.Secrets.MoveLabel(ctx, plan.SecretARN, hold, plan.VersionID, "")
	}
	return did, err
}

// needed reports whether this rotation's version may hold a password that was taken over
// and that the database has. It is not needed if AWSCURRENT has that password by now,
// because a faster rotation has taken over the same and succeeded.
func (r Restore) needed(ctx context.Context, plan Planned, labels map[string]string) (bool, error) {
	if labels[Pending] != plan.VersionID || len(plan.leftovers()) == 0 {
		return false, nil
	}
	current, err := ReadDocument(ctx, r.Secrets, plan.SecretARN, Version{ID: labels[Current]})
	if err == nil {
		var own secretdoc.Document
		if own, err = ReadDocument(ctx, r.Secrets, plan.SecretARN, Version{ID: plan.VersionID}); err == nil {
			return sameAccount(own, current, Pending) != nil || !own.Password.Equal(current.Password), nil
		}
	}
	if fault.CodeOf(err).Retryable() {
		return false, err
	}
	return true, nil // unknown
}

// reconcile finds out which password works, makes AWSCURRENT log in, and takes the labels
// off.
func (r Restore) reconcile(ctx context.Context, end run, in RestoreInput) (Ending, error) {
	noted := in.Progress.reset()
	s := settlement{attempt: attempt{plan: in.Plan, secrets: r.Secrets, servers: r.Servers, now: r.Now, noted: noted}, sleep: r.Sleep, reset: noted}
	if err := s.run(ctx, r.Databases); fault.Is(err, fault.SuperuserNeeded) {
		return Ending{}, err
	} else if err != nil {
		end.reset = s.reset
		return r.unproven(end, in, err, s.did...)
	}
	if err := r.takeOff(ctx, &s); in.triedAgain(err) {
		return Ending{}, err
	}
	end.now = r.Now()
	if s.labels[Current] == in.Plan.VersionID {
		return end.rotatedAfterAll(in, s), nil
	}
	return end.restored(in, s), nil
}

// takeOff takes this execution's labels off if its password was shown not to work. An error
// does not affect applications: the next rotation finds labels that are left.
func (r Restore) takeOff(ctx context.Context, s *settlement) error {
	own := s.plan.VersionID
	var moves []labelMove
	switch {
	case s.labels[Current] == own:
		moves = s.plan.settled()
	case s.keep:
		moves = []labelMove{{Pending, own, ""}}
	case s.pending.Password.Equal(s.current.Password): // another rotation has taken it over and succeeded
		moves = []labelMove{{Pending, own, ""}, {Hold(own), own, ""}}
	default:
		moves = []labelMove{{Pending, own, ""}, {GivenUp, s.labels[GivenUp], own}, {Hold(own), own, ""}}
	}
	for _, m := range moves {
		if s.labels[m.label] != m.from || m.from == m.to {
			continue
		}
		moved, err := r.Secrets.MoveLabel(ctx, s.plan.SecretARN, m.label, m.from, m.to)
		if err != nil {
			s.say("could not move label %s (%s), which the next rotation will do", m.label, fault.From(err).Error())
			return err
		}
		if moved && m.label == Pending {
			s.say("took AWSPENDING off")
		}
	}
	return nil
}

// unproven returns a temporary error for a retry, and otherwise ends in NeedsAttention.
func (r Restore) unproven(end run, in RestoreInput, err error, did ...string) (Ending, error) {
	if in.triedAgain(err) {
		return Ending{}, err
	}
	why := fault.From(err)
	did = append(did, fmt.Sprintf("could not prove that AWSCURRENT works (%s), so it kept every label: AWSPENDING may be the only password that works", why.Error()))
	return end.needsAttention(in.Failure, why, sentence(did)), nil
}
