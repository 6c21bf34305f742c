package rotation

import (
	"context"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// The checks that do not connect to the database.

// planner is the step Plan, whose checks come first.
func (f *inspection) planner() Plan {
	return Plan{
		Secrets: f.Secrets, Executions: f.Executions, Registry: f.Registry, Open: f.Open, Region: f.Region,
		RotatorARN: f.RotatorARN, Functions: f.Functions, Now: f.Now,
	}
}

func (f *inspection) checkRequest(context.Context) (_ finding, err error) {
	if f.request, err = ParseRequest(f.raw); err != nil {
		return finding{}, err
	}
	return found("well-formed, for secret %s", f.request.SecretID)
}

func (f *inspection) checkSecret(ctx context.Context) (_ finding, err error) {
	if f.secret, err = f.Secrets.Describe(ctx, f.request.SecretID); err != nil {
		return finding{}, err
	}
	// The other checks still run, so that a person learns of all faults at once.
	f.known["secret"] = !f.secret.Deleted
	f.result.SecretARN, f.result.SecretName = f.secret.ARN, f.secret.Name
	if err := f.planner().checkRotatable(f.secret); err != nil {
		return finding{}, err
	}
	return found("%s is Tumbler's to rotate", f.secret.Name)
}

func (f *inspection) checkConfiguration(ctx context.Context) (_ finding, err error) {
	if f.request, err = f.planner().configured(ctx, f.raw, f.request, f.secret); err != nil {
		return finding{}, err
	}
	f.known["configuration"] = true
	f.result.Strategy = f.request.Strategy
	f.plan = planFor(f.request, f.secret, "")
	if err := f.planner().allowed(f.request); err != nil {
		return finding{}, err
	}
	return found("strategy %s", f.request.Strategy)
}

func (f *inspection) checkCredentials(ctx context.Context) (finding, error) {
	value, id, err := f.Secrets.Value(ctx, f.secret.ARN, Version{Label: Current})
	if err != nil {
		return finding{}, err
	}
	f.currentID = id
	if f.current, err = secretdoc.Parse(value); err != nil {
		return finding{}, err
	}
	if err := f.plan.checkUsername(f.current); err != nil {
		return finding{}, err
	}
	result := finding{message: fmt.Sprintf("AWSCURRENT is of user %q on %s:%d", f.current.Username, f.current.Host, f.current.Port)}
	var hints []string
	if keys := f.plan.staleKeys(f.current); len(keys) > 0 {
		hints = append(hints, fmt.Sprintf("The password stands in the keys %q as well, which would keep the old one. Name them in alsoUpdate if applications read them", keys))
	}
	plan := f.plan // zero if the configuration is at fault
	plan.SecretARN, plan.PreviousVersionID = f.secret.ARN, f.secret.Labels[Previous]
	moved, err := hasMoved(ctx, f.Secrets, plan, f.current)
	if err != nil {
		return finding{}, err
	}
	if moved {
		hints = append(hints, adviceMoved)
	}
	if f.plan.RecoverPassword && f.plan.Username == "" {
		hints = append(hints, `Name the user in rotations.yaml ("username"): without it the superuser resets whom all versions of the secret name, and Secrets Manager forgets versions in time`)
	}
	result.hint = strings.Join(hints, ". ")
	return result, nil
}

func (f *inspection) checkEngine(context.Context) (_ finding, err error) {
	if f.plan.RotationFunction != "" {
		return found("rotation function %s sets and tests passwords", f.plan.RotationFunction)
	}
	if err := f.plan.canTalkTo(f.current); err != nil {
		return finding{}, err
	}
	if f.database, err = f.plan.databaseOf(f.Databases, f.current); err != nil {
		return finding{}, err
	}
	return found("Tumbler talks to %s", f.current.Engine)
}

func (f *inspection) checkWindow(context.Context) (finding, error) {
	decided, err := f.plan.inWindow(f.request, f.at)
	if err != nil {
		return finding{}, err
	}
	w := decided.Window
	switch {
	case decided.Decision == Wait:
		return found("closed; the rotation would wait until it opens at %s", stamp(w.OpensAt))
	case w != nil:
		return found("open until %s", stamp(w.ClosesAt))
	case f.request.Schedule != nil || f.request.Window != nil:
		return found("closed, and to be disregarded")
	}
	return found("none: at any time")
}

// checkOthers looks for a rotation that is running, and for versions that a dead one left.
func (f *inspection) checkOthers(ctx context.Context) (finding, error) {
	left := f.plan.leftovers()
	if len(left) == 0 {
		if f.plan.Unfinished[GivenUp] != "" {
			return found("none. The last one failed and was undone")
		}
		return found("none")
	}
	if f.StateMachineARN == "" {
		return skip("version %s is an unfinished rotation's; not checked whose it is, because this function was not told its state machine", left[0])
	}
	// An execution of the state machine that does not exist, and so owns no version.
	self := strings.Replace(f.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":preflight"
	if err := f.planner().busy(ctx, self, f.secret, f.plan); err != nil {
		return finding{}, err
	}
	if !f.known["credentials"] {
		return skip("a rotation died and left version %s; not checked what is in it", left[0])
	}
	account, err := target(f.plan, f.current)
	if err != nil {
		return finding{}, err
	}
	taken, err := findLeftover(ctx, f.Secrets, f.plan, account)
	if err != nil {
		return finding{}, err
	}
	if f.left = taken.password; f.left.IsEmpty() {
		return found("a rotation died and left version %s, without a password of its own for this account: the next one replaces it", left[0])
	}
	return found("a rotation died and left version %s: the next one takes its password over, since the database may have it", taken.versionID)
}

func (f *inspection) checkNames(context.Context) (_ finding, err error) {
	if f.plan.Strategy != AlternatingUsers {
		return found("no clone is needed")
	}
	if f.users, err = pairOf(f.current); err != nil {
		return finding{}, err
	}
	return found("%q and %q take turns; %q is next", f.users.original, f.users.clone, f.users.target)
}

func (f *inspection) checkPolicy(context.Context) (finding, error) {
	policy := f.plan.Password.policy(f.current.Traits())
	types, err := policy.possible()
	if err != nil {
		return finding{}, err
	}
	alphabet := strings.Join(types, "")
	hint, err := f.wouldStore(policy, alphabet)
	if err != nil {
		return finding{}, err
	}
	return finding{message: fmt.Sprintf("%d characters of %d different ones", policy.Length, len(alphabet)), hint: hint}, nil
}

// wouldStore builds the value that CreateSecret would store, with sample passwords: one for
// each allowed character, since characters differ in length when they are encoded.
func (f *inspection) wouldStore(policy PasswordPolicy, alphabet string) (hint string, err error) {
	account, err := target(f.plan, f.current)
	if err != nil {
		return "", nil // the check of user names reports it
	}
	var refused error
	fits := false
	for _, c := range alphabet {
		if _, err := f.plan.next(f.current, account, redact.New(strings.Repeat(string(c), policy.Length))); err != nil {
			refused = err
		} else {
			fits = true
		}
	}
	switch {
	case refused == nil:
		return "", nil
	case !fits:
		return "", refused
	}
	return "It depends on the new password: " + fault.From(refused).Op, nil
}
