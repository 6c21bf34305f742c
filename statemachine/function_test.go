package statemachine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/asl"
)

// functionARN is an existing rotation function.
const functionARN = "arn:aws:lambda:eu-central-1:123456789012:function:db2-rotation"

// canary stands for what a rotation function says and nobody may repeat.
const canary = "c4nary-Pa55word"

// stepsByFunction are the steps of the rotation contract that a rotation
// function does, by state.
var stepsByFunction = map[string]string{"SetSecretByFunction": "setSecret", "TestSecretByFunction": "testSecret"}

// checkNativeContract notes when a rotation function gets anything else than
// Secrets Manager would send (AWS Secrets Manager user guide, "Lambda rotation
// functions").
func (w *world) checkNativeContract(t asl.Task, step string) {
	var in any
	_ = json.Unmarshal(t.Input, &in) // what is not JSON differs
	want := map[string]any{"FunctionName": functionARN, "Payload": map[string]any{
		"Step": step, "SecretId": secretARN, "ClientRequestToken": versionID,
	}}
	if diff := cmp.Diff(want, in); diff != "" {
		w.broken = append(w.broken, t.State+": "+diff)
	}
}

// checkCanary notes when a task gets to see what a rotation function said.
func (w *world) checkCanary(t asl.Task) {
	if strings.Contains(string(t.Input), canary) {
		w.broken = append(w.broken, t.State+" sees what the rotation function said: "+string(t.Input))
	}
}

// Stretches of paths.
const (
	bySet        = "Receive Plan WindowOpen CreateSecret WhoSets SetSecretByFunction"
	byTest       = bySet + " TestSecretByFunction"
	byAll        = byTest + " FinishSecret"
	functionFell = " FunctionFailed TryFunctionAgain"
	anotherTry   = functionFell + " PauseForFunction CreateSecret WhoSets SetSecretByFunction"
)

// How often a rotation function is asked to set the password, and how long
// after each failure it is asked again.
const (
	tries = 4
	pause = 15 * second
)

// said is the cause of an error, after which the rotation function's own words
// are gone.
func said(err string) string {
	return fmt.Sprintf("rotation function %s failed with %s. What it said may quote a password and is not repeated here: look in its own log", functionARN, err)
}

const functionFailed = "RotationFunctionFailed"

// byFunction walk every path of a rotation by an existing rotation function.
var byFunction = []scenario{
	{name: "function: rotated", function: true, path: byAll + announce + "Rotated"},
	{
		name: "function: sets at the last attempt", function: true, faults: []failing{{"SetSecretByFunction", "ValueError", tries - 1}},
		path: bySet + strings.Repeat(anotherTry, tries-1) + " TestSecretByFunction FinishSecret" + announce + "Rotated",
		took: (tries - 1) * pause, paused: (tries - 1) * pause, attempts: map[string]int{"SetSecretByFunction": tries, "CreateSecret": tries},
	},
	{
		name: "function: does not set", function: true, faults: []failing{{"SetSecretByFunction", "ValueError", 0}},
		path: bySet + strings.Repeat(anotherTry, tries-1) + functionFell + restore + alert + "RestoredCleanly",
		err:  functionFailed, cause: said("ValueError"),
		took: (tries - 1) * pause, paused: (tries - 1) * pause, attempts: map[string]int{"SetSecretByFunction": tries, "CreateSecret": tries},
	},
	{
		name: "function: the window closes between two attempts", function: true, restored: "WindowClosed",
		faults: []failing{{"SetSecretByFunction", "ValueError", 0}, {"CreateSecret", "", 1}, {"CreateSecret", "WindowClosed", 0}},
		path:   bySet + functionFell + " PauseForFunction CreateSecret" + restore + alert + "WindowClosed",
		err:    "WindowClosed", cause: causeOf("WindowClosed"),
		took: pause, paused: pause, attempts: map[string]int{"CreateSecret": 2},
	},
	{
		name: "function: does not test", function: true, faults: []failing{{"TestSecretByFunction", "ValueError", 0}},
		path: byTest + functionFell + restore + alert + "RestoredCleanly", err: functionFailed, cause: said("ValueError"),
		took: exhausted("TestSecretByFunction"), attempts: map[string]int{"TestSecretByFunction": 5},
	},
	{
		name: "function: cannot finish", function: true, faults: []failing{{"FinishSecret", "SecretChanged", 0}},
		path: byAll + restore + alert + "RestoredCleanly", err: "SecretChanged", cause: causeOf("SecretChanged"),
	},
	{
		name: "function: gives up", function: true, faults: []failing{{"TestSecretByFunction", "ValueError", 0}, {"Restore", "InternalError", 0}},
		path: byTest + functionFell + giveUp, err: functionFailed,
		cause: functionFailed + ": " + said("ValueError") + ". Then restoring failed with InternalError: " + causeOf("InternalError"),
		took:  exhausted("TestSecretByFunction"), attempts: map[string]int{"TestSecretByFunction": 5},
	},
}

// functionScenarios are one error of a rotation function, for good and passing
// at the last attempt.
func functionScenarios(state, err string) []scenario {
	name, perTry := err, time.Duration(0)
	if err == late {
		name, perTry = asl.ErrorTimeout, retries[state].timeout
	}
	failed := scenario{function: true, err: functionFailed, cause: said(name)}
	passed := scenario{function: true}
	if state == "SetSecretByFunction" {
		failed.path = bySet + strings.Repeat(anotherTry, tries-1) + functionFell + restore + alert + "RestoredCleanly"
		passed.path = bySet + strings.Repeat(anotherTry, tries-1) + " TestSecretByFunction FinishSecret" + announce + "Rotated"
		failed.attempts = map[string]int{state: tries, "CreateSecret": tries}
		failed.took, passed.took = (tries-1)*pause+tries*perTry, (tries-1)*pause+(tries-1)*perTry
	} else {
		failed.path = byTest + functionFell + restore + alert + "RestoredCleanly"
		passed.path = byAll + announce + "Rotated"
		failed.attempts = map[string]int{state: retries[state].max + 1}
		failed.took, passed.took = exhausted(state), exhausted(state)
		if err == late || err == asl.ErrorDataLimitExceeded { // it would not do better
			failed.attempts, failed.took = nil, perTry
		}
	}
	attempts := 1
	if n, ok := failed.attempts[state]; ok {
		attempts = n
	}
	passed.attempts = failed.attempts
	failed.name, failed.faults = state+" "+err+" for good", []failing{{state, err, 0}}
	passed.name, passed.faults = state+" "+err+" passing", []failing{{state, err, attempts - 1}}
	if attempts == 1 {
		return []scenario{failed}
	}
	return []scenario{failed, passed}
}

// What a rotation function answers stays where Lambda puts it: in the one event
// that says that it succeeded.
func TestFunctionsAreNotQuoted(t *testing.T) {
	m := rotation(t)
	for _, sc := range byFunction {
		t.Run(sc.name, func(t *testing.T) {
			w := newWorld(sc)
			w.says = canary
			w.run(t.Context(), m, 1)
			for _, e := range w.events {
				quoted := string(e.Input) + string(e.Output) + e.Cause
				if strings.Contains(quoted, canary) && !mayQuote(e) {
					t.Errorf("%s of %s repeats it: %s", e.Type, e.State, quoted)
				}
			}
		})
	}
}

// mayQuote: the task's own events, and the way of its error to the state that
// drops it.
func mayQuote(e asl.Event) bool {
	switch e.Type {
	case asl.TaskSucceeded, asl.TaskFailed:
		return stepsByFunction[e.State] != ""
	case "TaskStateExited":
		return stepsByFunction[e.State] != "" && strings.Contains(string(e.Output), `"reported"`)
	case "PassStateEntered":
		return e.State == "FunctionFailed"
	}
	return false
}
