package rotation

import (
	"context"
	"sync/atomic"

	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// StepReady is the step in which a function that comes after the change proves,
// before it, that it can do its part. It changes nothing. There is none before an
// existing rotation function is invoked: it knows no windows, and CreateSecret's look at
// the clock has to be the last thing before.
const StepReady = "ready"

// readyState is the state that asks for it, before SetSecret is entered.
const readyState = "Ready"

// Readiness is empty: that there is one says it all.
type Readiness struct{}

// Ready reads the pending version and reaches the database. Codes: those of
// [engine.Engine]'s Reach, InvalidSecret, and AWS's own.
func (t Test) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	pending, err := t.pending(ctx, in.Plan)
	if err != nil {
		return Readiness{}, err
	}
	return Readiness{}, reach(ctx, t.Databases, pending)
}

// Ready moves a label of this rotation's to where it is. Codes: AWS's own.
func (f Finish) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	id := in.Plan.VersionID
	_, err := f.Secrets.MoveLabel(ctx, in.Plan.SecretARN, Hold(id), id, id)
	return Readiness{}, err
}

// Ready reads what a repair would read, and reaches the database. Codes: those of
// [engine.Engine]'s Reach, InvalidSecret, SuperuserInvalid, and AWS's own.
func (r Restore) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	current, err := readCurrent(ctx, r.Secrets, in.Plan)
	if err != nil {
		return Readiness{}, err
	}
	if in.Plan.Strategy == AlternatingUsers { // with recoverPassword, a superuser is seldom needed
		if _, err := (superusers{secrets: r.Secrets, servers: r.Servers}).credentials(ctx, in.Plan, current); err != nil {
			return Readiness{}, err
		}
	}
	return Readiness{}, reach(ctx, r.Databases, current)
}

func reach(ctx context.Context, databases Databases, doc secretdoc.Document) error {
	database, err := databases.For(doc)
	if err != nil {
		return err
	}
	return database.Reach(ctx, doc)
}

// Kept holds the version that a function has read last, for as long as its process
// lives: a version's value never changes.
type Kept struct {
	version atomic.Pointer[keptVersion]
}

type keptVersion struct {
	secretARN, versionID string
	document             secretdoc.Document
}

// pending is the version that this rotation has stored. It need not be read twice by
// the same process.
func (t Test) pending(ctx context.Context, plan Planned) (secretdoc.Document, error) {
	if t.Kept != nil {
		if k := t.Kept.version.Load(); k != nil && k.secretARN == plan.SecretARN && k.versionID == plan.VersionID {
			return k.document, nil
		}
	}
	pending, err := ReadDocument(ctx, t.Secrets, plan.SecretARN, Version{ID: plan.VersionID})
	if err == nil && t.Kept != nil {
		t.Kept.version.Store(&keptVersion{plan.SecretARN, plan.VersionID, pending})
	}
	return pending, err
}
