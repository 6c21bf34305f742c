package rotation_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

var update = flag.Bool("update", false, "rewrite testdata/alerts.golden")

// alerts are one of each kind.
func alerts(t *testing.T) (endings []rotation.Ending) {
	t.Helper()
	add := func(e rotation.Ending, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		endings = append(endings, e)
	}
	restored := func(v *vault, s *server, in rotation.RestoreInput) (rotation.Ending, error) {
		e, _, err := restore(t, v, s, in)
		return e, err
	}
	rejected := func(request string, holder string) (rotation.Ending, error) {
		_, err := plan(t, request, secret(func(m *rotation.Metadata) { m.Labels[rotation.Pending] = holder }), running{otherExecution})
		in := failedAt(newVault(), "Plan")
		in.Plan, in.Failure = rotation.Planned{}, rotation.Failure{Error: string(fault.CodeOf(err)), Cause: fault.From(err).Message()}
		return restored(newVault(), &server{}, in)
	}
	add(rejected(`{"secretId":"prod/app"}`, rotation.VersionID(otherExecution)))
	add(rejected(`{"secretId":"prod/app","window":{"opensAt":"2026-03-01T09:00:00Z","closesAt":"2026-03-01T10:00:00Z"}}`, ""))

	v := newVault()
	v.stored(document("pending"))
	works := &server{answers: map[string]fault.Code{"current": ""}}
	refuses := &server{answers: map[string]fault.Code{}}
	unplanned := failedAt(v, "SetSecret")
	unplanned.Plan = rotation.Planned{}
	unplanned.Failure = rotation.Failure{Error: "SecretDeleted", Cause: "secret prod/app is scheduled for deletion"}
	add(restored(v, works, unplanned))
	add(restored(v, refuses, failedAt(v, "SetSecret")))
	add(restored(v, works, failedAt(v, "SetSecret")))
	v.stored(document("pending"))
	set := failedAt(v, "TestSecret")
	set.Set.ChangedAt = new(noon.Add(-time.Minute))
	add(restored(v, &server{answers: map[string]fault.Code{"pending": ""}}, set))

	v = newVault()
	v.pending("v-dead", document("pending"))
	p := planned(v)
	v.stored(document("pending"))
	finish := rotation.StepInput{Plan: p, Execution: rotation.Execution{ARN: thisExecution, StartedAt: noon.Add(-time.Minute)}}
	add(rotation.Finish{Secrets: v, Now: atNoon}.Run(t.Context(), finish))
	finish.Set.LoggedInWith = rotation.WithSuperuser
	add(rotation.Finish{Secrets: v, Now: atNoon}.Run(t.Context(), finish))
	finish.Set.LoggedInWith, finish.Create.Moved = rotation.Current, true
	add(rotation.Finish{Secrets: v, Now: atNoon}.Run(t.Context(), finish))
	moved := failedAt(newVault(), "SetSecret")
	moved.Create.Moved = true
	add(restored(newVault(), works, moved))

	request, err := rotation.ParseRequest(json.RawMessage(`{"secretId":"prod/app"}`))
	if err != nil {
		t.Fatal(err)
	}
	cut := rotation.Interruption{
		Request: request, Execution: rotation.Execution{ARN: strings.Replace(thisExecution, "tumbler-", "payments-", 1), StartedAt: noon.Add(-time.Hour)},
		Plan: planned(v), Step: "SetSecret", Status: "TIMED_OUT",
		Labels: map[string]string{rotation.Current: "v-current", rotation.Pending: own}, Now: noon,
	}
	add(cut.Ending(), nil)
	cut.Labels = map[string]string{rotation.Current: own}
	cut.Step, cut.Status, cut.Failure = "Ending", "FAILED", rotation.Failure{Error: "States.Runtime", Cause: "the path is not there"}
	add(cut.Ending(), nil)
	add(rotation.Undelivered{Request: request, By: "schedule tumbler/prod-app", Reason: "AccessDenied: not allowed to start", At: noon}.Ending(), nil)
	return endings
}

// What people read, all of it.
func TestAlerts(t *testing.T) {
	var b strings.Builder
	for _, e := range alerts(t) {
		fmt.Fprintf(&b, "[outcome=%s severity=%s error=%s secret=%s]\n%s\n\n%s\n----\n", e.Outcome, e.Severity, e.Error, e.Secret, e.Subject, e.Message)
	}
	const golden = "testdata/alerts.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (go test -update rewrites it): %s", golden, diff)
	}
}

// SNS refuses an empty attribute and long or unprintable subjects: the alert would
// be lost.
func TestAlertsAreAcceptedBySNS(t *testing.T) {
	v := newVault()
	v.stored(document("pending"))
	in := failedAt(v, "SetSecret")
	in.Failure = rotation.Failure{} // as if nothing were known
	nameless, _, err := restore(t, v, &server{answers: map[string]fault.Code{"current": ""}}, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(alerts(t), nameless, rotation.Interruption{}.Ending(), rotation.Undelivered{}.Ending()) {
		for _, attribute := range []string{string(e.Outcome), e.Severity, e.Error, e.Secret, e.Subject, e.Message} {
			if attribute == "" {
				t.Errorf("an empty attribute: %+v", e)
			}
		}
		if len(e.Subject) > 99 || strings.ContainsFunc(e.Subject, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("subject %q", e.Subject)
		}
	}
}

// What is left after an interruption decides whether somebody is paged.
func TestInterruptions(t *testing.T) {
	v := newVault()
	single := planned(v)
	pair := single
	pair.Strategy = rotation.AlternatingUsers
	left := map[string]string{rotation.Current: "v-current", rotation.Hold(own): own}
	for name, tc := range map[string]struct {
		plan         rotation.Planned
		labels       map[string]string
		applications string
	}{
		"before it was planned":        {rotation.Planned{}, nil, "not changed"},
		"before it was planned, truly": {rotation.Planned{SecretARN: "(not planned)"}, nil, "not changed"},
		"labels cannot be read":        {single, nil, "at risk"},
		"its version is on hold":       {single, left, "at risk"},
		"AWSPENDING is left":           {single, map[string]string{rotation.Current: "v-current", rotation.Pending: own}, "at risk"},
		"on hold, of the pair":         {pair, left, "not changed"},
		"AWSPENDING is gone":           {single, map[string]string{rotation.Current: "v-current"}, "not changed"},
		"AWSPENDING is another's":      {single, map[string]string{rotation.Current: "v-current", rotation.Pending: "v-other"}, "not changed"},
		"AWSCURRENT has moved":         {single, map[string]string{rotation.Current: own, rotation.Pending: own}, "unaffected"},
	} {
		t.Run(name, func(t *testing.T) {
			e := rotation.Interruption{Plan: tc.plan, Labels: tc.labels, Status: "ABORTED", Now: noon}.Ending()
			severity := map[bool]string{false: "warning", true: "critical"}[tc.applications == "at risk"]
			if e.Event.Applications != tc.applications || e.Severity != severity || e.Error != string(fault.RotationCutShort) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A run that finds what an earlier one left undone says that it has healed it, and
// takes off every label.
func TestHeals(t *testing.T) {
	hold := rotation.Hold("v-dead-long-enough")
	for name, tc := range map[string]struct {
		labels map[string]string
		want   bool
	}{
		"nothing":                            {nil, false},
		"AWSPENDING of a dead run":           {map[string]string{rotation.Pending: "v-dead"}, true},
		"AWSPENDING on AWSCURRENT":           {map[string]string{rotation.Pending: "v-current"}, false},
		"its own AWSPENDING":                 {map[string]string{rotation.Pending: own, rotation.Hold(own): own}, false},
		"a version on hold":                  {map[string]string{hold: "v-dead-long-enough"}, true},
		"the last run's version is current":  {map[string]string{rotation.GivenUp: "v-current", hold: "v-current"}, false},
		"the last run's version is previous": {map[string]string{rotation.GivenUp: "v-previous"}, false},
		"the last run's version was dropped": {map[string]string{rotation.GivenUp: "v-failed"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			maps.Copy(v.labels, tc.labels)
			made, err := plan(t, `{"secretId":"prod/app"}`, secret(func(m *rotation.Metadata) { m.Labels = maps.Clone(v.labels) }), nil)
			if err != nil {
				t.Fatal(err)
			}
			v.labels[rotation.Hold(own)] = own
			e, err := rotation.Finish{Secrets: v, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: made})
			if err != nil || e.Event.Healed != tc.want || e.Alert != tc.want {
				t.Errorf("got %+v, %v", e, err)
			}
			for label := range v.labels {
				if strings.HasPrefix(label, rotation.GivenUp) {
					t.Errorf("label %s is left", label)
				}
			}
		})
	}
}

// Whoever types a request is told at the keyboard, and nobody is woken. A schedule's and
// an event's failures are alerted, and so is what only a person can put right.
func TestWhoTypesIsTold(t *testing.T) {
	for _, tc := range []struct {
		request, step, code string
		alert               bool
	}{
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "SecretNotFound", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "NotConfigured", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "InvalidRequest", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "WindowClosed", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "AlreadyRotating", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "CreateSecret", "AlreadyRotating", false},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "CreateSecret", "WindowClosed", true},
		{`{"secretId":"prod/app","trigger":{"source":"manual"},"outsideWindow":"wait"}`, "Plan", "WindowClosed", true},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "Plan", "SecretDeleted", true},
		{`{"secretId":"prod/app","trigger":{"source":"manual"}}`, "SetSecret", "LoginRefused", true},
		{`{"secretId":"prod/app","trigger":{"source":"schedule"}}`, "Plan", "SecretNotFound", true},
		{`{"secretId":"prod/app","trigger":{"source":"event"}}`, "Plan", "AlreadyRotating", true},
		{`{"secretId":"prod/app"}`, "Plan", "WindowClosed", true},
	} {
		v := newVault()
		v.stored(document("pending"))
		in := failedAt(v, tc.step)
		in.Request, in.Failure.Error = json.RawMessage(tc.request), tc.code
		if tc.step == "Plan" {
			in.Plan = rotation.Planned{}
		}
		e, _, err := restore(t, v, &server{answers: map[string]fault.Code{"current": ""}}, in)
		skipped := tc.code == "AlreadyRotating"
		if err != nil || e.Alert != tc.alert || (e.DetailType == "Rotation Skipped") != skipped || e.Severity == "critical" {
			t.Errorf("%+v: alert %v, %s, %s, %v", tc, e.Alert, e.DetailType, e.Severity, err)
		}
	}
}

// Where the cause tells of applications, too, the alert does not hide behind "not
// tried"; and where a runbook is published, it leads there.
func TestWhatIsKnownOfApplications(t *testing.T) {
	for code, want := range map[string]string{
		"SecretDeleted": "applications cannot read it either", "SecretNotFound": "applications cannot read a secret that is not there",
		"InvalidSecret": "applications cannot read AWSCURRENT either", "AccessDenied": "whether AWSCURRENT logs in was not tried",
	} {
		in := failedAt(newVault(), "Plan")
		in.Plan, in.Failure.Error = rotation.Planned{}, code
		e, err := rotation.Restore{Secrets: newVault(), Now: atNoon, Runbook: "https://wiki.example/runbook/"}.Run(t.Context(), in)
		link := "https://wiki.example/runbook#" + strings.ToLower(code)
		if err != nil || !strings.Contains(e.Message, "Applications:   not changed by this rotation; "+want) || !strings.Contains(e.Message, link) || strings.Contains(e.Message, "unaffected") {
			t.Errorf("%s: %v\n%s", code, err, e.Message)
		}
	}
}

// The link leads to the partition that the execution is in.
func TestConsoleLinks(t *testing.T) {
	for partition, want := range map[string]string{
		"aws":        "https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/arn:aws:states:",
		"aws-cn":     "https://eu-central-1.console.amazonaws.cn/states/home?",
		"aws-us-gov": "https://eu-central-1.console.amazonaws-us-gov.com/states/home?",
		"aws-iso":    "",
	} {
		e := rotation.Interruption{Execution: rotation.Execution{ARN: "arn:" + partition + ":states:eu-central-1:123456789012:execution:tumbler-rotation:x"}}.Ending()
		if _, link, found := strings.Cut(e.Message, "Console:        "); found != (want != "") || !strings.HasPrefix(link, want) {
			t.Errorf("%s: %s", partition, e.Message)
		}
	}
}
