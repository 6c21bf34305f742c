package explorer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// api is all that the steps are handed.
type api interface {
	rotation.Describer
	rotation.VersionDater
	rotation.ValueReader
	rotation.VersionWriter
	rotation.LabelMover
	rotation.Executions
	rotation.Databases
	rotation.Servers
	engine.Engine
	Versions(ctx context.Context, secretID string) ([]string, error)
	Sleep(ctx context.Context, d time.Duration) error
	newPassword(rotation.PasswordPolicy) (redact.String, error)
}

var _ api = (*client)(nil)

// client lets a step run on answers that it has been given before, up to the first
// call that has none: that is what it wants next. It implements the interfaces of
// package rotation.
type client struct {
	answers   []answer
	wish      op
	now       time.Time
	passwords string // the beginning of those it makes
	random    int
}

// errUnanswered makes a step come to its end.
var errUnanswered = fault.New(fault.Internal, "there is no answer yet", "")

func (c *client) ask(ctx context.Context, o op) (answer, error) {
	if c.wish.verb != none {
		return answer{}, errUnanswered
	}
	if len(c.answers) == 0 {
		_, o.bounded = ctx.Deadline()
		c.wish = o
		return answer{}, errUnanswered
	}
	a := c.answers[0]
	c.answers, c.now = c.answers[1:], a.now
	if a.code != "" {
		return a, fault.New(a.code, "as the world has it", "")
	}
	return a, nil
}

// Now is the time of the last answer.
func (c *client) Now() time.Time { return c.now }

func (c *client) Describe(ctx context.Context, secretID string) (rotation.Metadata, error) {
	a, err := c.ask(ctx, op{verb: describe, secret: secretID})
	m := rotation.Metadata{ARN: a.secret.arn, Name: "app/db", NativeRotationARN: a.secret.rotatedBy, Labels: map[string]string{}, Tags: map[string]string{}}
	for _, l := range a.secret.labels {
		m.Labels[l.label] = l.id
	}
	return m, err
}

func (c *client) CreatedAt(ctx context.Context, secretID, versionID string) (time.Time, error) {
	a, err := c.ask(ctx, op{verb: versionDate, secret: secretID, id: versionID})
	return a.date, err
}

func (c *client) Versions(ctx context.Context, secretID string) ([]string, error) {
	a, err := c.ask(ctx, op{verb: versionList, secret: secretID})
	return a.list, err
}

func (c *client) Value(ctx context.Context, secretID string, v rotation.Version) (redact.String, string, error) {
	a, err := c.ask(ctx, op{verb: value, secret: secretID, label: v.Label, id: v.ID})
	return redact.New(a.value), a.id, err
}

// newPassword makes the same ones each time.
func (c *client) newPassword(rotation.PasswordPolicy) (redact.String, error) {
	c.random++
	return redact.New(c.passwords + strconv.Itoa(c.random)), nil
}

func (c *client) PutVersion(ctx context.Context, secretID, versionID, label string, text redact.String) error {
	_, err := c.ask(ctx, op{verb: put, secret: secretID, id: versionID, label: label, value: text.Reveal()})
	return err
}

func (c *client) MoveLabel(ctx context.Context, secretID, label, from, to string) (bool, error) {
	a, err := c.ask(ctx, op{verb: move, secret: secretID, label: label, from: from, id: to})
	return a.moved && err == nil, err
}

func (c *client) Running(ctx context.Context, _ string) ([]string, error) {
	a, err := c.ask(ctx, op{verb: executions})
	return a.list, err
}

func (c *client) Sleep(ctx context.Context, d time.Duration) error {
	_, err := c.ask(ctx, op{verb: pause, wait: d})
	return err
}

// For finds the engine as engine.Table does.
func (c *client) For(doc secretdoc.Document) (engine.Engine, error) {
	return engine.Table{"postgres": c}.For(doc)
}

// ManagedBy knows no secrets that a service manages.
func (c *client) ManagedBy(context.Context, map[string]string) (string, int, error) {
	return "", 0, fault.New(fault.SuperuserInvalid, "no service manages it", "")
}

// SameServerOrPrimary knows no replicas.
func (c *client) SameServerOrPrimary(_ context.Context, userHost, superuserHost string) error {
	if userHost == superuserHost {
		return nil
	}
	return fault.New(fault.SuperuserInvalid, "the superuser is of another server", "")
}

// Alternates knows no proxies.
func (c *client) Alternates(context.Context, string, string) error { return nil }

func (c *client) Reach(ctx context.Context, doc secretdoc.Document) error {
	_, err := c.ask(ctx, op{verb: reach, login: login{address: loginOf(doc).address}})
	return err
}

func (c *client) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	l := loginOf(doc)
	if _, err := c.ask(ctx, op{verb: connect, login: l}); err != nil {
		return nil, err
	}
	return session{c, l}, nil
}

func loginOf(doc secretdoc.Document) login {
	return login{fmt.Sprintf("%s:%d", doc.Host, doc.Port), doc.Username, doc.Password.Reveal()}
}

// session is a connection.
type session struct {
	*client
	as login
}

func (s session) Probe(context.Context) error { return nil }
func (s session) Close()                      {}

// Privileges are always level: what grants do is the engines' business.
func (s session) Privileges(context.Context, string) ([]string, error) { return rights, nil }

var rights = []string{"connect"}

func (s session) SetPassword(ctx context.Context, user string, password redact.String) error {
	_, err := s.ask(ctx, op{verb: alter, login: login{s.as.address, user, password.Reveal()}, as: s.as.user})
	return err
}

// EnsureClone is two statements, between which it may die.
func (s session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	l := login{s.as.address, r.Clone, r.Password.Reveal()}
	if _, err := s.ask(ctx, op{verb: clone, login: l, as: s.as.user, mark: r.Mark, proven: r.Proven}); err != nil {
		return engine.CloneResult{}, err
	}
	_, err := s.ask(ctx, op{verb: grant, login: l, as: s.as.user, mark: r.Mark})
	return engine.CloneResult{Privileges: rights}, err
}
