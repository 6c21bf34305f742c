package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Plan decides whether a secret is rotated now. It reads metadata only: it has no
// permission to read a value, and cannot reach the database.
type Plan struct {
	Secrets interface {
		Describer
		VersionDater
	}
	Executions Executions
	Registry   Registry                     // has the configuration; nil: every request is complete by itself
	Open       func(secretName string) bool // secrets that may be rotated without a registry entry (in the sandbox). Optional.
	Region     string                       // where this runs
	RotatorARN string                       // Tumbler's own native rotation function. Optional.
	Functions  []string                     // ARNs of the rotation functions that a request may name
	Now        func() time.Time

	Runbook string // URL of the runbook, for alerts. Optional.

	EventInterval time.Duration // minimum age of AWSCURRENT for a rotation by an event; 0: any age
}

// PlanInput is what the state machine passes to Plan.
type PlanInput struct {
	Request   json.RawMessage `json:"request"`
	Execution Execution       `json:"execution"`
}

// Run returns the plan. Codes: InvalidRequest, NotConfigured, SecretNotFound,
// SecretDeleted, SecretIsReplica, SecretManaged, NativeRotationEnabled, TooSoon,
// and those of awsfault.
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
	if request, err = p.configured(ctx, in.Request, request, secret); err != nil {
		return Planned{}, err
	}
	if err := p.allowed(request); err != nil {
		return Planned{}, err
	}
	if err := p.notTooSoon(ctx, request, secret); err != nil {
		return Planned{}, err
	}
	now := p.Now()
	plan := planFor(request, secret, VersionID(in.Execution.ARN))
	if err := p.busy(ctx, in.Execution.ARN, secret, plan); err != nil {
		return Planned{}, err
	}
	if plan, err = plan.inWindow(request, now); err != nil {
		return Planned{}, err
	}
	plan.GiveUp = run{request: request, execution: in.Execution, plan: plan, runbook: p.Runbook}.giveUp()
	return plan, nil
}

// allowed refuses a rotation function that the deployment does not list.
func (p Plan) allowed(request Request) error {
	if f := request.RotationFunction; f != "" && !slices.Contains(p.Functions, f) {
		return invalidRequest("field rotationFunction is "+f+", which was not allowed when Tumbler was deployed",
			"List it as rotationFunction of a rotation in rotations.yaml and deploy")
	}
	return nil
}

// nativeGrace is the age at which AWSPENDING of a native rotation counts as left by a
// dead one. The rotator's four steps take four minutes at most.
const nativeGrace = 15 * time.Minute

// busy returns AlreadyRotating when another rotation may be rotating the secret: a running
// execution owns AWSPENDING or a version on hold, or a native rotation has just begun.
// Any other such version was left by a dead rotation.
func (p Plan) busy(ctx context.Context, self string, secret Metadata, plan Planned) error {
	labelled := plan.labelled()
	if len(labelled) == 0 {
		return nil
	}
	owner, err := ownerOf(ctx, p.Executions, self, labelled...)
	if err != nil {
		return err
	}
	if owner != "" {
		return alreadyRotating(owner)
	}
	holder := plan.leftPending()
	if secret.NativeRotationARN == "" || holder == "" {
		return nil
	}
	created, err := p.Secrets.CreatedAt(ctx, secret.ARN, holder)
	if err != nil {
		return err
	}
	if until := created.Add(nativeGrace); p.Now().Before(until) {
		return fault.New(fault.AlreadyRotating,
			fmt.Sprintf("Secrets Manager itself has been rotating this secret since %s, as version %s", stamp(created), holder),
			"Nothing to do; should it fail, a rotation after "+stamp(until)+" takes it over")
	}
	return nil
}

// configured returns the request with the secret's configuration. Where there is a
// registry, a request can choose only the secret, the reason, and what to do outside the
// window.
func (p Plan) configured(ctx context.Context, asked json.RawMessage, request Request, secret Metadata) (Request, error) {
	if p.Registry == nil || p.Open != nil && p.Open(secret.Name) {
		return request, nil
	}
	raw, found, err := p.Registry.Lookup(ctx, secret.ARN, secret.Name)
	if err != nil {
		return Request{}, err
	}
	if !found {
		return Request{}, fault.New(fault.NotConfigured, "no rotation is configured for secret "+secret.Name,
			"Add it to rotations.yaml and deploy (schedule is optional there), or start the deployment of its network")
	}
	if request.Trigger.Source != SourceSchedule { // a schedule's request is the configuration as it was when the schedule was deployed
		if err := namesOnly(asked); err != nil {
			return Request{}, err
		}
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

// checkRotatable refuses secrets that Tumbler must not rotate.
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

// ownerOf returns the running execution, other than self, that writes one of the
// versions, or "".
func ownerOf(ctx context.Context, executions Executions, self string, versionIDs ...string) (string, error) {
	running, err := executions.Running(ctx, self)
	if err != nil {
		return "", err
	}
	for _, arn := range running {
		if arn != self && slices.Contains(versionIDs, VersionID(arn)) {
			return arn, nil
		}
	}
	return "", nil
}

func alreadyRotating(owner string) *fault.Error {
	return fault.New(fault.AlreadyRotating, "execution "+owner+" is rotating this secret",
		"Nothing to do: watch that execution")
}
