package incident_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/watch/incident"
)

const execution = "arn:aws:states:us-east-1:123456789012:execution:tumbler-rotation:x"

// world is an execution, its secret, and who is told.
type world struct {
	trace  incident.Trace
	err    error
	labels map[string]string
	alerts []rotation.Ending
}

func (w *world) Trace(context.Context, string) (incident.Trace, error) { return w.trace, w.err }

func (w *world) Describe(context.Context, string) (rotation.Metadata, error) {
	if w.labels == nil {
		return rotation.Metadata{}, fault.New(fault.AccessDenied, "", "")
	}
	return rotation.Metadata{Labels: w.labels}, nil
}

func (w *world) Publish(_ context.Context, e rotation.Ending) error {
	w.alerts = append(w.alerts, e)
	return nil
}

func changed(status string) string {
	return fmt.Sprintf(`{"source":"aws.states","detail":{"executionArn":%q,"status":%q,"startDate":1772366400000,"input":"{\"secretId\":\"prod/app\"}"}}`, execution, status)
}

const planned = `"request":{"secretId":"prod/app"},"plan":{"decision":"rotate","secretArn":"arn:prod/app","versionId":"own","strategy":"single-user"}`

func TestExecutions(t *testing.T) {
	left := map[string]string{rotation.Current: "v1", rotation.Pending: "own"}
	failed := fault.New(fault.Throttled, "", "")
	for name, tc := range map[string]struct {
		status string
		world  world
		alert  string // a part of it; "" for none
		code   fault.Code
	}{
		"ended in one of ours":       {"FAILED", world{trace: incident.Trace{State: "Refused", Final: true, Input: json.RawMessage(`{` + planned + `,"alert":{"MessageId":"1"}}`)}}, "", ""},
		"aborted after its alert":    {"ABORTED", world{trace: incident.Trace{State: "Announce", Input: json.RawMessage(`{` + planned + `,"alert":{"MessageId":"1"}}`)}}, "", ""},
		"could not send its alert":   {"FAILED", world{trace: incident.Trace{State: "Refused", Final: true, Input: json.RawMessage(`{` + planned + `,"alertFailure":{"Error":"x"},"ending":{"message":"its own words"}}`)}}, "its own words", ""},
		"told at the keyboard":       {"FAILED", world{trace: incident.Trace{State: "WindowClosed", Final: true, Input: json.RawMessage(`{` + planned + `,"ending":{"alert":false}}`)}}, "", ""},
		"timed out":                  {"TIMED_OUT", world{labels: left, trace: incident.Trace{State: "TestSecret", Input: json.RawMessage(`{` + planned + `}`)}}, "Left behind:    AWSPENDING on its version", ""},
		"was given up":               {"FAILED", world{labels: left, trace: incident.Trace{State: "Ending", Input: json.RawMessage(`{` + planned + `}`), Failure: rotation.Failure{Error: "States.Runtime", Cause: "no path"}}}, "FAILED with States.Runtime: no path", ""},
		"labels cannot be read":      {"ABORTED", world{trace: incident.Trace{State: "TestSecret", Input: json.RawMessage(`{` + planned + `}`)}}, "labels could not be read", ""},
		"before anything":            {"ABORTED", world{}, "no step had run", ""},
		"in the first state":         {"ABORTED", world{trace: incident.Trace{State: "Receive", Input: json.RawMessage(`{"secretId":"prod/app"}`)}}, "no step had run", ""},
		"a state that is cut off":    {"TIMED_OUT", world{trace: incident.Trace{State: "SetSecret", Input: json.RawMessage(`{"request":{"secr`)}}, "history could not be read", ""},
		"the history is kept away":   {"ABORTED", world{err: failed}, "history could not be read", ""},
		"and it probably has spoken": {"FAILED", world{err: failed}, "", fault.Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			w := tc.world
			got, err := run(t, &w, changed(tc.status))
			if fault.CodeOf(err) != tc.code || got.Alerts != len(w.alerts) || (tc.alert != "") != (len(w.alerts) == 1) {
				t.Fatalf("%+v, %v: %+v", got, err, w.alerts)
			}
			if tc.alert != "" && !strings.Contains(w.alerts[0].Message, tc.alert) {
				t.Errorf("the alert does not say %q:\n%s", tc.alert, w.alerts[0].Message)
			}
			if tc.alert != "" && w.alerts[0].Outcome == rotation.CutShort && !strings.Contains(w.alerts[0].Message, "prod/app") {
				t.Errorf("the alert does not name the secret:\n%s", w.alerts[0].Message)
			}
		})
	}
}

func TestDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct{ body, attribute, want string }{
		"of a schedule":       {`{"secretId":"prod/app","strategy":"single-user","trigger":{"source":"schedule"}}`, "SCHEDULE_ARN", "Secret:         prod/app"},
		"of a rule":           {`{"source":"tumbler.rotate-now","detail":{"secretId":"prod/app"}}`, "RULE_ARN", "Secret:         prod/app"},
		"that is malformed":   {`{"secretId":"prod/app","strategy":7}`, "SCHEDULE_ARN", "Secret:         prod/app"},
		"that is no JSON":     {`x`, "SCHEDULE_ARN", "(none named)"},
		"of this very reason": {changed("TIMED_OUT"), "RULE_ARN", "the execution is TIMED_OUT"},
	} {
		t.Run(name, func(t *testing.T) {
			var w world
			event := fmt.Sprintf(`{"Records":[{"body":%q,"messageAttributes":{%q:{"stringValue":"arn:x"},"ERROR_CODE":{"stringValue":"AccessDenied"}}}]}`, tc.body, tc.attribute)
			if _, err := run(t, &w, event); err != nil || len(w.alerts) != 1 || !strings.Contains(w.alerts[0].Message, tc.want) {
				t.Errorf("%v: %+v", err, w.alerts)
			}
		})
	}
}

func run(t *testing.T, w *world, event string) (incident.Result, error) {
	t.Helper()
	var in incident.Event
	if err := json.Unmarshal([]byte(event), &in); err != nil {
		t.Fatal(err)
	}
	return incident.Reporter{Executions: w, Secrets: w, Topic: w, Now: time.Now}.Run(t.Context(), in)
}

func TestPatternIsJSON(t *testing.T) {
	if p := incident.Pattern("arn:x"); !json.Valid([]byte(p)) || !strings.Contains(p, `"stateMachineArn":["arn:x"]`) {
		t.Error(p)
	}
}
