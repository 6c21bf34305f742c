package statemachine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// functionARN is an existing rotation function.
const functionARN = "arn:aws:lambda:eu-central-1:123456789012:function:db2-rotation"

// canary stands for what a rotation function says and nobody may repeat.
const canary = "c4nary-Pa55word"

// stepsByFunction are the steps of the rotation contract that a rotation
// function does, by state.
var stepsByFunction = map[string]string{"SetSecretByFunction": "setSecret", "TestSecretByFunction": "testSecret"}

// checkCanary notes when a task gets to see what a rotation function said.
func (w *world) checkCanary(t asl.Task) {
	if strings.Contains(string(t.Input), canary) {
		w.broken = append(w.broken, t.State+" sees what the rotation function said: "+string(t.Input))
	}
}

// Stretches of paths.
const (
	bySet      = "Receive Plan WindowOpen CreateSecret HasRotationFunction SetSecretByFunction"
	byTest     = bySet + " TestSecretByFunction"
	byAll      = byTest + " FinishSecret"
	again      = " PauseForFunction CreateSecret"
	anotherTry = again + " HasRotationFunction SetSecretByFunction"
)

// How often a rotation function is asked to set the password, and how long
// after each failure it is asked again.
const (
	tries = 4
	pause = 15 * second
)

const (
	functionFailed = "RotationFunctionFailed"

	// notRepeated stands for what the rotation function said.
	notRepeated = "an existing rotation function failed. What it said may quote a password and is not repeated here: look in its own log"
)

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
		path: bySet + strings.Repeat(anotherTry, tries-1) + again + restore + alert + "RestoredCleanly",
		err:  functionFailed, cause: causeOf(functionFailed),
		took: tries * pause, paused: tries * pause, attempts: map[string]int{"SetSecretByFunction": tries, "CreateSecret": tries + 1},
	},
	{
		name: "function: the window closes between two attempts", function: true, restored: "WindowClosed",
		faults: []failing{{"SetSecretByFunction", "ValueError", 0}, {"CreateSecret", "", 1}, {"CreateSecret", "WindowClosed", 0}},
		path:   bySet + again + restore + alert + "WindowClosed",
		err:    "WindowClosed", cause: causeOf("WindowClosed"),
		took: pause, paused: pause, attempts: map[string]int{"CreateSecret": 2},
	},
	{
		name: "function: does not test", function: true, faults: []failing{{"TestSecretByFunction", "ValueError", 0}},
		path: byTest + restore + alert + "RestoredCleanly", err: functionFailed, cause: notRepeated,
		took: exhausted("TestSecretByFunction"), attempts: map[string]int{"TestSecretByFunction": 5},
	},
	{
		name: "function: sets at the second attempt and does not test", function: true,
		faults: []failing{{"SetSecretByFunction", "ValueError", 1}, {"TestSecretByFunction", "ValueError", 0}},
		path:   bySet + anotherTry + " TestSecretByFunction" + restore + alert + "RestoredCleanly", err: functionFailed, cause: notRepeated,
		took: pause + exhausted("TestSecretByFunction"), paused: pause,
		attempts: map[string]int{"SetSecretByFunction": 2, "CreateSecret": 2, "TestSecretByFunction": 5},
	},
	{
		name: "function: answers too much", function: true,
		faults: []failing{{"SetSecretByFunction", asl.ErrorDataLimitExceeded, 1}, {"TestSecretByFunction", asl.ErrorDataLimitExceeded, 0}},
		path:   bySet + anotherTry + " TestSecretByFunction" + restore + alert + "RestoredCleanly", err: functionFailed, cause: notRepeated,
		took: pause, paused: pause, attempts: map[string]int{"SetSecretByFunction": 2, "CreateSecret": 2},
	},
	{
		name: "function: cannot finish", function: true, faults: []failing{{"FinishSecret", "SecretChanged", 0}},
		path: byAll + restore + alert + "RestoredCleanly", err: "SecretChanged", cause: causeOf("SecretChanged"),
	},
	{
		name: "function: gives up", function: true, faults: []failing{{"TestSecretByFunction", "ValueError", 0}, {"Restore", "InternalError", 0}},
		path: byTest + giveUp, err: functionFailed,
		cause: functionFailed + ": " + notRepeated + ". Then restoring failed with InternalError: " + causeOf("InternalError"),
		took:  exhausted("TestSecretByFunction"), attempts: map[string]int{"TestSecretByFunction": 5},
	},
}

// functionScenarios are one error of a rotation function, for good and passing
// at the last attempt.
func functionScenarios(state, err string) []scenario {
	perTry := time.Duration(0)
	if err == late {
		perTry = retries[state].timeout
	}
	failed := scenario{function: true, err: functionFailed}
	passed := scenario{function: true}
	attempts := 1
	if state == "SetSecretByFunction" {
		attempts = tries
		failed.path = bySet + strings.Repeat(anotherTry, tries-1) + again + restore + alert + "RestoredCleanly"
		failed.cause = causeOf(functionFailed)
		failed.took, failed.attempts = tries*(pause+perTry), map[string]int{state: tries, "CreateSecret": tries + 1}
		passed.path = bySet + strings.Repeat(anotherTry, tries-1) + " TestSecretByFunction FinishSecret" + announce + "Rotated"
		passed.took, passed.attempts = (tries-1)*(pause+perTry), map[string]int{state: tries, "CreateSecret": tries}
	} else {
		failed.path = byTest + restore + alert + "RestoredCleanly"
		failed.cause = notRepeated
		passed.path = byAll + announce + "Rotated"
		if err == late || err == asl.ErrorDataLimitExceeded { // it would not do better
			failed.took = perTry
		} else {
			attempts = retries[state].max + 1
			failed.took, failed.attempts = exhausted(state), map[string]int{state: attempts}
			passed.took, passed.attempts = failed.took, failed.attempts
		}
	}
	failed.name, failed.faults = state+" "+err+" for good", []failing{{state, err, 0}}
	passed.name, passed.faults = state+" "+err+" passing", []failing{{state, err, attempts - 1}}
	if attempts == 1 {
		return []scenario{failed}
	}
	return []scenario{failed, passed}
}

// What a rotation function answers stays where Lambda puts it: in the events that say
// how its task ended. It names its errors itself, so the name may quote as well.
func TestFunctionsAreNotQuoted(t *testing.T) {
	m := loaded(t)
	for _, sc := range byFunction {
		t.Run(sc.name, func(t *testing.T) {
			w := newWorld(sc)
			w.says = canary
			r := w.run(t.Context(), m, 1)
			if said := r.Error + r.Cause + string(r.Output); strings.Contains(said, canary) {
				t.Errorf("the execution ends with it: %s", said)
			}
			for _, e := range w.events {
				quoted := string(e.Input) + string(e.Output) + e.Error + e.Cause
				if strings.Contains(quoted, canary) && !mayQuote(e) {
					t.Errorf("%s of %s repeats it: %s", e.Type, e.State, quoted)
				}
			}
			for _, what := range w.broken {
				t.Error(what)
			}
		})
	}
}

// mayQuote: the task's own events.
func mayQuote(e asl.Event) bool {
	return stepsByFunction[e.State] != "" && (e.Type == asl.TaskSucceeded || e.Type == asl.TaskFailed)
}
