package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// createUser makes the role with a first password.
func (d *demo) createUser(ctx context.Context) (redact.String, error) {
	admin, err := d.database.Admin(ctx)
	if err != nil {
		return redact.String{}, err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE ROLE "+user+" LOGIN").ReadAll(); err != nil {
		return redact.String{}, fmt.Errorf("creating role %s: %w", user, err)
	}
	session, err := d.engine.Connect(ctx, d.credentials(d.database.AdminUser, d.database.AdminPassword))
	if err != nil {
		return redact.String{}, err
	}
	defer session.Close()
	password := redact.New(rand.Text())
	return password, session.SetPassword(ctx, user, password)
}

func (d *demo) credentials(user string, password redact.String) secretdoc.Document {
	return secretdoc.Document{
		Engine: "postgres", Host: d.database.Host, Port: d.database.Port, DBName: d.database.AdminDatabase,
		Username: user, Password: password,
	}
}

// password reads AWSCURRENT.
func (d *demo) password(ctx context.Context) (redact.String, error) {
	value, _, err := d.secrets.Value(ctx, secretID, rotation.Version{Label: rotation.Current})
	if err != nil {
		return redact.String{}, err
	}
	doc, err := secretdoc.Parse(value)
	d.passwords = append(d.passwords, doc.Password)
	return doc.Password, err
}

// hasPending reports whether a version is staged AWSPENDING.
func (d *demo) hasPending(ctx context.Context) bool {
	_, _, err := d.secrets.Value(ctx, secretID, rotation.Version{Label: rotation.Pending})
	return !fault.Is(err, fault.VersionNotReady)
}

// accepts and refuses really log in.
func (d *demo) accepts(ctx context.Context, password redact.String) bool {
	return d.login(ctx, password) == nil
}

func (d *demo) refuses(ctx context.Context, password redact.String) bool {
	return fault.Is(d.login(ctx, password), fault.LoginRefused)
}

func (d *demo) login(ctx context.Context, password redact.String) error {
	session, err := d.engine.Connect(ctx, d.credentials(user, password))
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Probe(ctx)
}

func (d *demo) onAlert(m sandboxsns.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alerts = append(d.alerts, m)
}

func (d *demo) lastAlert() (sandboxsns.Message, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.alerts) == 0 {
		return sandboxsns.Message{}, errors.New("no alert was sent")
	}
	return d.alerts[len(d.alerts)-1], nil
}

// countCalls switches the counting of the functions' Secrets Manager calls.
func (d *demo) countCalls(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count = on
}

func (d *demo) onCall(r wire.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count && r.Service == "secretsmanager" && r.Caller.AccessKeyID != "application" {
		d.calls[r.Operation]++
	}
}
