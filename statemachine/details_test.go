package statemachine_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// sent is what a run that gave up told people and machines.
type sent struct {
	Alert struct {
		TopicArn, Subject, Message string
		MessageAttributes          map[string]struct{ DataType, StringValue string }
	}
	Event struct {
		Source, DetailType, EventBusName string
		Detail                           map[string]any
	}
}

// gaveUpAfter runs into failures for good, also of Restore.
func gaveUpAfter(t *testing.T, faults ...failing) (sent, asl.Result) {
	t.Helper()
	w := newWorld(scenario{faults: faults})
	r := w.run(t.Context(), loaded(t), 1)
	if r.Status != asl.Failed || r.Path[len(r.Path)-1] != "NeedsAttention" {
		t.Fatalf("%+v", r)
	}
	var (
		s   sent
		put struct{ Entries []json.RawMessage }
	)
	for _, err := range []error{
		json.Unmarshal(w.inputs["SendAlert"], &s.Alert), json.Unmarshal(w.inputs["Announce"], &put), json.Unmarshal(put.Entries[0], &s.Event),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, r
}

// What somebody who was woken up needs to know, wherever it was that Restore could
// not help.
func TestGiveUpAlert(t *testing.T) {
	for _, state := range []string{"Plan", "CreateSecret", "SetSecret", "TestSecret", "FinishSecret"} {
		s, _ := gaveUpAfter(t, failing{state, "PrivilegeMissing", 0}, failing{"Restore", "KeyUnusable", 0})
		secret, known := secretARN, "Secret:         "+secretARN
		if state == "Plan" {
			secret, known = unplanned["secretArn"].(string), "whether AWSCURRENT logs in was not tried"
		}
		for _, want := range []string{
			"NEEDS ATTENTION: ", known,
			"\nFailed:         PrivilegeMissing: " + causeOf("PrivilegeMissing") + ". Then Restore with KeyUnusable: " + causeOf("KeyUnusable") + ". Superuser: NotNeeded",
		} {
			if !strings.Contains(s.Alert.Message, want) {
				t.Errorf("%s: the message does not say %q:\n%s", state, want, s.Alert.Message)
			}
		}
		// SNS: a subject is at most 99 ASCII characters on one line, an attribute
		// is not empty.
		if len(s.Alert.Subject) > 99 || strings.ContainsFunc(s.Alert.Subject, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%s: subject %q", state, s.Alert.Subject)
		}
		for name, value := range map[string]string{"outcome": "NeedsAttention", "severity": "critical", "error": "PrivilegeMissing", "secret": secret} {
			if got := s.Alert.MessageAttributes[name]; got.DataType != "String" || got.StringValue != value {
				t.Errorf("%s: attribute %s is %+v, want %s", state, name, got, value)
			}
		}
	}
}

func TestGiveUpEvent(t *testing.T) {
	s, _ := gaveUpAfter(t, failing{"SetSecret", "PrivilegeMissing", 0}, failing{"Restore", "KeyUnusable", 0})
	if s.Event.Source != "tumbler" || s.Event.DetailType != "Rotation Failed" || s.Event.EventBusName != substitutions["EventBusName"] {
		t.Errorf("%+v", s.Event)
	}
	want := map[string]any{
		"outcome": "NeedsAttention", "error": "PrivilegeMissing", "restoreError": "KeyUnusable", "superuser": "NotNeeded", "execution": executionARN, "secretArn": secretARN,
		"step": "Restore", "applications": "of the plan rotate", "startedAt": "2026-03-01T12:00:00.000Z",
	}
	if diff := cmp.Diff(want, s.Event.Detail); diff != "" {
		t.Error(diff)
	}
}

// Whoever is woken up learns that the superuser may have changed a password, also when
// the attempt that had it do so has died.
func TestGiveUpTellsOfTheSuperuser(t *testing.T) {
	s, _ := gaveUpAfter(t, failing{"SetSecret", "SuperuserNeeded", 1}, failing{"TestSecret", "LoginRefused", 0}, failing{"Restore", late, 0})
	if !strings.HasSuffix(s.Alert.Message, ". Superuser: SuperuserNeeded") || s.Event.Detail["superuser"] != "SuperuserNeeded" {
		t.Errorf("%v\n%s", s.Event.Detail, s.Alert.Message)
	}
}

// Restore is told how often it is tried again: at the last time it says itself what it
// could not prove.
func TestRestoreKnowsItsLastAttempt(t *testing.T) {
	var machine struct {
		States struct {
			Restore struct {
				Parameters struct {
					Retries int `json:"retries"`
				}
				Retry []struct{ MaxAttempts int }
			}
		}
	}
	b, err := os.ReadFile("rotation.asl.json")
	if err == nil {
		err = json.Unmarshal(b, &machine)
	}
	if err != nil {
		t.Fatal(err)
	}
	restore := machine.States.Restore
	if len(restore.Retry) != 1 || restore.Retry[0].MaxAttempts != restore.Parameters.Retries {
		t.Errorf("Restore is told of %d retries, and has %+v", restore.Parameters.Retries, restore.Retry)
	}
}

// A timeout has no cause of its own; the message must do without.
func TestGiveUpOnTimeouts(t *testing.T) {
	_, r := gaveUpAfter(t, failing{"FinishSecret", late, 0}, failing{"Restore", late, 0})
	if r.Error != asl.ErrorTimeout || r.Cause != "States.Timeout: . Then restoring failed with States.Timeout: " {
		t.Errorf("%s: %q", r.Error, r.Cause)
	}
}

// The request cannot pose as what the steps say: it is kept apart.
func TestRequestCannotPoseAsAResult(t *testing.T) {
	w := newWorld(scenario{})
	w.run(t.Context(), loaded(t), 1)
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
	m := loaded(t)
	w := newWorld(scenario{faults: []failing{{"SetSecret", "DatabaseError", 0}}})
	r := w.run(t.Context(), m, 1)
	run := asl.Run{ResumeFrom: r.Checkpoint, Clock: w.clock, Task: w.task, Execution: asl.Execution{ARN: executionARN}}
	r = m.Run(t.Context(), run)
	if diff := cmp.Diff([]string{"RestoredCleanly"}, r.Path); diff != "" || r.Error != "DatabaseError" {
		t.Errorf("%+v", r)
	}
}
