package rotation

import (
	"context"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// The checks that need no way to the database.

// planner is the step whose questions come first.
func (f *flight) planner() Plan {
	return Plan{
		Secrets: f.Secrets, Executions: f.Executions, Registry: f.Registry, Region: f.Region,
		RotatorARN: f.RotatorARN, Functions: f.Functions, Now: f.Now,
	}
}

func (f *flight) checkRequest(context.Context) (_ finding, err error) {
	if f.request, err = ParseRequest(f.raw); err != nil {
		return finding{}, err
	}
	return found("well-formed, for secret %s", f.request.SecretID)
}

func (f *flight) checkSecret(ctx context.Context) (_ finding, err error) {
	if f.secret, err = f.Secrets.Describe(ctx, f.request.SecretID); err != nil {
		return finding{}, err
	}
	// Who has to put this right wants to know at once what else is wrong.
	f.known["secret"] = !f.secret.Deleted
	f.result.SecretARN, f.result.SecretName = f.secret.ARN, f.secret.Name
	if err := f.planner().checkRotatable(f.secret); err != nil {
		return finding{}, err
	}
	return found("%s is Tumbler's to rotate", f.secret.Name)
}

func (f *flight) checkConfiguration(ctx context.Context) (_ finding, err error) {
	if f.request, err = f.planner().configured(ctx, f.request, f.secret); err != nil {
		return finding{}, err
	}
	f.known["configuration"] = true
	f.result.Strategy = f.request.Strategy
	f.plan = Planned{
		Decision: Rotate, SecretARN: f.secret.ARN, SecretName: f.secret.Name, Strategy: f.request.Strategy,
		CurrentVersionID: f.secret.Labels[Current], PendingVersionID: f.secret.Labels[Pending],
		PreviousVersionID: f.secret.Labels[Previous], LastVersionID: f.secret.Labels[Own],
		SuperuserSecretID: f.request.SuperuserSecretID, RecoverPassword: f.request.RecoverPassword,
		RotationFunction: f.request.RotationFunction, Password: f.request.Password,
	}
	if err := f.planner().allowed(f.request); err != nil {
		return finding{}, err
	}
	return found("strategy %s", f.request.Strategy)
}

func (f *flight) checkCredentials(ctx context.Context) (finding, error) {
	value, _, err := f.Secrets.Value(ctx, f.secret.ARN, Version{Label: Current})
	if err != nil {
		return finding{}, err
	}
	if f.current, err = secretdoc.Parse(value); err != nil {
		return finding{}, err
	}
	return found("AWSCURRENT is of user %q on %s:%d", f.current.Username, f.current.Host, f.current.Port)
}

func (f *flight) checkEngine(context.Context) (_ finding, err error) {
	if f.plan.RotationFunction != "" {
		return found("rotation function %s sets and tests passwords", f.plan.RotationFunction)
	}
	if err := f.plan.canTalkTo(f.current); err != nil {
		return finding{}, err
	}
	if f.database, err = f.Databases.For(f.current); err != nil {
		return finding{}, err
	}
	return found("Tumbler talks to %s", f.current.Engine)
}

func (f *flight) checkWindow(context.Context) (finding, error) {
	window, next, _, err := f.request.forRun(f.now)
	if err != nil {
		return finding{}, err
	}
	f.plan.Window, f.plan.NextWindow = window, next
	decided := run{request: f.request, plan: f.plan, now: f.now}.decideWindow()
	switch {
	case decided.Decision == Reject && f.request.OutsideWindow == OutsideWait:
		return finding{}, fault.New(fault.WindowClosed, decided.Ending.Cause, "")
	case decided.Decision == Reject:
		return finding{}, run{request: f.request, plan: f.plan, now: f.now}.closed()
	case decided.Decision == Wait:
		return found("closed; the rotation would wait until it opens at %s", stamp(decided.Window.OpensAt))
	case window == nil:
		return found("none: at any time")
	case decided.Window == nil:
		return found("closed, and to be disregarded")
	}
	return found("open until %s", stamp(window.ClosesAt))
}

// checkOthers looks for a rotation that is under way, and for what a dead one has
// left.
func (f *flight) checkOthers(ctx context.Context) (finding, error) {
	if !f.plan.heldByAnother(f.plan.PendingVersionID) {
		if f.plan.abandoned() {
			return found("none. The last one was given up; its password is tried should AWSCURRENT be refused")
		}
		return found("none")
	}
	if f.StateMachineARN == "" {
		return skip("AWSPENDING is on version %s; not checked whose it is, because this function was not told its state machine", f.plan.PendingVersionID)
	}
	// An execution that is not there: it belongs to the state machine and owns
	// no version.
	self := strings.Replace(f.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":preflight"
	busy, err := f.planner().busy(ctx, self, f.secret, f.now)
	if err != nil {
		return finding{}, err
	}
	if busy != nil {
		return finding{}, busy
	}
	if !f.known["credentials"] {
		return skip("a rotation died and left AWSPENDING on version %s; not checked what is in it", f.plan.PendingVersionID)
	}
	account, err := target(f.plan, f.current)
	if err != nil {
		return finding{}, err
	}
	if f.left, err = leftBehind(ctx, f.Secrets, f.plan, account); err != nil {
		return finding{}, err
	}
	if f.left.IsEmpty() {
		return found("a rotation died and left AWSPENDING on version %s, without a password of its own: the next one replaces it", f.plan.PendingVersionID)
	}
	return found("a rotation died and left AWSPENDING on version %s: the next one takes its password over, since the database may have it", f.plan.PendingVersionID)
}

func (f *flight) checkNames(context.Context) (_ finding, err error) {
	if f.plan.Strategy != AlternatingUsers {
		return found("no clone is needed")
	}
	if f.users, err = pairOf(f.current); err != nil {
		return finding{}, err
	}
	return found("%q and %q take turns; %q is next", f.users.original, f.users.clone, f.users.target)
}

func (f *flight) checkPolicy(context.Context) (finding, error) {
	policy := f.plan.Password.policy(f.current.Traits())
	alphabet, err := policy.possible()
	if err != nil {
		return finding{}, err
	}
	return found("%d characters of %d different ones", policy.Length, alphabet)
}
