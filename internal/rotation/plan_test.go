package rotation_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
	if !strings.Contains(got.GiveUp, secretARN) || !strings.Contains(got.Headline, "prod/app") {
		t.Errorf("the alert in reserve is %q: %s", got.Headline, got.GiveUp)
	}
	got.GiveUp, got.Headline, got.Applications = "", "", ""
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
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
		_, err := plan(t, `{"secretId":"prod/app"}`, pending(rotation.VersionID(otherExecution)), running{thisExecution, otherExecution})
		if !fault.Is(err, fault.AlreadyRotating) || !strings.Contains(err.Error(), otherExecution) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a running execution, whose AWSPENDING a person took off", func(t *testing.T) {
		other := rotation.VersionID(otherExecution)
		_, err := plan(t, `{"secretId":"prod/app"}`, secret(func(m *rotation.Metadata) { m.Labels[rotation.Hold(other)] = other }), running{thisExecution, otherExecution})
		if !fault.Is(err, fault.AlreadyRotating) || !strings.Contains(err.Error(), otherExecution) {
			t.Fatalf("got %v", err)
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
		_, err := plan(t, `{"secretId":"prod/app"}`, native("v-native-young"), nil)
		if !fault.Is(err, fault.AlreadyRotating) || !strings.Contains(err.Error(), "2026-03-01T12:01:00Z takes it over") {
			t.Fatalf("got %v", err)
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
		"before, rejected":    {at(later1, later2, "reject"), "", false},
		"before, waits":       {at(later1, later2, "wait"), rotation.Wait, true},
		"before, forced":      {at(later1, later2, "rotate"), rotation.Rotate, false},
		"after, rejected":     {at(past1, past2, "reject"), "", false},
		"after, cannot wait":  {at(past1, past2, "wait"), "", false},
		"after, forced":       {at(past1, past2, "rotate"), rotation.Rotate, false},
		"too far off to wait": {at(remote1, remote2, "wait"), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := plan(t, tc.request, secret(nil), nil)
			if (err != nil) != (tc.decision == "") {
				t.Fatal(err)
			}
			if got.Decision != tc.decision || (got.Window != nil) != tc.window {
				t.Errorf("got %s with window %v, want %s with window: %v", got.Decision, got.Window, tc.decision, tc.window)
			}
			if err != nil && (!fault.Is(err, fault.WindowClosed) || !strings.Contains(err.Error(), "2026-0")) {
				t.Errorf("%v does not say when the window is", err)
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
	got, err := plan(t, `{"secretId":"x"}`, secret(func(m *rotation.Metadata) { m.Name = strings.Repeat("ü", 200) }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if subject := got.Headline; len(subject) > 99 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("subject %q does not fit SNS", subject)
	}
}

// configuration is a Registry with one entry.
type configuration string

func (c configuration) Lookup(context.Context, string, string) (json.RawMessage, bool, error) {
	return json.RawMessage(c), c != "", nil
}

// Where a registry exists, configuration always comes from it: whoever may start an
// execution names the secret, the reason and what to do outside the window.
func TestPlanTakesConfigurationFromTheRegistry(t *testing.T) {
	const configured = configuration(`{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"prod/master","password":{"length":40},"trigger":{"source":"schedule"}}`)
	for name, tc := range map[string]struct {
		request string
		code    fault.Code
		field   string
	}{
		"by hand":                  {`{"secretId":"prod/app","trigger":{"source":"manual","reason":"INC-1"},"outsideWindow":"rotate"}`, "", ""},
		"without a source":         {`{"secretId":"prod/app"}`, "", ""},
		"by an event":              {`{"secretId":"prod/app","trigger":{"source":"event"}}`, "", ""},
		"as the schedule sends it": {string(configured), "", ""},
		"as a schedule would not":  {`{"secretId":"prod/app","trigger":{"source":"schedule"},"recoverPassword":true,"superuserSecretId":"evil"}`, "", ""},
		"another strategy":         {`{"secretId":"prod/app","strategy":"single-user"}`, fault.InvalidRequest, "strategy"},
		"the strategy as it is":    {`{"secretId":"prod/app","strategy":"alternating-users"}`, fault.InvalidRequest, "strategy"},
		"another superuser":        {`{"secretId":"prod/app","superuserSecretId":"evil"}`, fault.InvalidRequest, "superuserSecretId"},
		"recoverPassword":          {`{"secretId":"prod/app","trigger":{"source":"manual"},"recoverPassword":true}`, fault.InvalidRequest, "recoverPassword"},
		"a window of one's own":    {`{"secretId":"prod/app","trigger":{"source":"manual"},"window":{"opensAt":"2026-03-01T11:00:00Z","closesAt":"2026-03-01T13:00:00Z"}}`, fault.InvalidRequest, "window"},
		"a schedule of one's own":  {`{"secretId":"prod/app","schedule":{"expression":"rate(4 hours)"}}`, fault.InvalidRequest, "schedule"},
		"short passwords":          {`{"secretId":"prod/app","password":{"length":8}}`, fault.InvalidRequest, "password"},
		"a rotation function":      {`{"secretId":"prod/app","rotationFunction":"arn:evil"}`, fault.InvalidRequest, "rotationFunction"},
	} {
		t.Run(name, func(t *testing.T) {
			p := rotation.Plan{Secrets: secret(nil), Executions: running{}, Registry: configured, Region: "us-east-1", Now: atNoon}
			got, err := p.Run(t.Context(), rotation.PlanInput{Request: json.RawMessage(tc.request), Execution: rotation.Execution{ARN: thisExecution}})
			if fault.CodeOf(err) != tc.code || tc.code != "" && !strings.Contains(err.Error(), "field "+tc.field+" ") {
				t.Fatalf("got %v", err)
			}
			if tc.code == "" && (got.Strategy != rotation.AlternatingUsers || got.SuperuserSecretID != "prod/master" || got.RecoverPassword || got.Password.Length != 40) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
