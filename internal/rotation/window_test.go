package rotation_test

import (
	"context"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// timed is a database that notes by when it has to answer.
type timed struct {
	*server
	onConnect func()
	connect   []time.Duration // until the context's deadline; -1 without one
	change    []time.Duration
}

func until(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return -1
	}
	return time.Until(deadline)
}

func (d *timed) For(secretdoc.Document) (engine.Engine, error) { return d, nil }

func (d *timed) Reach(context.Context, secretdoc.Document) error { return nil }

func (d *timed) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	d.connect = append(d.connect, until(ctx))
	if d.onConnect != nil {
		d.onConnect()
	}
	session, err := d.server.Connect(ctx, doc)
	return timedSession{session, d}, err
}

type timedSession struct {
	engine.Session
	d *timed
}

func (s timedSession) SetPassword(ctx context.Context, user string, password redact.String) error {
	s.d.change = append(s.d.change, until(ctx))
	return s.Session.SetPassword(ctx, user, password)
}

// What comes before the commit point ends with the window. The change is waited
// for: to leave it behind would be to let it happen after Restore has looked.
func TestTheWindowBoundsWhatComesBeforeTheChange(t *testing.T) {
	v, d := newVault(), &timed{server: &server{answers: map[string]fault.Code{"current": ""}}}
	plan := planned(v)
	plan.Window = &rotation.Window{OpensAt: noon.Add(-time.Hour), ClosesAt: noon.Add(time.Minute)}
	v.stored(document("pending"))
	_, err := rotation.Set{Secrets: v, Databases: d, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.connect) != 1 || d.connect[0] > time.Minute || d.connect[0] < 50*time.Second {
		t.Errorf("logging in could take %v, want a minute", d.connect)
	}
	if len(d.change) != 1 || d.change[0] != -1 {
		t.Errorf("the change could take %v, want no limit of the window's", d.change)
	}
}

func TestNoChangeBeginsAfterTheWindowClosed(t *testing.T) {
	now := noon
	v, d := newVault(), &timed{server: &server{answers: map[string]fault.Code{"current": ""}}}
	d.onConnect = func() { now = noon.Add(time.Minute) } // a slow login
	plan := planned(v)
	plan.Window = &rotation.Window{OpensAt: noon.Add(-time.Hour), ClosesAt: noon.Add(time.Minute)}
	v.stored(document("pending"))
	set := rotation.Set{Secrets: v, Databases: d, Now: func() time.Time { return now }}
	if _, err := set.Run(t.Context(), rotation.StepInput{Plan: plan}); !fault.Is(err, fault.WindowClosed) {
		t.Errorf("got %v, want WindowClosed", err)
	}
	if len(d.change) != 0 || d.log[len(d.log)-1] != "close" {
		t.Errorf("the database saw %q", d.log)
	}
}

// hung is a Secrets Manager that answers only when nobody waits any more.
type hung struct{ *vault }

func (h hung) PutVersion(ctx context.Context, _, _, _ string, _ redact.String) error {
	<-ctx.Done()
	return fault.Wrap(context.Cause(ctx), fault.ServiceUnavailable, "Secrets Manager does not answer", "")
}

func TestCreateGivesUpWhenTheWindowCloses(t *testing.T) {
	v := newVault()
	plan := planned(v)
	plan.Window = &rotation.Window{OpensAt: noon.Add(-time.Hour), ClosesAt: noon.Add(10 * time.Millisecond)}
	_, err := rotation.Create{Secrets: hung{v}, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: plan})
	if !fault.Is(err, fault.ServiceUnavailable) {
		t.Errorf("got %v, want ServiceUnavailable", err)
	}
	if len(v.values) != 2 {
		t.Error("a version was written")
	}
}
