package rotation

import (
	"context"
	"time"
)

// Finish makes the new version AWSCURRENT. It has no permission to read values.
type Finish struct {
	Secrets interface {
		Describer
		LabelMover
	}
	Now func() time.Time
}

// Run moves AWSCURRENT to the new version, unless it has been moved meanwhile, and takes
// off AWSPENDING and Tumbler's own labels. It may be repeated. Codes: SecretChanged and
// those of awsfault.
func (f Finish) Run(ctx context.Context, in StepInput) (Ending, error) {
	plan := in.Plan
	moved, err := f.Secrets.MoveLabel(ctx, plan.SecretARN, Current, plan.CurrentVersionID, plan.VersionID)
	if err != nil {
		return Ending{}, err
	}
	if !moved {
		secret, err := f.Secrets.Describe(ctx, plan.SecretARN)
		if err != nil {
			return Ending{}, err
		}
		if holder := secret.Labels[Current]; holder != plan.VersionID {
			return Ending{}, currentMoved(plan, holder)
		}
	}
	movedAt := f.Now()
	for _, m := range plan.settled() { // labels that are gone were taken off by an earlier attempt
		if _, err := f.Secrets.MoveLabel(ctx, plan.SecretARN, m.label, m.from, m.to); err != nil {
			return Ending{}, err
		}
	}
	ending := run{request: in.Request, execution: in.Execution, plan: plan, now: movedAt, redriven: in.Context.RedriveCount > 0}.rotated(in.Set, in.Create)
	if moved {
		ending.Event.gap(plan, in.Set.ChangedAt, in.Create.At, movedAt)
	}
	if plan.Replicated && moved { // after a move by an earlier attempt, the lag would be wrong
		f.reportLag(ctx, plan, movedAt, &ending.Event)
	}
	return ending, nil
}
