package rotation

import (
	"context"
	"sync/atomic"

	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// StepReady is the step in which a function that runs after the change proves, before it,
// that it can do its part. It changes nothing. It is left out before an existing rotation
// function: such a function has no windows, so CreateSecret's check of the window must
// come directly before it.
const StepReady = "ready"

// readyState is the state that runs this step, before SetSecret.
const readyState = "Ready"

// Readiness is the empty result: success is all there is to report.
type Readiness struct{}

// Ready reads the pending version and connects to the database. Codes: those of
// [engine.Engine]'s Reach, InvalidSecret, and those of awsfault.
func (t Test) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	pending, err := t.pending(ctx, in.Plan)
	if err != nil {
		return Readiness{}, err
	}
	return Readiness{}, reach(ctx, t.Databases, pending)
}

// Ready moves a label of this rotation to the version that has it. Codes: those of
// awsfault.
func (f Finish) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	id := in.Plan.VersionID
	_, err := f.Secrets.MoveLabel(ctx, in.Plan.SecretARN, Hold(id), id, id)
	return Readiness{}, err
}

// Ready reads what a repair would read, and connects to the database. Codes: those of
// [engine.Engine]'s Reach, InvalidSecret, SuperuserInvalid, and those of awsfault.
func (r Restore) Ready(ctx context.Context, in StepInput) (Readiness, error) {
	current, err := readCurrent(ctx, r.Secrets, in.Plan)
	if err != nil {
		return Readiness{}, err
	}
	if in.Plan.Strategy == AlternatingUsers { // a single user seldom needs its superuser
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

// VersionCache holds the version that a process has read last. It never expires, since a
// version's value never changes.
type VersionCache struct {
	version atomic.Pointer[cachedVersion]
}

type cachedVersion struct {
	secretARN, versionID string
	document             secretdoc.Document
}

// pending returns the version that this rotation has stored, from the cache if possible.
func (t Test) pending(ctx context.Context, plan Planned) (secretdoc.Document, error) {
	if t.Cache != nil {
		if k := t.Cache.version.Load(); k != nil && k.secretARN == plan.SecretARN && k.versionID == plan.VersionID {
			return k.document, nil
		}
	}
	pending, err := ReadDocument(ctx, t.Secrets, plan.SecretARN, Version{ID: plan.VersionID})
	if err == nil && t.Cache != nil {
		t.Cache.version.Store(&cachedVersion{plan.SecretARN, plan.VersionID, pending})
	}
	return pending, err
}
