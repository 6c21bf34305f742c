package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Rotator is a complete native rotation function: Secrets Manager calls it once for each of
// the four steps. Source: AWS Secrets Manager user guide, "Lambda rotation functions".
type Rotator struct {
	Secrets interface {
		SecretReader
		VersionDater
		VersionWriter
		LabelMover
	}
	Databases   Databases
	Servers     Servers
	NewPassword PasswordMaker // default [RandomPassword]
	Now         func() time.Time

	// Registry has the strategy, the superuser and the password options of each secret.
	// Secrets that are not in it are rotated with Strategy, and all are if it is nil.
	Registry Registry
	Strategy Strategy // default single-user
}

// The steps of the contract.
const (
	StepCreate = "createSecret"
	StepSet    = "setSecret"
	StepTest   = "testSecret"
	StepFinish = "finishSecret"
)

// NativeInput is what Secrets Manager sends.
type NativeInput struct {
	Step               string `json:"Step"`
	SecretID           string `json:"SecretId"`
	ClientRequestToken string `json:"ClientRequestToken"`
}

// Run runs one step. It may be repeated. Codes: InvalidRequest, NotPending, and those of
// the step.
func (r Rotator) Run(ctx context.Context, in NativeInput) (struct{}, error) {
	secret, err := r.Secrets.Describe(ctx, in.SecretID)
	if err != nil {
		return struct{}{}, err
	}
	switch in.ClientRequestToken {
	case "":
		return struct{}{}, invalidRequest("field ClientRequestToken is missing or empty", "Let Secrets Manager call this function (secretsmanager rotate-secret)")
	case secret.Labels[Current]:
		return struct{}{}, nil // an earlier attempt finished it
	case secret.Labels[Pending]:
	default:
		return struct{}{}, notPending(in.ClientRequestToken, secret.Name)
	}
	request, err := r.configured(ctx, secret)
	if err != nil {
		return struct{}{}, err
	}
	plan := planFor(request, secret, in.ClientRequestToken)
	return struct{}{}, r.step(ctx, in.Step, StepInput{Plan: plan})
}

// configured looks up how the secret is rotated, which Secrets Manager's event does not
// say. The result has no window, because Secrets Manager has its own.
func (r Rotator) configured(ctx context.Context, secret Metadata) (Request, error) {
	if r.Registry != nil {
		raw, found, err := r.Registry.Lookup(ctx, secret.ARN, secret.Name)
		if err != nil {
			return Request{}, err
		}
		if found {
			return ParseRequest(raw)
		}
	}
	request := Request{SecretID: secret.ARN, Strategy: r.Strategy}
	return request, request.complete()
}

func (r Rotator) step(ctx context.Context, step string, in StepInput) (err error) {
	switch step {
	case StepCreate:
		return r.create(ctx, in.Plan)
	case StepSet:
		if err := r.checkNotOvertaken(ctx, in.Plan); err != nil {
			return err
		}
		_, err = Set{Secrets: r.Secrets, Databases: r.Databases, Servers: r.Servers, Now: r.Now}.Run(ctx, in)
		if fault.Is(err, fault.SuperuserNeeded) {
			err = fault.New(fault.LoginRefused, "no version of secret "+in.Plan.SecretName+" logs in as its user, and a native rotation has the superuser reset no password: nobody would be told",
				"Rotate with the state machine (tumbler rotate "+in.Plan.SecretName+"): it has the password reset if the configuration allows it, and tells people")
		}
	case StepTest:
		_, err = Test{Secrets: r.Secrets, Databases: r.Databases}.Run(ctx, in)
	case StepFinish:
		if err := r.checkNotOvertaken(ctx, in.Plan); err != nil {
			return err
		}
		_, err = Finish{Secrets: r.Secrets, Now: r.Now}.Run(ctx, in)
	default:
		err = invalidRequest(fmt.Sprintf("field Step is %q", step), "Use createSecret, setSecret, testSecret or finishSecret")
	}
	return err
}

// create stores the value of the version that Secrets Manager has already staged
// AWSPENDING without one. A version that has a value keeps it: an earlier attempt stored it.
//
// It does not store it under AWSPENDING: PutSecretValue would take that label away from
// another version that may have it by now. Whether the version keeps the label when it is
// stored under another one is not documented, so the label is attached again if no version
// has it.
func (r Rotator) create(ctx context.Context, plan Planned) error {
	current, err := readCurrent(ctx, r.Secrets, plan)
	if err != nil {
		return err
	}
	if _, err := plan.account(current); err != nil {
		return err
	}
	if err := storeNext(ctx, r.Secrets, plan, current, r.NewPassword); err != nil {
		return err
	}
	secret, err := r.Secrets.Describe(ctx, plan.SecretARN)
	if err != nil || secret.Labels[Pending] == plan.VersionID {
		return err
	}
	moved, err := r.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, "", plan.VersionID)
	if err == nil && !moved {
		return notPending(plan.VersionID, plan.SecretName)
	}
	return err
}

func notPending(versionID, secret string) error {
	return fault.New(fault.NotPending, fmt.Sprintf("version %s of secret %s is not staged AWSPENDING", versionID, secret), "Start the rotation again")
}

// checkNotOvertaken refuses to replace a value that was stored since Secrets Manager began:
// each native step sees only what is AWSCURRENT now. An AWSCURRENT that is newer than the
// pending version, or of a user that this rotation does not follow, is not this rotation's.
func (r Rotator) checkNotOvertaken(ctx context.Context, plan Planned) error {
	current, err := r.Secrets.CreatedAt(ctx, plan.SecretARN, plan.CurrentVersionID)
	if err != nil {
		return err
	}
	pending, err := r.Secrets.CreatedAt(ctx, plan.SecretARN, plan.VersionID)
	if err != nil {
		return err
	}
	changed := fault.New(fault.SecretChanged, fmt.Sprintf("version %s was made AWSCURRENT while the rotation ran", plan.CurrentVersionID),
		"Somebody stored other credentials meanwhile, and those were left alone. Check that they log in, then rotate again")
	if current.After(pending) {
		return changed
	}
	if plan.Strategy != AlternatingUsers {
		return nil
	}
	a := attempt{plan: plan, secrets: r.Secrets}
	if a.current, err = readCurrent(ctx, r.Secrets, plan); err != nil {
		return err
	}
	if a.account, err = target(plan, a.current); err != nil {
		return err
	}
	if _, err := a.version(ctx, Version{ID: plan.VersionID}, a.account); fault.Is(err, fault.InvalidSecret) {
		return changed
	} else if err != nil {
		return err
	}
	return nil
}
