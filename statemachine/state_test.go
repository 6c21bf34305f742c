package statemachine_test

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// What the execution's state has to be is worked out here a second time, from what
// the steps answered, so that every task is held to exactly what it is to be told.

type object = map[string]any

// unplanned is what the definition says should there never be a plan.
var unplanned = func() object {
	var definition struct {
		States struct {
			Receive struct{ Parameters struct{ Plan object } }
		}
	}
	if err := json.Unmarshal(statemachine.Rotation, &definition); err != nil {
		panic(err)
	}
	return definition.States.Receive.Parameters.Plan
}()

// received is the state before any step has run.
func received() object {
	return object{
		"request":   decoded([]byte(request)),
		"execution": object{"arn": executionARN, "startedAt": "2026-03-01T12:00:00.000Z"},
		"plan":      unplanned,
		"create":    object{"attempts": 0.0},
		"set":       nil,
		"test":      nil,
		"progress":  object{"database": rotation.NotEntered, "superuser": object{"Error": "NotNeeded"}},
		"failure":   object{"Error": functionFailed, "Cause": notRepeated},
	}
}

func decoded(raw json.RawMessage) (v any) {
	_ = json.Unmarshal(raw, &v) // what is not JSON differs from what is expected
	return v
}

// results are where the steps' answers go.
var results = map[string]string{
	"Plan": "plan", "CreateSecret": "create", "SetSecret": "set", "TestSecret": "test", "FinishSecret": "ending", "Restore": "ending",
	"SetSecretByFunction": "set", "TestSecretByFunction": "test",
}

// learn notes an answer.
func (w *world) learn(state string, result json.RawMessage) {
	switch {
	case stepsByFunction[state] != "":
		w.state[results[state]] = object{"loggedInWith": "rotationFunction"} // and nothing of what it said
	case results[state] != "":
		w.state[results[state]] = decoded(result)
	}
}

// entered notes what a Catch has added, and what GiveUp composes.
func (w *world) entered(state, from string) {
	if from == "Ready" { // and has succeeded
		w.state["progress"] = object{"database": rotation.MayHave, "superuser": object{"Error": "NotNeeded"}}
	}
	calls := w.answers[from]
	if len(calls) == 0 || stepsByFunction[from] != "" {
		return
	}
	failure := object{"Error": calls[len(calls)-1].Error, "Cause": calls[len(calls)-1].Cause}
	switch {
	case state == from: // SuperuserNeeded is noted
		w.state["progress"].(object)["superuser"] = failure
	case state == "Restore":
		w.state["failure"] = failure
	case state == "GiveUp":
		w.state["ending"] = gaveUp(w.state, failure)
	}
}

// retried is how often a state has been tried since it was entered: one that needs the
// superuser is entered again.
func (w *world) retried(state string) (n int) {
	for _, a := range w.answers[state] {
		if n++; a.Error == string(fault.SuperuserNeeded) {
			n = 0
		}
	}
	return n
}

// gaveUp is the one ending that the state machine composes itself.
func gaveUp(state, restore object) object {
	plan, failure, execution := state["plan"].(object), state["failure"].(object), state["execution"].(object)
	superuser := state["progress"].(object)["superuser"].(object)["Error"]
	return object{
		"outcome": "NeedsAttention", "severity": "critical", "alert": true, "detailType": "Rotation Failed",
		"secret": plan["secretArn"], "error": failure["Error"],
		"cause":   fmt.Sprintf("%s: %s. Then restoring failed with %s: %s", failure["Error"], failure["Cause"], restore["Error"], restore["Cause"]),
		"subject": plan["headline"],
		"message": fmt.Sprintf("%sFailed:         %s: %s. Then Restore with %s: %s. Superuser: %s",
			plan["giveUp"], failure["Error"], failure["Cause"], restore["Error"], restore["Cause"], superuser),
		"event": object{
			"outcome": "NeedsAttention", "secretArn": plan["secretArn"], "applications": plan["applications"], "execution": execution["arn"],
			"step": "Restore", "error": failure["Error"], "restoreError": restore["Error"], "superuser": superuser, "startedAt": execution["startedAt"],
		},
	}
}

// contract are the steps of Secrets Manager's rotation contract, by state, and what
// each is told beside it.
var contract = map[string]struct {
	step string
	more []string
}{
	"CreateSecret":   {"createSecret", []string{"plan", "create", "execution"}},
	"SetSecret":      {"setSecret", []string{"plan", "execution", "progress"}},
	"TestSecret":     {"testSecret", []string{"plan", "execution", "set"}},
	"ReadyToTest":    {"ready", []string{"plan", "execution"}},
	"ReadyToFinish":  {"ready", []string{"plan", "execution"}},
	"ReadyToRestore": {"ready", []string{"plan", "execution"}},
	"FinishSecret":   {"finishSecret", []string{"plan", "execution", "set", "request", "create"}},
}

// checkInput notes when a task is not told exactly what it has to know.
func (w *world) checkInput(t asl.Task) {
	if want, got := w.expected(t.State), decoded(t.Input); !reflect.DeepEqual(want, got) {
		w.broken = append(w.broken, t.State+" (-want +got)\n"+cmp.Diff(want, got))
	}
}

// checkEnding notes when GiveUp composes something else.
func (w *world) checkEnding(output json.RawMessage) {
	if got := decoded(output).(object)["ending"]; !reflect.DeepEqual(any(w.state["ending"]), got) {
		w.broken = append(w.broken, "GiveUp (-want +got)\n"+cmp.Diff(any(w.state["ending"]), got))
	}
}

func (w *world) expected(state string) any {
	ending, _ := w.state["ending"].(object)
	switch state {
	case "Plan":
		return object{"request": w.state["request"], "execution": w.state["execution"]}
	case "Restore":
		in := object{"state": object{"Name": "Restore", "EnteredTime": w.entry.UTC().Format("2006-01-02T15:04:05.000Z"), "RetryCount": float64(w.retried("Restore"))}, "retries": float64(10)}
		for _, key := range []string{"request", "execution", "plan", "create", "progress", "set", "test", "failure"} {
			in[key] = w.state[key]
		}
		return in
	case "SetSecretByFunction", "TestSecretByFunction":
		// Nothing else than Secrets Manager would send (AWS Secrets Manager user
		// guide, "Lambda rotation functions").
		return object{"FunctionName": functionARN, "Payload": w.native(stepsByFunction[state])}
	case "SendAlert":
		attributes := object{}
		for _, name := range []string{"outcome", "severity", "error", "secret"} {
			attributes[name] = object{"DataType": "String", "StringValue": ending[name]}
		}
		return object{"TopicArn": substitutions["AlertTopicArn"], "Subject": ending["subject"], "Message": ending["message"], "MessageAttributes": attributes}
	case "Announce":
		return object{"Entries": []any{object{
			"Source": "tumbler", "DetailType": ending["detailType"], "Detail": ending["event"], "EventBusName": substitutions["EventBusName"],
		}}}
	}
	in := w.native(contract[state].step)
	for _, key := range contract[state].more {
		in[key] = w.state[key]
	}
	if state == "FinishSecret" {
		in["context"] = object{
			"Id": executionARN, "Name": "run", "Input": decoded([]byte(request)), "StartTime": "2026-03-01T12:00:00.000Z", "RedriveCount": 0.0,
		}
	}
	return in
}

func (w *world) native(step string) object {
	return object{"Step": step, "SecretId": secretARN, "ClientRequestToken": versionID}
}
