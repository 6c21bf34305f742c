package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Rotator is a complete native rotation function: Secrets Manager calls it by
// itself, once for each of the four steps. Source: AWS Secrets Manager user
// guide, "Lambda rotation functions".
type Rotator struct {
	Secrets interface {
		SecretReader
		VersionWriter
		LabelMover
	}
	Databases Databases
	Servers   Servers
	Now       func() time.Time

	// Registry has the strategy, the superuser and the password options of each
	// secret. A secret that is not in it is rotated with Strategy; so is every
	// secret when it is nil.
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

// Run runs one step. It may be repeated. Codes: InvalidRequest, NotPending, and
// those of the step.
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

// configured finds out how the secret is rotated: Secrets Manager's event does
// not say. There is no window in it, because Secrets Manager keeps its own.
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
		_, err = Set{Secrets: r.Secrets, Databases: r.Databases, Servers: r.Servers, Now: r.Now}.Run(ctx, in)
	case StepTest:
		_, err = Test{Secrets: r.Secrets, Databases: r.Databases}.Run(ctx, in)
	case StepFinish:
		_, err = Finish{Secrets: r.Secrets, Now: r.Now}.Run(ctx, in)
	default:
		err = invalidRequest(fmt.Sprintf("field Step is %q", step), "Use createSecret, setSecret, testSecret or finishSecret")
	}
	return err
}

// create fills the version that Secrets Manager has already staged AWSPENDING,
// without a value. One that has a value keeps it: an earlier attempt made it.
//
// It does not stage the version AWSPENDING by storing it: PutSecretValue would take
// the label away from whoever has it by now. But whether the version keeps the label
// when it is stored under another one is not documented; so it is attached again,
// from nobody.
func (r Rotator) create(ctx context.Context, plan Planned) error {
	current, err := readCurrent(ctx, r.Secrets, plan)
	if err != nil {
		return err
	}
	account, err := plan.account(current)
	if err != nil {
		return err
	}
	password, err := newPassword(ctx, r.Secrets, plan.Password, account)
	if err != nil {
		return err
	}
	if err := r.Secrets.PutVersion(ctx, plan.SecretARN, plan.VersionID, Hold(plan.VersionID), account.WithPassword(password).Encode()); err != nil {
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
