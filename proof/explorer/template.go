package explorer

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// template is a rotation function that decides as AWS's published ones for a single
// user do: which password it tries first, which labels it moves, and one kind of
// error for everything. It talks to the database itself, whatever its engine.
type template struct{ api }

var errValue = &asl.Failure{Name: "ValueError", Cause: "it may quote anything"}

func (f template) run(ctx context.Context, in rotation.NativeInput) (struct{}, error) {
	if err := f.step(ctx, in.Step, in.SecretID, in.ClientRequestToken); err != nil {
		return struct{}{}, errValue
	}
	return struct{}{}, nil
}

func (f template) step(ctx context.Context, step, arn, token string) error {
	secret, err := f.Describe(ctx, arn)
	if err != nil {
		return err
	}
	switch token {
	case secret.Labels[rotation.Current]:
		return nil
	case secret.Labels[rotation.Pending]:
	default:
		return errValue
	}
	pending := rotation.Version{ID: token, Label: rotation.Pending}
	switch step {
	case rotation.StepCreate:
		return f.create(ctx, arn, pending)
	case rotation.StepSet:
		return f.set(ctx, arn, pending)
	case rotation.StepTest:
		doc, err := f.read(ctx, arn, pending)
		if err != nil {
			return err
		}
		_, err = f.Connect(ctx, doc)
		return err
	}
	_, err = f.MoveLabel(ctx, arn, rotation.Current, secret.Labels[rotation.Current], token)
	return err
}

func (f template) create(ctx context.Context, arn string, pending rotation.Version) error {
	current, err := f.read(ctx, arn, rotation.Version{Label: rotation.Current})
	if err != nil {
		return err
	}
	if _, err := f.read(ctx, arn, pending); err == nil {
		return nil
	}
	password, err := f.newPassword(rotation.PasswordPolicy{})
	if err != nil {
		return err
	}
	return f.PutVersion(ctx, arn, pending.ID, rotation.Pending, current.WithPassword(password).Encode())
}

func (f template) set(ctx context.Context, arn string, version rotation.Version) error {
	pending, err := f.read(ctx, arn, version)
	if err != nil {
		return err
	}
	if _, err := f.Connect(ctx, pending); err == nil {
		return nil
	}
	for _, label := range []string{rotation.Current, rotation.Previous} {
		doc, err := f.read(ctx, arn, rotation.Version{Label: label})
		if err != nil {
			return err
		}
		if doc.Username != pending.Username {
			return errValue
		}
		if session, err := f.Connect(ctx, doc); err == nil {
			return session.SetPassword(ctx, pending.Username, pending.Password)
		}
	}
	return errValue
}

func (f template) read(ctx context.Context, arn string, v rotation.Version) (secretdoc.Document, error) {
	text, _, err := f.Value(ctx, arn, v)
	if err != nil {
		return secretdoc.Document{}, err
	}
	return secretdoc.Parse(text)
}
