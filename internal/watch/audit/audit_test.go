package audit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

// now is a Wednesday; the schedule's window is from 02:00 to 05:00 each day.
var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const (
	daily     = `{"secretId":"prod/app","schedule":{"expression":"cron(0 2 * * ? *)","duration":"3h"}}`
	execution = "arn:aws:states:us-east-1:123456789012:execution:tumbler-rotation:x"
)

func hoursAgo(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }

// world is one configured secret.
type world struct {
	entry    registry.Entry
	secret   rotation.Metadata
	err      error
	versions map[string]time.Time
	running  []string
	ssl      string // more of the secret's value
}

func newWorld() *world {
	return &world{
		entry: registry.Entry{SecretID: "prod/app", Enabled: true, Input: json.RawMessage(daily), ChangedAt: hoursAgo(1000)},
		secret: rotation.Metadata{ARN: "arn:prod/app", Name: "prod/app", Labels: map[string]string{
			rotation.Current: "v2", rotation.Previous: "v1", rotation.GivenUp: "v2",
		}},
		versions: map[string]time.Time{"v2": hoursAgo(9)}, // 03:00 today
	}
}

func (w *world) List(context.Context) ([]registry.Entry, error) {
	return []registry.Entry{w.entry}, nil
}

func (w *world) Describe(context.Context, string) (rotation.Metadata, error) { return w.secret, w.err }

func (w *world) CreatedAt(_ context.Context, _, id string) (time.Time, error) {
	return w.versions[id], nil
}

func (w *world) RunningIn(context.Context, string) ([]string, error) { return w.running, nil }

func (w *world) auditor() audit.Auditor {
	return audit.Auditor{Registry: w, Secrets: w, Executions: w, Now: func() time.Time { return now }}
}

func TestStates(t *testing.T) {
	version := rotation.VersionID(execution)
	for name, tc := range map[string]struct {
		change func(*world)
		state  audit.State
		detail string
		missed int
		since  time.Duration // before now
	}{
		"rotated in the last window": {func(*world) {}, audit.OK, "", 0, 0},
		"no schedule": {func(w *world) {
			w.entry.Input = json.RawMessage(`{"secretId":"prod/app"}`)
			w.versions["v2"] = hoursAgo(9999)
		}, audit.OK, "", 0, 0},
		"rotated yesterday":                             {func(w *world) { w.versions["v2"] = hoursAgo(33) }, audit.Overdue, "1 window(s) passed", 1, 6*time.Hour + 30*time.Minute},
		"rotated by hand after the last but one window": {func(w *world) { w.versions["v2"] = hoursAgo(13) }, audit.Overdue, "", 1, 6*time.Hour + 30*time.Minute},
		"rotated a week ago":                            {func(w *world) { w.versions["v2"] = hoursAgo(7*24 + 9) }, audit.Overdue, "7 window(s)", 7, 6*24*time.Hour + 6*time.Hour + 30*time.Minute},
		"configured after the window":                   {func(w *world) { w.versions["v2"] = hoursAgo(9999); w.entry.ChangedAt = hoursAgo(1) }, audit.OK, "", 0, 0},
		"frozen":                                        {func(w *world) { w.versions["v2"] = hoursAgo(33); w.entry.Input = frozen }, audit.OK, "", 0, 0},
		"somebody disabled the schedule":                {func(w *world) { w.versions["v2"] = hoursAgo(33); w.entry.Enabled = false }, audit.Overdue, "its schedule is disabled", 1, 6*time.Hour + 30*time.Minute},
		"dead for years":                                {func(w *world) { w.versions["v2"] = time.Time{}; w.entry.ChangedAt = time.Time{} }, audit.Overdue, "1000 window(s)", 1000, -1},

		"being rotated": {func(w *world) { w.pending(version, 0); w.running = []string{execution} }, audit.Rotating, execution, 0, 0},
		"being rotated, late": {func(w *world) {
			w.pending(version, 0)
			w.running = []string{execution}
			w.versions["v2"] = hoursAgo(33)
		}, audit.Rotating, execution, 1, 0},
		"by hand":              {func(w *world) { w.pending("uuid", 1) }, audit.Stuck, "by hand", 0, time.Hour},
		"by Secrets Manager":   {func(w *world) { w.pending("native", 1); w.secret.NativeRotationARN = "arn" }, audit.Rotating, "by Secrets Manager", 0, 0},
		"AWSPENDING left":      {func(w *world) { w.pending(version, 3) }, audit.Stuck, "version " + version, 0, time.Hour},
		"native, left":         {func(w *world) { w.pending("native", 3) }, audit.Stuck, "version native", 0, time.Hour},
		"AWSPENDING on itself": {func(w *world) { w.secret.Labels[rotation.Pending] = "v2" }, audit.OK, "", 0, 0},
		"just died":            {func(w *world) { w.pending(version, 1); w.secret.Labels[rotation.Hold(version)] = version }, audit.Attention, "not known", 0, 0},
		"failed":               {func(w *world) { w.secret.Labels[rotation.GivenUp] = "v3" }, audit.Failed, "failed and was undone", 0, 0},
		"could not be undone":  {func(w *world) { w.secret.Labels[rotation.Hold(version)] = version }, audit.Attention, "not known", 0, 0},

		"gone":          {func(w *world) { w.err = fault.New(fault.SecretNotFound, "", "") }, audit.Missing, "no such secret", 0, 0},
		"deleted":       {func(w *world) { w.secret.Deleted = true }, audit.Missing, "scheduled for deletion", 0, 0},
		"empty":         {func(w *world) { delete(w.secret.Labels, rotation.Current) }, audit.Missing, "AWSCURRENT", 0, 0},
		"refused":       {func(w *world) { w.err = fault.New(fault.AccessDenied, "DescribeSecret: no", "") }, audit.Unknown, "DescribeSecret: no", 0, 0},
		"misconfigured": {func(w *world) { w.entry.Input = json.RawMessage(`{"secretId":1}`) }, audit.Unknown, "configuration", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			tc.change(w)
			got, err := w.auditor().Run(t.Context())
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			s := got[0]
			if s.State != tc.state || !strings.Contains(s.Detail, tc.detail) || s.Missed != tc.missed {
				t.Errorf("%+v, want %s", s, tc.state)
			}
			switch {
			case tc.since > 0 && (s.Since == nil || now.Sub(*s.Since) != tc.since):
				t.Errorf("since %v", s.Since)
			case tc.since == 0 && s.Since != nil:
				t.Errorf("since %v", s.Since)
			}
		})
	}
}

var frozen = json.RawMessage(`{"secretId":"prod/app","schedule":{"expression":"cron(0 2 * * ? *)","duration":"3h","freeze":["2026-03-04"]}}`)

func (w *world) pending(version string, hours int) {
	w.secret.Labels[rotation.Pending] = version
	w.versions[version] = hoursAgo(hours)
}

// told collects.
type told struct {
	counts map[audit.State]int
	alerts []rotation.Ending
}

func (r *told) Count(c map[audit.State]int) { r.counts = c }

func (r *told) Publish(_ context.Context, e rotation.Ending) error {
	r.alerts = append(r.alerts, e)
	return nil
}

// One alert when it begins and one each day while it lasts, without a memory.
func TestOneAlertForEachFinding(t *testing.T) {
	w := newWorld()
	w.versions["v2"] = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC) // the window of the 3rd passes at 05:00
	var r told
	var hours []int
	for hour := range 48 {
		at := time.Date(2026, 3, 3, hour, 0, 0, 0, time.UTC)
		auditor := w.auditor()
		auditor.Now = func() time.Time { return at.Add(7 * time.Second) }
		result, err := audit.Report{Auditor: auditor, Metrics: &r, Topic: &r}.Run(t.Context(), audit.Tick{Time: at})
		if err != nil {
			t.Fatal(err)
		}
		if result.Alerted {
			hours = append(hours, hour)
		}
	}
	if len(hours) != 3 || hours[0] != 6 || hours[1] != 8 || hours[2] != 32 {
		t.Errorf("alerted at %v", hours)
	}
	if r.counts[audit.Overdue] != 1 || r.counts[audit.Stuck] != 0 || len(r.counts) != 4 {
		t.Errorf("counts %v", r.counts)
	}
	text := r.alerts[0].Subject + r.alerts[0].Message
	for _, want := range []string{"1 overdue", "prod/app", "Tue 2026-03-03 02:00-05:00 UTC", "AWSCURRENT was stored by hand 2026-03-02", "tumbler status"} {
		if !strings.Contains(text, want) {
			t.Errorf("the alert does not say %q: %s", want, text)
		}
	}
}

func TestNothingToTell(t *testing.T) {
	var r told
	result, err := audit.Report{Auditor: newWorld().auditor(), Metrics: &r, Topic: &r}.Run(t.Context(), audit.Tick{Time: time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)})
	if err != nil || result.Alerted || len(result.Findings) != 0 || len(r.counts) != 4 {
		t.Errorf("%+v, %v", result, err)
	}
}

// Value and the engine let a heartbeat beat.
func (w *world) Value(context.Context, string, rotation.Version) (redact.String, string, error) {
	return redact.New(`{"engine":"postgres","host":"h","username":"u","password":"p"` + w.ssl + `}`), "v2", nil
}

type database struct {
	world *world
	err   error
	then  func(*world)
	tls   bool
}

func (d database) For(secretdoc.Document) (engine.Engine, error) { return d, nil }

func (d database) Reach(context.Context, secretdoc.Document) error { return d.err }

func (d database) Connect(context.Context, secretdoc.Document) (engine.Session, error) {
	if d.then != nil {
		d.then(d.world)
	}
	if d.tls {
		return encrypted{}, d.err
	}
	return session{}, d.err
}

type session struct{ engine.Session }

type encrypted struct{ session }

func (encrypted) Encrypted() bool { return true }

func (session) Probe(context.Context) error { return nil }
func (session) Close()                      {}

func TestHeartbeat(t *testing.T) {
	refused := fault.New(fault.LoginRefused, "", "")
	for name, tc := range map[string]struct {
		before, during func(*world)
		err            error
		want           audit.HeartbeatCounts
	}{
		"well":             {nil, nil, nil, audit.HeartbeatCounts{Well: 1}},
		"refused":          {nil, nil, refused, audit.HeartbeatCounts{Drift: 1}},
		"unreachable":      {nil, nil, fault.New(fault.DatabaseUnreachable, "", ""), audit.HeartbeatCounts{Unreachable: 1}},
		"being rotated":    {func(w *world) { w.pending("x", 0) }, nil, refused, audit.HeartbeatCounts{Skipped: 1}},
		"begins to rotate": {nil, func(w *world) { w.pending("x", 0) }, refused, audit.HeartbeatCounts{Skipped: 1}},
		"rotated":          {nil, func(w *world) { w.secret.Labels[rotation.Current] = "v3" }, refused, audit.HeartbeatCounts{Skipped: 1}},
		"gone":             {func(w *world) { w.err = fault.New(fault.SecretNotFound, "", "") }, nil, nil, audit.HeartbeatCounts{Unreachable: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.before != nil {
				tc.before(w)
			}
			var measured audit.HeartbeatCounts
			got, err := audit.Heartbeat{
				Registry: w, Secrets: w, Databases: database{w, tc.err, tc.during, false}, Report: func(b audit.HeartbeatCounts) { measured = b },
			}.Run(t.Context(), audit.Tick{})
			if err != nil || got != tc.want || measured != got {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A server that has TLS today may say tomorrow that it has none, or a stranger in its
// place. The heartbeat advises to have the secret say it, until it does.
func TestHeartbeatAdvisesTLS(t *testing.T) {
	for ssl, want := range map[string]audit.HeartbeatCounts{
		``: {Well: 1, Advised: 1}, `,"ssl":true`: {Well: 1}, `,"ssl":false`: {Well: 1},
	} {
		w := newWorld()
		w.ssl = ssl
		said := ""
		got, err := audit.Heartbeat{
			Registry: w, Secrets: w, Databases: database{world: w, tls: true}, Report: func(audit.HeartbeatCounts) {},
			Advise: func(secret, what string) { said = secret + ": " + what },
		}.Run(t.Context(), audit.Tick{})
		if err != nil || got != want || strings.HasPrefix(said, `prod/app: Set "ssl" to true`) != (want.Advised == 1) {
			t.Errorf("%q: got %+v, %v, %q", ssl, got, err, said)
		}
	}
}

// slow databases do not answer.
type slow struct{ engine.Engine }

func (s slow) For(secretdoc.Document) (engine.Engine, error) { return s, nil }

func (slow) Connect(ctx context.Context, _ secretdoc.Document) (engine.Session, error) {
	<-ctx.Done()
	return nil, fault.New(fault.DatabaseUnreachable, "no answer", "")
}

type sixty struct{ *world }

func (s sixty) List(ctx context.Context) (list []registry.Entry, err error) {
	one, err := s.world.List(ctx)
	for range 60 {
		list = append(list, one[0])
	}
	return list, err
}

// Databases that do not answer cost their own time, not that of the report.
func TestHeartbeatOfSixtyUnreachable(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+200*time.Millisecond)
	defer cancel()
	var measured audit.HeartbeatCounts
	_, err := audit.Heartbeat{
		Registry: sixty{w}, Secrets: w, Databases: slow{}, Report: func(b audit.HeartbeatCounts) { measured = b },
	}.Run(ctx, audit.Tick{})
	if err != nil || measured != (audit.HeartbeatCounts{Unreachable: 60}) || ctx.Err() != nil {
		t.Errorf("%+v, %v, %v", measured, err, ctx.Err())
	}
}
