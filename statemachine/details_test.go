package statemachine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/asl"
)

// gaveUp is a run in which the rotation and the restore failed.
func gaveUp(t *testing.T) *world {
	t.Helper()
	w := newWorld(scenario{faults: []failing{{"SetSecret", "PrivilegeMissing", 0}, {"Restore", "KeyUnusable", 0}}})
	if r := w.run(t.Context(), rotation(t), 1); r.Status != asl.Failed {
		t.Fatalf("%+v", r)
	}
	return w
}

func TestGiveUpAlert(t *testing.T) {
	var alert struct {
		TopicArn, Subject, Message string
		MessageAttributes          map[string]struct{ DataType, StringValue string }
	}
	if err := json.Unmarshal(gaveUp(t).inputs["SendAlert"], &alert); err != nil {
		t.Fatal(err)
	}
	// What somebody who was woken up needs to know.
	for _, want := range []string{
		"applications may be unable to log in, since 2026-03-01T12:00:00.000Z", "Secret: " + secretARN + " ",
		"rotation failed with PrivilegeMissing", "restoring failed with KeyUnusable", "AWSPENDING may be the only password",
		"docs/runbook.md#KeyUnusable", "tumbler rotate " + secretARN + " ", "tumbler watch " + executionARN,
	} {
		if !strings.Contains(alert.Message, want) {
			t.Errorf("the message does not say %q:\n%s", want, alert.Message)
		}
	}
	if strings.ContainsAny(alert.Message, "{}\n") {
		t.Errorf("the message holds JSON:\n%s", alert.Message)
	}
	// SNS: a subject is at most 99 ASCII characters on one line, an attribute
	// is not empty.
	if len(alert.Subject) > 99 || strings.ContainsAny(alert.Subject, "\r\n") {
		t.Errorf("subject %q", alert.Subject)
	}
	want := map[string]string{"outcome": "NeedsAttention", "severity": "critical", "error": "PrivilegeMissing", "secret": secretARN}
	for name, value := range want {
		if got := alert.MessageAttributes[name]; got.DataType != "String" || got.StringValue != value {
			t.Errorf("attribute %s is %+v, want %s", name, got, value)
		}
	}
}

func TestGiveUpEvent(t *testing.T) {
	var put struct {
		Entries []struct {
			Source, DetailType, EventBusName string
			Detail                           map[string]any
		}
	}
	if err := json.Unmarshal(gaveUp(t).inputs["Announce"], &put); err != nil || len(put.Entries) != 1 {
		t.Fatal(err, put)
	}
	e := put.Entries[0]
	if e.Source != "tumbler" || e.DetailType != "Rotation Failed" || e.EventBusName != substitutions["EventBusName"] {
		t.Errorf("%+v", e)
	}
	for key, want := range map[string]any{
		"outcome": "NeedsAttention", "error": "PrivilegeMissing", "restoreError": "KeyUnusable", "execution": executionARN, "secretArn": secretARN, "versionId": versionID,
		"applications": "at risk", "startedAt": "2026-03-01T12:00:00.000Z",
	} {
		if e.Detail[key] != want {
			t.Errorf("%s is %v, want %v", key, e.Detail[key], want)
		}
	}
}

// Where no step had run nobody is paged, and the message does without what the
// request may lack.
func TestNothingTouchedAlert(t *testing.T) {
	w := newWorld(scenario{faults: []failing{{"Plan", "InternalError", 0}, {"Restore", late, 0}}})
	r := w.run(t.Context(), rotation(t), 1)
	if r.Error != "InternalError" || r.Path[len(r.Path)-1] != "Refused" {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"Nothing was touched", "InternalError", "States.Timeout", executionARN, `"severity":{"DataType":"String","StringValue":"warning"}`} {
		if !strings.Contains(string(w.inputs["SendAlert"]), want) {
			t.Errorf("the alert does not say %q:\n%s", want, w.inputs["SendAlert"])
		}
	}
}

// A timeout has no cause of its own; the message must do without.
func TestGiveUpOnTimeouts(t *testing.T) {
	w := newWorld(scenario{faults: []failing{{"FinishSecret", late, 0}, {"Restore", late, 0}}})
	r := w.run(t.Context(), rotation(t), 1)
	if r.Error != asl.ErrorTimeout || r.Cause != "States.Timeout: . Then restoring failed with States.Timeout: " {
		t.Errorf("%s: %q", r.Error, r.Cause)
	}
}

// The request cannot pose as what the steps say: it is kept apart.
func TestRequestCannotPoseAsAResult(t *testing.T) {
	w := newWorld(scenario{})
	w.run(t.Context(), rotation(t), 1)
	var in map[string]json.RawMessage
	if err := json.Unmarshal(w.inputs["Plan"], &in); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"request":   request,
		"execution": `{"arn":"` + executionARN + `","startedAt":"2026-03-01T12:00:00.000Z"}`,
	}
	got := map[string]string{}
	for key, v := range in {
		got[key] = string(v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a redrive does: the failed end is reached again; an execution that was
// interrupted goes on where it was, with all its attempts.
func TestRedrive(t *testing.T) {
	m := rotation(t)
	w := newWorld(scenario{faults: []failing{{"SetSecret", "DatabaseError", 0}}})
	r := w.run(t.Context(), m, 1)
	run := asl.Run{ResumeFrom: r.Checkpoint, Clock: w.clock, Task: w.task, Execution: asl.Execution{ARN: executionARN}}
	r = m.Run(t.Context(), run)
	if diff := cmp.Diff([]string{"RestoredCleanly"}, r.Path); diff != "" || r.Error != "DatabaseError" {
		t.Errorf("%+v", r)
	}
}
