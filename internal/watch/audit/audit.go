// Package audit finds the rotations that did not happen. It does not rely on events, so it
// notices a rotation that never started like one that failed: from the configuration, the
// age of AWSCURRENT, the labels, and the running executions. It reads no secret values and
// connects to no database, except for [Heartbeat].
package audit

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// State is the state of a configured rotation.
type State string

// The states, the worst first. Overdue, Stuck, Missing and Unknown are findings; Failed and
// Attention were alerted when they happened.
const (
	Missing   State = "missing"         // the secret is gone, deleted, or has no AWSCURRENT
	Unknown   State = "unknown"         // the secret could not be examined
	Attention State = "needs attention" // a rotation did not finish: AWSCURRENT may be refused
	Stuck     State = "stuck"           // AWSPENDING was left behind, and no later rotation has repaired it
	Overdue   State = "overdue"         // a rotation window has passed without a rotation
	Failed    State = "failed"          // the last rotation failed and was undone
	Rotating  State = "rotating"        // an execution is rotating the secret, or Secrets Manager itself
	Waiting   State = "waiting"         // an execution waits for the rotation window
	OK        State = "ok"
)

// Finding reports whether somebody has to act.
func (s State) Finding() bool {
	return s == Missing || s == Unknown || s == Stuck || s == Overdue
}

// Status is the state of one configured rotation.
type Status struct {
	Secret      string            `json:"secret"`        // as configured
	ARN         string            `json:"arn,omitempty"` // "" when it could not be found
	Strategy    rotation.Strategy `json:"strategy,omitempty"`
	State       State             `json:"state"`
	Detail      string            `json:"detail,omitempty"`      // why, for people
	Since       *time.Time        `json:"since,omitempty"`       // when the state began; absent if unknown
	LastRotated *time.Time        `json:"lastRotated,omitempty"` // by Tumbler or Secrets Manager; absent if unknown
	StoredAt    *time.Time        `json:"storedAt,omitempty"`    // when AWSCURRENT was stored, by anybody
	NextWindow  *window.Window    `json:"nextWindow,omitempty"`  // or the open one; absent without a schedule
	Missed      int               `json:"missedWindows"`

	// Set if the executions were looked at: the most important one since the last success.
	LastOutcome   string     `json:"lastOutcome,omitempty"` // its ending
	LastError     string     `json:"lastError,omitempty"`
	LastEnded     *time.Time `json:"lastEnded,omitempty"`
	LastExecution string     `json:"lastExecution,omitempty"`

	Login string `json:"login"` // result of a login with AWSCURRENT: logs in, refused, or not tried
}

// The values of Status.Login.
const (
	LogsIn   = "logs in"
	Refused  = "refused"
	NotTried = "not tried"
)

// Registry lists the configured rotations.
type Registry interface {
	List(ctx context.Context) ([]registry.Entry, error)
}

// Secrets reads metadata.
type Secrets interface {
	rotation.Describer
	rotation.VersionDater
}

// Executions lists the ARNs of the running executions of a state machine.
type Executions interface {
	RunningIn(ctx context.Context, stateMachineARN string) ([]string, error)
}

// Auditor examines every configured rotation.
type Auditor struct {
	Registry     Registry
	Secrets      Secrets
	Executions   Executions
	StateMachine string // ARN
	Now          func() time.Time
}

const (
	// stuckAfter is longer than any rotation, with all retries and an existing rotation
	// function that runs for 15 minutes.
	stuckAfter = 2 * time.Hour

	// grace is the time for a rotation that began at the end of its window to finish.
	grace = 30 * time.Minute

	parallel = 8 // secrets at once
)

// Run returns the statuses, sorted by secret. A secret that cannot be examined is Unknown.
// Codes: those of the registry and of the list of executions.
func (a Auditor) Run(ctx context.Context) ([]Status, error) {
	entries, err := a.Registry.List(ctx)
	if err != nil {
		return nil, err
	}
	arns, err := a.Executions.RunningIn(ctx, a.StateMachine)
	if err != nil {
		return nil, err
	}
	running := map[string]string{} // version id -> the execution that writes it
	for _, arn := range arns {
		running[rotation.VersionID(arn)] = arn
	}
	statuses := make([]Status, len(entries))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, entry := range entries {
		g.Go(func() error {
			statuses[i] = a.look(ctx, entry, running)
			return nil
		})
	}
	_ = g.Wait() // errors are statuses
	return statuses, ctx.Err()
}

func (a Auditor) look(ctx context.Context, entry registry.Entry, running map[string]string) Status {
	s := &Status{Secret: entry.SecretID, State: OK, Login: NotTried}
	request, err := rotation.ParseRequest(entry.Input)
	if err != nil {
		return s.is(Unknown, "the configuration cannot be read: "+fault.From(err).Message(), nil)
	}
	s.Strategy = request.Strategy
	secret, err := a.Secrets.Describe(ctx, entry.SecretID)
	switch {
	case fault.Is(err, fault.SecretNotFound):
		return s.is(Missing, "there is no such secret", nil)
	case err != nil:
		return s.is(Unknown, fault.From(err).Message(), nil)
	}
	s.ARN = secret.ARN
	current := secret.Labels[rotation.Current]
	switch {
	case secret.Deleted:
		return s.is(Missing, "the secret is scheduled for deletion", nil)
	case current == "":
		return s.is(Missing, "no version is AWSCURRENT", nil)
	}
	stored, err := a.Secrets.CreatedAt(ctx, secret.ARN, current)
	if err != nil {
		return s.is(Unknown, fault.From(err).Message(), nil)
	}
	if !stored.IsZero() {
		s.StoredAt = new(stored.UTC())
		if rotation.MadeByRotation(current) || secret.NativeRotationARN != "" {
			s.LastRotated = s.StoredAt
		}
	}
	windows, err := a.windows(request, entry, stored)
	if err != nil {
		return s.is(Unknown, "the schedule cannot be read: "+err.Error(), nil)
	}
	s.NextWindow, s.Missed = windows.next, windows.missed
	return a.judge(ctx, s, secret, windows, running)
}

// is sets the state.
func (s *Status) is(state State, detail string, since *time.Time) Status {
	s.State, s.Detail, s.Since = state, detail, since
	return *s
}

// judge determines the state of a secret that exists.
func (a Auditor) judge(ctx context.Context, s *Status, secret rotation.Metadata, w windows, running map[string]string) Status {
	current, pending, left := secret.Labels[rotation.Current], secret.Labels[rotation.Pending], secret.Unfinished()
	if pending != "" && pending != current { // on AWSCURRENT it has no meaning
		if arn := running[pending]; arn != "" {
			return s.is(Rotating, arn, nil)
		}
		created, err := a.Secrets.CreatedAt(ctx, secret.ARN, pending)
		if err != nil {
			return s.is(Unknown, fault.From(err).Message(), nil)
		}
		if since := created.UTC().Add(stuckAfter); since.Before(a.Now()) {
			return s.is(Stuck, "AWSPENDING is on version "+pending+", which no running execution writes; rotate the secret to repair it", &since)
		}
		byRotation := left[rotation.Hold(pending)] == pending || rotation.MadeByRotation(pending)
		switch {
		case !byRotation && secret.NativeRotationARN == "":
			return s.is(Stuck, "AWSPENDING was put on version "+pending+" by hand: no rotation runs. Rotate the secret: the next one tries that password and takes the label off", new(created.UTC()))
		case !byRotation && w.missed == 0:
			return s.is(Rotating, "by Secrets Manager itself", nil)
		}
	}
	switch {
	case w.missed > 0:
		return s.is(Overdue, w.why(), &w.overdueSince)
	case len(left) == 1 && left[rotation.GivenUp] != "":
		return s.is(Failed, "the last rotation failed and was undone", nil)
	case len(left) > 0:
		return s.is(Attention, "a rotation did not finish; whether AWSCURRENT logs in is not known. Rotate the secret: the next rotation finds out, and repairs it if any password that it knows works", nil)
	}
	return *s
}
