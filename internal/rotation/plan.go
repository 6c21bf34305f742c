package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Plan decides whether a secret is rotated now. It reads metadata only: it has
// no right to read a value and no way to the database.
type Plan struct {
	Secrets interface {
		Describer
		VersionDater
	}
	Executions Executions
	Registry   Registry // nil: every request stands for itself
	Region     string   // where this runs
	RotatorARN string   // Tumbler's own native rotation function. Optional.
	Functions  []string // ARNs of the rotation functions that a request may name
	Now        func() time.Time

	EventInterval time.Duration // how old AWSCURRENT is at least before an event rotates it. 0: any age
}

// PlanInput is what the state machine hands to Plan.
type PlanInput struct {
	Request   json.RawMessage `json:"request"`
	Execution Execution       `json:"execution"`
}

// Run returns the plan. Codes: InvalidRequest, NotConfigured, SecretNotFound,
// SecretDeleted, SecretIsReplica, SecretManaged, NativeRotationEnabled, TooSoon,
// and AWS's own.
func (p Plan) Run(ctx context.Context, in PlanInput) (Planned, error) {
	request, err := ParseRequest(in.Request)
	if err != nil {
		return Planned{}, err
	}
	secret, err := p.Secrets.Describe(ctx, request.SecretID)
	if err != nil {
		return Planned{}, err
	}
	if err := p.checkRotatable(secret); err != nil {
		return Planned{}, err
	}
	if request, err = p.configured(ctx, request, secret); err != nil {
		return Planned{}, err
	}
	if err := p.allowed(request); err != nil {
		return Planned{}, err
	}
	if err := p.notTooSoon(ctx, request, secret); err != nil {
		return Planned{}, err
	}
	now := p.Now()
	window, next, frozen, err := request.forRun(now)
	if err != nil {
		return Planned{}, err
	}
	plan := Planned{
		Decision:          Rotate,
		SecretARN:         secret.ARN,
		SecretName:        secret.Name,
		Strategy:          request.Strategy,
		VersionID:         VersionID(in.Execution.ARN),
		CurrentVersionID:  secret.Labels[Current],
		PendingVersionID:  secret.Labels[Pending],
		PreviousVersionID: secret.Labels[Previous],
		LastVersionID:     secret.Labels[Own],
		Replicated:        len(secret.Replicas) > 0,
		SuperuserSecretID: request.SuperuserSecretID,
		RecoverPassword:   request.RecoverPassword,
		RotationFunction:  request.RotationFunction,
		Password:          request.Password,
		Window:            window,
		NextWindow:        next,
		Schedule:          request.Schedule,
	}
	plan.Heals = plan.heldByAnother(plan.PendingVersionID) || plan.abandoned()
	run := run{request: request, execution: in.Execution, plan: plan, now: now}

	if plan.heldByAnother(plan.PendingVersionID) {
		busy, err := p.busy(ctx, in.Execution.ARN, secret, now)
		if err != nil {
			return Planned{}, err
		}
		if busy != nil {
			return run.reject(busy), nil
		}
	}
	if frozen != "" {
		return run.reject(fault.New(fault.WindowClosed, "scheduled rotations are frozen: "+frozen, run.nextHint())), nil
	}
	return run.decideWindow(), nil
}

// allowed refuses a rotation function that nobody has allowed.
func (p Plan) allowed(request Request) error {
	if f := request.RotationFunction; f != "" && !slices.Contains(p.Functions, f) {
		return invalidRequest("field rotationFunction is "+f+", which was not allowed when Tumbler was deployed",
			"List it as rotationFunction of a rotation in rotations.yaml and deploy")
	}
	return nil
}

// nativeGrace is how long a rotation by Secrets Manager itself is given before
// its AWSPENDING counts as the remains of a dead one. Our rotator's four steps
// take four minutes at most.
const nativeGrace = 15 * time.Minute

// busy says who is rotating the secret, or nil when AWSPENDING is the remains of
// a rotation that died.
func (p Plan) busy(ctx context.Context, self string, secret Metadata, now time.Time) (*fault.Error, error) {
	holder := secret.Labels[Pending]
	owner, err := ownerOf(ctx, p.Executions, self, holder)
	if err != nil {
		return nil, err
	}
	if owner != "" {
		return alreadyRotating(owner), nil
	}
	if secret.NativeRotationARN == "" {
		return nil, nil
	}
	created, err := p.Secrets.CreatedAt(ctx, secret.ARN, holder)
	if err != nil {
		return nil, err
	}
	if until := created.Add(nativeGrace); now.Before(until) {
		return fault.New(fault.AlreadyRotating,
			fmt.Sprintf("Secrets Manager itself has been rotating this secret since %s, as version %s", stamp(created), holder),
			"Nothing to do; should it fail, a rotation after "+stamp(until)+" takes it over"), nil
	}
	return nil, nil
}

// configured completes a manual request or an event by the secret's own
// configuration.
func (p Plan) configured(ctx context.Context, request Request, secret Metadata) (Request, error) {
	if p.Registry == nil || (request.Trigger.Source != SourceManual && request.Trigger.Source != SourceEvent) {
		return request, nil
	}
	raw, found, err := p.Registry.Lookup(ctx, secret.ARN, secret.Name)
	if err != nil {
		return Request{}, err
	}
	if !found {
		return Request{}, fault.New(fault.NotConfigured, "no rotation is configured for secret "+secret.Name,
			"Add it to rotations.yaml and deploy; schedule is optional there")
	}
	complete, err := decodeRequest(raw)
	if err != nil {
		return Request{}, err
	}
	complete.Trigger, complete.OutsideWindow = request.Trigger, request.OutsideWindow
	if err := complete.complete(); err != nil {
		return Request{}, err
	}
	return complete, nil
}

// checkRotatable refuses secrets that are not Tumbler's to rotate.
func (p Plan) checkRotatable(s Metadata) error {
	switch {
	case s.Deleted:
		return fault.New(fault.SecretDeleted, fmt.Sprintf("secret %s is scheduled for deletion", s.Name),
			"Restore it (secretsmanager restore-secret) or remove its rotation")
	case s.PrimaryRegion != "" && s.PrimaryRegion != p.Region:
		return fault.New(fault.SecretIsReplica,
			fmt.Sprintf("secret %s is a replica; its primary is in %s", s.Name, s.PrimaryRegion),
			"Rotate it in "+s.PrimaryRegion+": replicas follow")
	case s.OwningService != "":
		return fault.New(fault.SecretManaged,
			fmt.Sprintf("secret %s is managed by %s, which rotates it", s.Name, s.OwningService),
			"Change its rotation in that service, or remove it from Tumbler's configuration")
	case s.NativeRotationARN != "" && s.NativeRotationARN != p.RotatorARN:
		return fault.New(fault.NativeRotationEnabled,
			fmt.Sprintf("secret %s is rotated by Secrets Manager itself through %s", s.Name, s.NativeRotationARN),
			"Two rotations would lock each other out: switch one off (secretsmanager cancel-rotate-secret)")
	case s.Labels[Current] == "":
		return fault.New(fault.SecretNotFound, fmt.Sprintf("secret %s has no version labelled AWSCURRENT", s.Name),
			"Store the credentials that the database accepts (secretsmanager put-secret-value)")
	}
	return nil
}

// heldByAnother reports whether holder is a version of neither this execution
// nor AWSCURRENT: AWS leaves AWSPENDING on AWSCURRENT after some rotations,
// which means nothing.
func (p Planned) heldByAnother(holder string) bool {
	return holder != "" && holder != p.VersionID && holder != p.CurrentVersionID
}

// abandoned reports whether what the last run wrote never became AWSCURRENT: then
// it is neither that nor what was so before.
func (p Planned) abandoned() bool {
	switch p.LastVersionID {
	case "", p.VersionID, p.CurrentVersionID, p.PreviousVersionID:
		return false
	}
	return true
}

// ownerOf returns the running execution that writes versionID, or "".
func ownerOf(ctx context.Context, executions Executions, self, versionID string) (string, error) {
	running, err := executions.Running(ctx, self)
	if err != nil {
		return "", err
	}
	for _, arn := range running {
		if arn != self && VersionID(arn) == versionID {
			return arn, nil
		}
	}
	return "", nil
}

func alreadyRotating(owner string) *fault.Error {
	return fault.New(fault.AlreadyRotating, "execution "+owner+" is rotating this secret",
		"Nothing to do: watch that execution")
}

// decideWindow turns the window and the wish for what to do outside it into a
// decision.
func (r run) decideWindow() Planned {
	w := r.plan.Window
	switch {
	case w == nil, w.contains(r.now):
		return r.plan
	case r.request.OutsideWindow == OutsideRotate:
		r.plan.Window = nil
		return r.plan
	case r.request.OutsideWindow == OutsideWait:
		return r.wait()
	}
	return r.reject(r.closed())
}

// wait waits for the window, or the next one.
func (r run) wait() Planned {
	w := r.plan.Window
	if !r.now.Before(w.OpensAt) {
		w = r.plan.NextWindow
	}
	if w == nil {
		return r.reject(r.closed())
	}
	if w.OpensAt.Sub(r.now) > longestWait {
		return r.reject(fault.New(fault.WindowClosed,
			fmt.Sprintf("the rotation window opens at %s, more than %d days from now", stamp(w.OpensAt), longestWait/(24*time.Hour)),
			"Ask again nearer to it, or leave it to the schedule"))
	}
	r.plan.Decision, r.plan.Window = Wait, w
	return r.plan
}

// closed says that now is outside the window and when the next one is.
func (r run) closed() *fault.Error {
	w := r.plan.Window
	when := "opens at " + stamp(w.OpensAt)
	if !r.now.Before(w.OpensAt) {
		when = "closed at " + stamp(w.ClosesAt)
	}
	return fault.New(fault.WindowClosed, fmt.Sprintf("it is %s and the rotation window %s", stamp(r.now), when), r.nextHint())
}

func (r run) nextHint() string {
	const otherwise = "Rotate all the same with outsideWindow \"rotate\" (tumbler rotate --outside-window)"
	if next := r.plan.nextWindow(r.now); next != nil {
		return fmt.Sprintf("The next window is from %s to %s. %s", stamp(next.OpensAt), stamp(next.ClosesAt), otherwise)
	}
	return otherwise
}

// reject ends the run before anything was touched.
func (r run) reject(why *fault.Error) Planned {
	r.plan.Decision = Reject
	ending := r.end(outcomeFor(why.Code, Refused), failureOf(why), "")
	r.plan.Ending = &ending
	return r.plan
}
