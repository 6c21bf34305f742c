package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

// foreignARN is a rotation function that somebody else has deployed.
const foreignARN = "arn:aws:lambda:us-east-1:123456789012:function:SecretsManagerRotation"

// template is a rotation function that decides as AWS's published ones do, for
// PostgreSQL: what it refuses, which password it tries first, which labels it
// moves, and one kind of error for everything. The code is our own.
type template struct {
	w           *world
	alternating bool

	mu    sync.Mutex
	steps []string // that it was asked for
	fail  func(step string) error
}

// valueError is what these functions raise, whatever happened.
func valueError(format string, args ...any) error {
	return messages.InvokeResponse_Error{Type: "ValueError", Message: fmt.Sprintf(format, args...)}
}

// newTemplateWorld is a world in which the function is deployed.
func newTemplateWorld(t *testing.T, alternating bool) (*world, *template) {
	f := &template{alternating: alternating}
	f.w = newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) {
		cfg.Functions = map[string]sandbox.Function{foreignARN: {Handler: f}}
	})
	return f.w, f
}

// asked returns the steps since the last call.
func (f *template) asked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := strings.Join(f.steps, " ")
	f.steps = nil
	return steps
}

// Invoke implements lambda.Handler.
func (f *template) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in struct{ Step, SecretId, ClientRequestToken string } //nolint:revive // the contract's spelling
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.steps = append(f.steps, in.Step)
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(in.Step); err != nil {
			return nil, err
		}
	}
	api := secretsmanager.NewFromConfig(f.w.sandbox.AWS("foreign"))
	r := &templateRun{template: f, api: api, secret: in.SecretId, token: in.ClientRequestToken}
	secret, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &in.SecretId})
	if err != nil {
		return nil, err
	}
	if secret.RotationEnabled != nil && !*secret.RotationEnabled {
		return nil, valueError("Secret %s is not enabled for rotation", in.SecretId)
	}
	switch stages := strings.Join(secret.VersionIdsToStages[in.ClientRequestToken], " "); {
	case strings.Contains(stages, "AWSCURRENT"):
		return nil, nil
	case !strings.Contains(stages, "AWSPENDING"):
		return nil, valueError("version %s is not set as AWSPENDING", in.ClientRequestToken)
	}
	switch in.Step {
	case "createSecret":
		return nil, r.create(ctx)
	case "setSecret":
		return nil, r.set(ctx)
	case "testSecret":
		return nil, r.test(ctx)
	case "finishSecret":
		return nil, r.finish(ctx, secret.VersionIdsToStages)
	}
	return nil, valueError("Invalid step parameter")
}

// templateRun is one step of one rotation.
type templateRun struct {
	*template
	api           *secretsmanager.Client
	secret, token string
}

func (r *templateRun) read(ctx context.Context, stage, token string) (secretdoc.Document, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &r.secret, VersionStage: &stage}
	if token != "" {
		in.VersionId = &token
	}
	out, err := r.api.GetSecretValue(ctx, in)
	if err != nil {
		return secretdoc.Document{}, err
	}
	return secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
}

func (r *templateRun) create(ctx context.Context) error {
	current, err := r.read(ctx, "AWSCURRENT", "")
	if err != nil {
		return err
	}
	if _, err := r.read(ctx, "AWSPENDING", r.token); err == nil {
		return nil
	}
	password, err := r.api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{ExcludeCharacters: aws.String(`:/@"'\`)})
	if err != nil {
		return err
	}
	next := current.WithPassword(redact.New(aws.ToString(password.RandomPassword)))
	if r.alternating {
		next = next.WithUsername(otherUser(current.Username))
	}
	_, err = r.api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &r.secret, ClientRequestToken: &r.token, SecretString: aws.String(next.Encode().Reveal()), VersionStages: []string{"AWSPENDING"},
	})
	return err
}

// otherUser names the other one of the pair.
func otherUser(user string) string {
	if original, ok := strings.CutSuffix(user, "_clone"); ok {
		return original
	}
	return user + "_clone"
}

func (r *templateRun) set(ctx context.Context) error {
	pending, err := r.read(ctx, "AWSPENDING", r.token)
	if err != nil {
		return err
	}
	if session, err := all.Engines["postgres"].Connect(ctx, pending); err == nil {
		session.Close()
		return nil
	}
	current, err := r.read(ctx, "AWSCURRENT", "")
	if err != nil {
		return err
	}
	if r.alternating {
		return r.setOther(ctx, current, pending)
	}
	session, err := all.Engines["postgres"].Connect(ctx, current)
	if err != nil {
		previous, missing := r.read(ctx, "AWSPREVIOUS", "")
		if missing != nil {
			return valueError("Unable to log into database with previous, current, or pending secret")
		}
		if session, err = all.Engines["postgres"].Connect(ctx, previous); err != nil {
			return valueError("Unable to log into database with previous, current, or pending secret")
		}
	}
	defer session.Close()
	return session.SetPassword(ctx, pending.Username, pending.Password)
}

// setOther changes the other user, or creates it as a member of this one.
func (r *templateRun) setOther(ctx context.Context, current, pending secretdoc.Document) error {
	session, err := all.Engines["postgres"].Connect(ctx, current)
	if err != nil {
		return valueError("Unable to log into database using current credentials for secret %s", r.secret)
	}
	session.Close()
	super, err := r.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &current.MasterARN})
	if err != nil {
		return err
	}
	master, err := secretdoc.Parse(redact.New(aws.ToString(super.SecretString)))
	if err != nil {
		return err
	}
	admin, err := all.Engines["postgres"].Connect(ctx, master)
	if err != nil {
		return valueError("Unable to log into database using credentials in master secret")
	}
	defer admin.Close()
	if len(r.w.db.Exec("SELECT 1 FROM pg_roles WHERE rolname = '"+pending.Username+"'")) == 0 {
		user := quoted(pending.Username)
		r.w.db.Exec("CREATE ROLE " + user + " WITH LOGIN; GRANT " + quoted(current.Username) + " TO " + user)
	}
	// AWS's own sends the password in the clear, where the server's log shows it.
	return admin.SetPassword(ctx, pending.Username, pending.Password)
}

func (r *templateRun) test(ctx context.Context) error {
	pending, err := r.read(ctx, "AWSPENDING", r.token)
	if err != nil {
		return err
	}
	session, err := all.Engines["postgres"].Connect(ctx, pending)
	if err != nil {
		return valueError("Unable to log into database with pending secret of secret ARN %s", r.secret)
	}
	defer session.Close()
	return session.Probe(ctx)
}

// finish leaves AWSPENDING to Secrets Manager.
func (r *templateRun) finish(ctx context.Context, versions map[string][]string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &r.secret, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &r.token}
	for id, stages := range versions {
		for _, stage := range stages {
			if stage == "AWSCURRENT" {
				in.RemoveFromVersionId = &id
			}
		}
	}
	_, err := r.api.UpdateSecretVersionStage(ctx, in)
	return err
}
