package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Create stores the new password and stages it AWSPENDING. It cannot reach the database.
type Create struct {
	Secrets interface {
		Describer
		ValueReader
		VersionWriter
		LabelMover
	}
	Executions  Executions
	NewPassword PasswordMaker // default [RandomPassword]
	Now         func() time.Time
}

// functionAttempts is how often an existing rotation function may try to set a password.
const functionAttempts = 4

// Created is the result of Create.
type Created struct {
	// Attempts counts how often it has succeeded: each attempt of an existing
	// rotation function begins with it.
	Attempts int `json:"attempts"`

	// At is when it last succeeded. The database was not changed before that.
	At *time.Time `json:"at,omitempty"`

	// StaleKeys are keys of the secret that still hold the old password.
	StaleKeys []string `json:"staleKeys,omitempty"`

	// Moved is true when AWSPREVIOUS names another host or port than AWSCURRENT.
	Moved bool `json:"moved,omitempty"`
}

// Run stores the version. It may be repeated: the version keeps the password that the
// first attempt stored. Codes: WindowClosed, InvalidSecret, SecretChanged,
// AlreadyRotating, ReplicaLagging, RotationFunctionFailed (after functionAttempts), and
// those of awsfault.
func (c Create) Run(ctx context.Context, in StepInput) (Created, error) {
	plan := in.Plan
	if err := plan.checkOpen(c.Now()); err != nil {
		return Created{}, err
	}
	if in.Create.Attempts >= functionAttempts {
		return Created{}, functionFailed(plan)
	}
	ctx, cancel := plan.untilClosed(ctx, c.Now())
	defer cancel()
	current, err := readCurrent(ctx, c.Secrets, plan)
	if err != nil {
		return Created{}, err
	}
	account, err := plan.account(current)
	if err != nil {
		return Created{}, err
	}
	moved := false
	if !MadeByRotation(plan.CurrentVersionID) { // a rotation copies the host; somebody who can forge this id could store two versions as well
		moved, _ = hasMoved(ctx, c.Secrets, plan, current) // an error is no reason to end the rotation
	}
	left, err := findLeftover(ctx, c.Secrets, plan, account)
	if err != nil {
		return Created{}, err
	}
	newPassword := c.NewPassword
	if !left.password.IsEmpty() {
		newPassword = func(PasswordPolicy) (redact.String, error) { return left.password, nil }
	}
	if err := storeNext(ctx, c.Secrets, plan, current, newPassword); err != nil {
		return Created{}, err
	}
	if err := c.claim(ctx, plan, in.Execution.ARN); err != nil {
		return Created{}, err
	}
	if err := c.release(ctx, plan, account, left); err != nil {
		return Created{}, err
	}
	if err := c.recheck(ctx, plan); err != nil {
		return Created{}, err
	}
	return Created{Attempts: in.Create.Attempts + 1, At: new(c.Now().UTC()), StaleKeys: plan.staleKeys(current), Moved: moved}, nil
}

// hasMoved reports whether AWSPREVIOUS names another server than AWSCURRENT. It is false
// when AWSPREVIOUS is missing or cannot be read.
func hasMoved(ctx context.Context, secrets ValueReader, plan Planned, current secretdoc.Document) (bool, error) {
	if plan.PreviousVersionID == "" {
		return false, nil
	}
	value, _, err := secrets.Value(ctx, plan.SecretARN, Version{ID: plan.PreviousVersionID})
	if fault.Is(err, fault.VersionNotReady) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	previous, err := secretdoc.Parse(value)
	return err == nil && (previous.Host != current.Host || previous.Port != current.Port), nil
}

const adviceMoved = "AWSPREVIOUS names another host or port. If nobody has moved the database, find out who changed the secret: from now on passwords go there"

func functionFailed(plan Planned) error {
	return fault.New(fault.RotationFunctionFailed,
		fmt.Sprintf("rotation function %s failed %d times", plan.RotationFunction, functionAttempts),
		"What it said may quote a password and is not repeated here: look in its own log")
}

// staleKeys lists the keys that will still hold the old password: names only, and a
// limited number.
func (p Planned) staleKeys(current secretdoc.Document) []string {
	keys := current.Elsewhere(p.AlsoUpdate...)
	return keys[:min(len(keys), 20)]
}

// account checks that AWSCURRENT can be rotated as planned, and returns it for
// the user whose password the rotation changes, still with AWSCURRENT's password.
func (p Planned) account(current secretdoc.Document) (secretdoc.Document, error) {
	if err := p.canTalkTo(current); err != nil {
		return secretdoc.Document{}, err
	}
	if err := p.checkUsername(current); err != nil {
		return secretdoc.Document{}, err
	}
	if p.Strategy == AlternatingUsers {
		if _, err := superuserSecret(p, current); err != nil {
			return secretdoc.Document{}, err
		}
	}
	return target(p, current)
}

// canTalkTo refuses secrets for whose database there is neither an engine nor a rotation
// function.
func (p Planned) canTalkTo(current secretdoc.Document) error {
	if current.Traits().Family == "" && p.RotationFunction == "" {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("key \"engine\" is %q, which Tumbler cannot talk to by itself", current.Engine),
			"Name an existing rotation function for it (rotationFunction), which then runs the set and test steps")
	}
	return nil
}

// leftover is a version of the same account, left by an earlier rotation, whose password
// the database may have. The zero value means that there is none.
type leftover struct {
	versionID string
	password  redact.String
}

// findLeftover finds the password that this rotation has to continue with. The database
// may have it already, or get it at any time, since a statement of a dead rotation may
// still be waiting. That is harmless if this rotation uses the same password.
func findLeftover(ctx context.Context, secrets ValueReader, plan Planned, account secretdoc.Document) (leftover, error) {
	for _, id := range plan.leftovers() {
		password, err := passwordOf(ctx, secrets, plan.SecretARN, id, account)
		if err != nil || !password.IsEmpty() {
			return leftover{versionID: id, password: password}, err
		}
	}
	return leftover{}, nil
}

// passwordOf returns the password of a version, or "" if it does not matter: if the
// version has no value (native rotation leaves such), is of another account, or has the
// password of AWSCURRENT.
func passwordOf(ctx context.Context, secrets ValueReader, secretARN, versionID string, account secretdoc.Document) (redact.String, error) {
	value, _, err := secrets.Value(ctx, secretARN, Version{ID: versionID})
	if fault.Is(err, fault.VersionNotReady) {
		return redact.String{}, nil
	}
	if err != nil {
		return redact.String{}, err
	}
	doc, err := secretdoc.Parse(value)
	if err != nil || sameAccount(doc, account, versionID) != nil || doc.Password.Equal(account.Password) {
		return redact.String{}, nil
	}
	return doc.Password, nil
}

// storeNext stores the version under a label of its own. No other rotation removes that
// label, so the version stays findable while the database may have its password, whatever
// happens to AWSPENDING.
func storeNext(ctx context.Context, secrets VersionWriter, plan Planned, current secretdoc.Document, newPassword PasswordMaker) error {
	account, err := target(plan, current)
	if err != nil {
		return err
	}
	if newPassword == nil {
		newPassword = RandomPassword
	}
	password, err := newPassword(plan.Password.policy(account.Traits()))
	if err != nil {
		return err
	}
	next, err := plan.next(current, account, password)
	if err != nil {
		return err
	}
	return secrets.PutVersion(ctx, plan.SecretARN, plan.VersionID, Hold(plan.VersionID), next.Encode())
}

// next is the value of the new version.
func (p Planned) next(current, account secretdoc.Document, password redact.String) (secretdoc.Document, error) {
	return current.WithCredentials(account.Username, password, p.AlsoUpdate...)
}

// claim attaches AWSPENDING. Of several executions that try, one succeeds; the others
// move nothing.
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

// lookAgain is the last look before the database is changed: a rotation that was
// faster may have come and gone between the plan and the claim, the window may be
// over, and a replica behind.
func (c Create) recheck(ctx context.Context, plan Planned) error {
	secret, err := c.Secrets.Describe(ctx, plan.SecretARN)
	if err != nil {
		return err
	}
	if id := secret.Labels[Current]; id != plan.CurrentVersionID {
		return currentMoved(plan, id)
	}
	if err := secret.checkReplicas(plan.VersionID); err != nil {
		return err
	}
	return plan.checkOpen(c.Now())
}

// release takes the hold label off the version whose password this rotation has taken
// over, and puts one on a version from which it has only taken AWSPENDING.
func (c Create) release(ctx context.Context, plan Planned, account secretdoc.Document, left leftover) error {
	if left.versionID != "" {
		stored, err := passwordOf(ctx, c.Secrets, plan.SecretARN, plan.VersionID, account)
		if err != nil {
			return err
		}
		if stored.Equal(left.password) {
			return c.takeOffHold(ctx, plan, left.versionID)
		}
		// The first attempt stored a new password when the leftover had no value yet. It
		// has one now, so it belongs to a native rotation that is alive.
		if left.versionID == plan.leftPending() {
			return c.giveBack(ctx, plan)
		}
	}
	displaced := plan.leftPending()
	if displaced == "" || displaced == plan.PreviousVersionID {
		return nil
	}
	value, _, err := c.Secrets.Value(ctx, plan.SecretARN, Version{ID: displaced})
	if fault.Is(err, fault.VersionNotReady) {
		return nil // it has no value to keep
	}
	if err != nil {
		return err
	}
	if doc, err := secretdoc.Parse(value); err == nil && sameAccount(doc, account, displaced) == nil && !doc.Password.Equal(account.Password) {
		return c.giveBack(ctx, plan) // it has a value by now
	}
	_, err = c.Secrets.MoveLabel(ctx, plan.SecretARN, Hold(displaced), "", displaced)
	return err
}

// takeOffHold takes the label off a version whose password this rotation's has, too.
func (c Create) takeOffHold(ctx context.Context, plan Planned, versionID string) error {
	if plan.Unfinished[Hold(versionID)] != versionID {
		return nil
	}
	_, err := c.Secrets.MoveLabel(ctx, plan.SecretARN, Hold(versionID), versionID, "")
	return err
}

// giveBack returns AWSPENDING to the native rotation from which it was taken. Native
// rotation stages a version before it has a value; if it has one now, that rotation is
// alive and about to change the database.
func (c Create) giveBack(ctx context.Context, plan Planned) error {
	if _, err := c.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, plan.VersionID, plan.PendingVersionID); err != nil {
		return err
	}
	return fault.New(fault.AlreadyRotating, "Secrets Manager itself is rotating this secret, as version "+plan.PendingVersionID,
		"Nothing to do: watch the secret's rotation status")
}

// readCurrent reads AWSCURRENT. It is SecretChanged if that is not the version in the plan.
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

// sameAccount refuses a version that names another account or server than the account.
// It guards against a confused deputy: a version's password is only ever sent where that
// version says. Its values are not quoted, since one may be a password under the wrong
// key.
func sameAccount(version, account secretdoc.Document, label string) error {
	for _, field := range []struct{ name, is, want string }{
		{"username", version.Username, account.Username},
		{"host", version.Host, account.Host},
		{"port", fmt.Sprint(version.Port), fmt.Sprint(account.Port)},
		{"engine", version.Traits().Family, account.Traits().Family},
	} {
		if field.is != field.want {
			return fault.New(fault.InvalidSecret,
				fmt.Sprintf("the version staged %s has another %s than %q, which it should have by AWSCURRENT and the strategy", label, field.name, field.want),
				"Both must be about the same account on the same database: correct the one that is wrong, or take "+label+" off its version")
		}
	}
	return nil
}
