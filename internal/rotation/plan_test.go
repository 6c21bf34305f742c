package rotation_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

const (
	thisExecution  = "arn:aws:states:us-east-1:123456789012:execution:tumbler-rotation:this"
	otherExecution = "arn:aws:states:us-east-1:123456789012:execution:tumbler-rotation:other"
	secretARN      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-AbCdEf"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// metadata is a Describer over one secret.
type metadata struct {
	rotation.Metadata
	err error
}

func (m metadata) Describe(context.Context, string) (rotation.Metadata, error) {
	return m.Metadata, m.err
}

// CreatedAt makes the holder of AWSPENDING as old as the name of the version says.
func (m metadata) CreatedAt(_ context.Context, _, versionID string) (time.Time, error) {
	if versionID == "v-native-young" {
		return noon.Add(-14 * time.Minute), m.err
	}
	return noon.Add(-16 * time.Minute), m.err
}

// running is the list of running executions.
type running []string

func (r running) Running(context.Context, string) ([]string, error) { return r, nil }

func secret(change func(*rotation.Metadata)) metadata {
	m := rotation.Metadata{
		ARN: secretARN, Name: "prod/app",
		Labels: map[string]string{rotation.Current: "v-current", rotation.Previous: "v-previous"},
	}
	if change != nil {
		change(&m)
	}
	return metadata{Metadata: m}
}

func plan(t *testing.T, request string, secret metadata, executions running) (rotation.Planned, error) {
	t.Helper()
	return rotation.Plan{
		Secrets: secret, Executions: executions, Region: "us-east-1", RotatorARN: "arn:ours",
		Now: func() time.Time { return noon },
	}.Run(t.Context(), rotation.PlanInput{
		Request:   json.RawMessage(request),
		Execution: rotation.Execution{ARN: thisExecution, StartedAt: noon},
	})
}

func TestPlanRotates(t *testing.T) {
	got, err := plan(t, `{"secretId":"prod/app"}`, secret(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := rotation.Planned{
		Decision: rotation.Rotate, SecretARN: secretARN, SecretName: "prod/app", Strategy: rotation.SingleUser,
		VersionID:        rotation.VersionID(thisExecution),
		CurrentVersionID: "v-current", PreviousVersionID: "v-previous",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got.VersionID) != 64 {
		t.Errorf("version id has %d characters; ClientRequestToken takes 32 to 64", len(got.VersionID))
	}
}

func TestPlanRefusesRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		request string
		want    []string
	}{
		"not JSON":         {`nonsense`, []string{"not a JSON object"}},
		"not an object":    {`"prod/app"`, []string{"is a string"}},
		"no secret":        {`{}`, []string{"secretId", "missing"}},
		"empty secret":     {`{"secretId":" "}`, []string{"secretId", "missing"}},
		"wrong type":       {`{"secretId":7}`, []string{"secretId", "number"}},
		"unknown field":    {`{"secretId":"a","windwo":{}}`, []string{"windwo", "not known", "secretId, trigger"}},
		"unknown nested":   {`{"secretId":"a","trigger":{"sauce":"x"}}`, []string{"sauce"}},
		"unknown strategy": {`{"secretId":"a","strategy":"both"}`, []string{"strategy", `"both"`, "single-user"}},
		"unknown source":   {`{"secretId":"a","trigger":{"source":"cron"}}`, []string{"trigger.source", `"cron"`, "schedule or manual or event"}},
		"unknown outside":  {`{"secretId":"a","outsideWindow":"maybe"}`, []string{"outsideWindow", `"maybe"`, "reject or wait or rotate"}},
		"bad time":         {`{"secretId":"a","window":{"opensAt":"noon","closesAt":"night"}}`, []string{"RFC 3339"}},
		"inverted window":  {`{"secretId":"a","window":{"opensAt":"2026-03-01T12:00:00Z","closesAt":"2026-03-01T11:00:00Z"}}`, []string{"window", "not after"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan(t, tc.request, secret(nil), nil)
			if fault.CodeOf(err) != fault.InvalidRequest {
				t.Fatalf("got %v, want InvalidRequest", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestPlanRefusesSecrets(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*rotation.Metadata)
		code   fault.Code
		hint   string
	}{
		"deleted":       {func(m *rotation.Metadata) { m.Deleted = true }, fault.SecretDeleted, "restore-secret"},
		"replica":       {func(m *rotation.Metadata) { m.PrimaryRegion = "eu-west-1" }, fault.SecretIsReplica, "eu-west-1"},
		"managed":       {func(m *rotation.Metadata) { m.OwningService = "rds" }, fault.SecretManaged, "that service"},
		"native":        {func(m *rotation.Metadata) { m.NativeRotationARN = "arn:theirs" }, fault.NativeRotationEnabled, "cancel-rotate-secret"},
		"nothing there": {func(m *rotation.Metadata) { m.Labels = nil }, fault.SecretNotFound, "put-secret-value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan(t, `{"secretId":"prod/app"}`, secret(tc.change), nil)
			if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.hint) {
				t.Errorf("got %v, want %s and a hint with %q", err, tc.code, tc.hint)
			}
		})
	}
}

func TestPlanAcceptsSecretsThatOnlyLookForeign(t *testing.T) {
	for name, change := range map[string]func(*rotation.Metadata){
		"primary with replicas": func(m *rotation.Metadata) { m.PrimaryRegion = "us-east-1" },
		"our own rotator":       func(m *rotation.Metadata) { m.NativeRotationARN = "arn:ours" },
		"AWSPENDING on current": func(m *rotation.Metadata) { m.Labels[rotation.Pending] = "v-current" },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := plan(t, `{"secretId":"prod/app"}`, secret(change), running{otherExecution})
			if err != nil || got.Decision != rotation.Rotate {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPlanKnowsWhoHoldsAWSPENDING(t *testing.T) {
	pending := func(id string) metadata {
		return secret(func(m *rotation.Metadata) { m.Labels[rotation.Pending] = id })
	}
	t.Run("a running execution", func(t *testing.T) {
		got, err := plan(t, `{"secretId":"prod/app"}`, pending(rotation.VersionID(otherExecution)), running{thisExecution, otherExecution})
		if err != nil || got.Decision != rotation.Reject || got.Ending.Outcome != rotation.AlreadyRotating {
			t.Fatalf("got %+v, %v", got, err)
		}
		if !strings.Contains(got.Ending.Cause, otherExecution) {
			t.Errorf("cause %q does not name the execution", got.Ending.Cause)
		}
	})
	t.Run("a dead execution", func(t *testing.T) {
		got, err := plan(t, `{"secretId":"prod/app"}`, pending(rotation.VersionID(otherExecution)), running{thisExecution})
		if err != nil || got.Decision != rotation.Rotate || got.PendingVersionID != rotation.VersionID(otherExecution) {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	native := func(id string) metadata {
		return secret(func(m *rotation.Metadata) { m.Labels[rotation.Pending], m.NativeRotationARN = id, "arn:ours" })
	}
	t.Run("a native rotation", func(t *testing.T) {
		got, err := plan(t, `{"secretId":"prod/app"}`, native("v-native-young"), nil)
		if err != nil || got.Decision != rotation.Reject || got.Ending.Outcome != rotation.AlreadyRotating ||
			!strings.Contains(got.Ending.Cause, "2026-03-01T12:01:00Z takes it over") {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("a native rotation that died", func(t *testing.T) {
		got, err := plan(t, `{"secretId":"prod/app"}`, native("v-native-old"), nil)
		if err != nil || got.Decision != rotation.Rotate {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("this execution", func(t *testing.T) {
		got, err := plan(t, `{"secretId":"prod/app"}`, pending(rotation.VersionID(thisExecution)), running{thisExecution})
		if err != nil || got.Decision != rotation.Rotate {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

func TestPlanWindow(t *testing.T) {
	at := func(opens, closes, outside string) string {
		return `{"secretId":"prod/app","window":{"opensAt":"` + opens + `","closesAt":"` + closes + `"},"outsideWindow":"` + outside + `"}`
	}
	const (
		open1, open2     = "2026-03-01T11:00:00Z", "2026-03-01T13:00:00Z"
		later1, later2   = "2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"
		past1, past2     = "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z" // closes at this very instant
		remote1, remote2 = "2026-05-01T10:00:00Z", "2026-05-01T12:00:00Z"
	)
	for name, tc := range map[string]struct {
		request  string
		decision rotation.Decision
		window   bool
	}{
		"open":                {at(open1, open2, "reject"), rotation.Rotate, true},
		"opens at this time":  {at("2026-03-01T12:00:00Z", open2, "reject"), rotation.Rotate, true},
		"other zone":          {at("2026-03-01T12:30:00+01:00", "2026-03-01T14:00:00+01:00", "reject"), rotation.Rotate, true},
		"before, rejected":    {at(later1, later2, "reject"), rotation.Reject, true},
		"before, waits":       {at(later1, later2, "wait"), rotation.Wait, true},
		"before, forced":      {at(later1, later2, "rotate"), rotation.Rotate, false},
		"after, rejected":     {at(past1, past2, "reject"), rotation.Reject, true},
		"after, cannot wait":  {at(past1, past2, "wait"), rotation.Reject, true},
		"after, forced":       {at(past1, past2, "rotate"), rotation.Rotate, false},
		"too far off to wait": {at(remote1, remote2, "wait"), rotation.Reject, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := plan(t, tc.request, secret(nil), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Decision != tc.decision || (got.Window != nil) != tc.window {
				t.Errorf("got %s with window %v, want %s with window: %v", got.Decision, got.Window, tc.decision, tc.window)
			}
			if tc.decision == rotation.Reject && (got.Ending.Outcome != rotation.WindowClosed || !strings.Contains(got.Ending.Cause, "2026-0")) {
				t.Errorf("ending %+v does not say when the window is", got.Ending)
			}
		})
	}
}

// The window in the state is what Step Functions waits for: it takes UTC only.
func TestPlanWritesWindowsInUTC(t *testing.T) {
	got, err := plan(t, `{"secretId":"a","outsideWindow":"wait","window":{"opensAt":"2026-03-01T14:30:00+01:00","closesAt":"2026-03-01T16:00:00+01:00"}}`, secret(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(got)
	if !strings.Contains(string(raw), `"opensAt":"2026-03-01T13:30:00Z"`) {
		t.Errorf("got %s", raw)
	}
}

func TestAlertsFitSNS(t *testing.T) {
	long := strings.Repeat("ü", 200)
	got, err := plan(t, `{"secretId":"x"}`, secret(func(m *rotation.Metadata) {
		m.Name = long
		m.Labels[rotation.Pending] = rotation.VersionID(otherExecution)
	}), running{otherExecution})
	if err != nil {
		t.Fatal(err)
	}
	subject := got.Ending.Subject
	if len(subject) > 100 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("subject %q does not fit SNS", subject)
	}
}
