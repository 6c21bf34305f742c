package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Create stores the new password and stages it AWSPENDING. It has no way to
// the database.
type Create struct {
	Secrets interface {
		Describer
		ValueReader
		VersionWriter
		LabelMover
	}
	Executions Executions
	Now        func() time.Time
}

// CreateResult tells what Create did.
type CreateResult struct {
	// Adopted is true when the password is that of a rotation that died: it may
	// already be in the database.
	Adopted bool `json:"adopted"`
}

// Run makes the version. It may be repeated: the version keeps the password
// that the first attempt stored. Codes: WindowClosed, InvalidSecret,
// SecretChanged, AlreadyRotating, ReplicaLagging, and AWS's own.
func (c Create) Run(ctx context.Context, in StepInput) (CreateResult, error) {
	plan := in.Plan
	if err := plan.checkOpen(c.Now()); err != nil {
		return CreateResult{}, err
	}
	ctx, cancel := plan.untilClosed(ctx, c.Now())
	defer cancel()
	current, err := readCurrent(ctx, c.Secrets, plan)
	if err != nil {
		return CreateResult{}, err
	}
	if err := plan.canTalkTo(current); err != nil {
		return CreateResult{}, err
	}
	account, err := target(plan, current)
	if err != nil {
		return CreateResult{}, err
	}
	if plan.Strategy == AlternatingUsers {
		if _, err := superuserSecret(plan, current); err != nil {
			return CreateResult{}, err
		}
	}
	password, adopted, err := c.password(ctx, plan, account)
	if err != nil {
		return CreateResult{}, err
	}
	next := account.WithPassword(password).Encode()
	if err := c.Secrets.PutVersion(ctx, plan.SecretARN, plan.VersionID, Own, next); err != nil {
		return CreateResult{}, err
	}
	if err := c.claim(ctx, plan, in.Execution.ARN); err != nil {
		return CreateResult{}, err
	}
	if !adopted && plan.heldByAnother(plan.PendingVersionID) {
		if err := c.giveBackIfFilled(ctx, plan, account); err != nil {
			return CreateResult{}, err
		}
	}
	if plan.Replicated {
		if err := c.checkReplicas(ctx, plan); err != nil {
			return CreateResult{}, err
		}
	}
	return CreateResult{Adopted: adopted}, nil
}

// canTalkTo refuses databases that nothing serves.
func (p Planned) canTalkTo(current secretdoc.Document) error {
	if current.Traits().Family == "" && p.RotationFunction == "" {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("key \"engine\" is %q, which Tumbler cannot talk to by itself", current.Engine),
			"Name an existing rotation function for it (rotationFunction), which then runs the set and test steps")
	}
	return nil
}

// giveBackIfFilled looks again at the empty version that AWSPENDING was taken
// from. Native rotation stages a version before it has a value; if it has one
// now, that rotation is alive and about to change the database.
func (c Create) giveBackIfFilled(ctx context.Context, plan Planned, account secretdoc.Document) error {
	filled, err := leftBehind(ctx, c.Secrets, plan, account)
	if err != nil || filled.IsEmpty() {
		return err
	}
	if _, err := c.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, plan.VersionID, plan.PendingVersionID); err != nil {
		return err
	}
	return fault.New(fault.AlreadyRotating, "Secrets Manager itself is rotating this secret, as version "+plan.PendingVersionID,
		"Nothing to do: watch the secret's rotation status")
}

// password returns the one that a dead rotation left pending, because that may
// be the one the database has, or else a new one.
func (c Create) password(ctx context.Context, plan Planned, account secretdoc.Document) (redact.String, bool, error) {
	if plan.heldByAnother(plan.PendingVersionID) {
		left, err := leftBehind(ctx, c.Secrets, plan, account)
		if err != nil || !left.IsEmpty() {
			return left, true, err
		}
	}
	password, err := newPassword(ctx, c.Secrets, plan.Password, account)
	return password, false, err
}

// leftBehind returns the pending password of a dead rotation, or "" when there
// is none: native rotation leaves a version without a value, and a password
// that AWSCURRENT has too needs no care.
func leftBehind(ctx context.Context, secrets ValueReader, plan Planned, account secretdoc.Document) (redact.String, error) {
	value, _, err := secrets.Value(ctx, plan.SecretARN, Version{ID: plan.PendingVersionID})
	if fault.Is(err, fault.VersionNotReady) {
		return redact.String{}, nil
	}
	if err != nil {
		return redact.String{}, err
	}
	pending, err := secretdoc.Parse(value)
	if err != nil || pending.Password.Equal(account.Password) {
		return redact.String{}, nil
	}
	// A wrong address may have been the very reason why that rotation died, and
	// AWSCURRENT has been corrected since. Only the password is taken over.
	pending.Host, pending.Port = account.Host, account.Port
	if err := sameAccount(pending, account, Pending); err != nil {
		return redact.String{}, err
	}
	return pending.Password, nil
}

// claim attaches AWSPENDING. Of several executions that try, one wins.
func (c Create) claim(ctx context.Context, plan Planned, self string) error {
	from := plan.PendingVersionID
	if from == plan.VersionID {
		from = ""
	}
	moved, err := c.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, from, plan.VersionID)
	if err != nil || moved {
		return err
	}
	secret, err := c.Secrets.Describe(ctx, plan.SecretARN)
	if err != nil {
		return err
	}
	holder := secret.Labels[Pending]
	if holder == plan.VersionID {
		return nil // an earlier attempt attached it
	}
	owner, err := ownerOf(ctx, c.Executions, self, holder)
	if err != nil {
		return err
	}
	if owner != "" {
		return alreadyRotating(owner)
	}
	return fault.New(fault.AlreadyRotating,
		fmt.Sprintf("AWSPENDING moved to version %q since this rotation was planned", holder),
		"Another rotation was faster: look at its execution before you rotate again")
}

// readCurrent reads AWSCURRENT and makes sure that it is the version that was
// planned with.
func readCurrent(ctx context.Context, secrets ValueReader, plan Planned) (secretdoc.Document, error) {
	value, id, err := secrets.Value(ctx, plan.SecretARN, Version{Label: Current})
	if err != nil {
		return secretdoc.Document{}, err
	}
	if id != plan.CurrentVersionID {
		return secretdoc.Document{}, currentMoved(plan, id)
	}
	return secretdoc.Parse(value)
}

func currentMoved(plan Planned, id string) error {
	return fault.New(fault.SecretChanged,
		fmt.Sprintf("AWSCURRENT moved from version %s to %s while the rotation ran", plan.CurrentVersionID, id),
		"Somebody stored other credentials meanwhile, and those were left alone. Check that they log in, then rotate again")
}

// sameAccount guards against a confused deputy: a version of a secret may only
// be used on the account that the rotation is about, which follows from
// AWSCURRENT.
func sameAccount(version, account secretdoc.Document, label string) error {
	for _, field := range []struct{ name, is, want string }{
		{"username", version.Username, account.Username},
		{"host", version.Host, account.Host},
		{"port", fmt.Sprint(version.Port), fmt.Sprint(account.Port)},
		{"engine", version.Traits().Family, account.Traits().Family},
	} {
		if field.is != field.want {
			return fault.New(fault.InvalidSecret,
				fmt.Sprintf("the version staged %s has %s %q; by AWSCURRENT and the strategy it should be %q", label, field.name, field.is, field.want),
				"Both must be about the same account on the same database: correct the one that is wrong, or take "+label+" off its version")
		}
	}
	return nil
}
