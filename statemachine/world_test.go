package statemachine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// epoch is when every scenario starts.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	secretARN    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-AbCdEf"
	executionARN = "arn:aws:states:eu-central-1:123456789012:execution:tumbler:run"
	versionID    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	request      = `{"outsideWindow":"wait","schedule":{"duration":"3h","expression":"rate(10 days)"},"secretId":"app/db","strategy":"single-user","trigger":{"source":"manual"}}`
)

// substitutions are what the deployment fills in.
var substitutions = func() map[string]string {
	s := map[string]string{
		"AlertTopicArn": "arn:aws:sns:eu-central-1:123456789012:alerts",
		"EventBusName":  "default",
	}
	for _, name := range []string{"Plan", "CreateSecret", "SetSecret", "TestSecret", "FinishSecret", "Restore"} {
		s[name+"FunctionArn"] = "arn:aws:lambda:eu-central-1:123456789012:function:tumbler-" + strings.ToLower(name)
	}
	return s
}()

// rotation loads the definition.
func rotation(t testing.TB) *asl.Machine {
	t.Helper()
	m, err := asl.Load(statemachine.Rotation, substitutions)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// late is a fault that is no error but an answer that never comes.
const late = "late"

// failing makes a state's task fail.
type failing struct {
	state, err string
	times      int // 0: always
}

// scenario is one walk through the machine.
type scenario struct {
	name      string
	decisions []string // of Plan, in order; the last one is repeated. Default "rotate"
	rejected  string   // the outcome of a rejection
	restored  string   // the outcome that Restore reports. Default "RestoredCleanly"
	faults    []failing
	function  bool // a rotation function is named
	heals     bool // an earlier rotation left something undone

	path       string // the states, separated by spaces
	err, cause string // of the ending; "" for Rotated
	attempts   map[string]int
	took       time.Duration // with the longest back-off
	paused     time.Duration // how much of it is no back-off
}

// answer is what a task did in one call: it gave a result or an error.
type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	Cause  string          `json:"cause,omitempty"`
}

// world performs the tasks of one run as a scenario tells, and notes what
// happens.
type world struct {
	scenario
	clock    *asl.VirtualClock
	opensAt  time.Time                  // of the window, when Plan waits
	answers  map[string][]answer        // by state
	inputs   map[string]json.RawMessage // the last, by state
	broken   []string                   // contracts that were broken
	caught   map[string]bool            // "state -> next" by Catch
	taken    map[string]bool            // "state -> next" of any kind
	lastTask asl.Event
	events   []asl.Event
	says     string // what a rotation function's errors quote
}

func newWorld(sc scenario) *world {
	return &world{
		scenario: sc, clock: asl.NewVirtualClock(epoch), opensAt: epoch.Add(50 * time.Hour),
		answers: map[string][]answer{}, inputs: map[string]json.RawMessage{},
		caught: map[string]bool{}, taken: map[string]bool{},
	}
}

// run walks the scenario with the given jitter.
func (w *world) run(ctx context.Context, m *asl.Machine, jitter float64) asl.Result {
	last := ""
	return m.Run(ctx, asl.Run{
		Input: json.RawMessage(request), Clock: w.clock, Task: w.task,
		Execution: asl.Execution{ARN: executionARN, Name: "run"},
		Jitter:    func() float64 { return jitter },
		Observe: func(e asl.Event) {
			w.events = append(w.events, e)
			switch {
			case e.Entered:
				if last != "" {
					w.taken[last+" -> "+e.State] = true
					if w.lastTask.State == last && w.lastTask.Error != "" {
						w.caught[last+" -> "+e.State] = true
					}
				}
				last = e.State
			case e.State != "" && !e.Exited:
				w.lastTask = e
			}
		},
	})
}

// causeOf is the cause that a function's error has, as Lambda words it.
func causeOf(code string) string {
	b, _ := json.Marshal(map[string]string{"errorMessage": code + " happened", "errorType": code}) // strings: cannot fail
	return string(b)
}

func (w *world) task(ctx context.Context, t asl.Task) (json.RawMessage, error) {
	w.inputs[t.State] = t.Input
	w.checkContract(t)
	w.checkCanary(t)
	calls := len(w.answers[t.State])
	err := ""
	for _, f := range w.faults {
		if f.state == t.State && (f.times == 0 || calls < f.times) {
			err = f.err
			break
		}
		if f.state == t.State {
			calls -= f.times
		}
	}
	a := answer{Error: err, Cause: causeOf(err)}
	if stepsByFunction[t.State] != "" {
		a.Cause += w.says
	}
	switch err {
	case "":
		a = answer{Result: w.result(t, calls)}
	case late:
		a = answer{Error: asl.ErrorTimeout}
	}
	w.answers[t.State] = append(w.answers[t.State], a)
	switch err {
	case "":
		return a.Result, nil
	case late:
		return nil, w.clock.Sleep(ctx, time.Hour)
	}
	return nil, &asl.Failure{Name: a.Error, Cause: a.Cause}
}

// result is what a successful step returns; succeeded is how often it has been
// asked before.
func (w *world) result(t asl.Task, succeeded int) json.RawMessage {
	switch t.State {
	case "Plan":
		return w.plan(succeeded)
	case "CreateSecret", "TestSecret":
		return json.RawMessage(`{}`)
	case "SetSecret", "SetSecretAgain":
		return json.RawMessage(`{"changedAt":"2026-03-01T12:00:01Z"}`)
	case "SetSecretByFunction", "TestSecretByFunction":
		return json.RawMessage(`{"ExecutedVersion":"$LATEST","Payload":"` + canary + `","StatusCode":200}`)
	case "FinishSecret":
		return w.rotated()
	case "Restore":
		var in struct {
			Failure struct{ Error, Cause string } `json:"failure"`
		}
		_ = json.Unmarshal(t.Input, &in) // checkContract has looked at it
		outcome := w.restored
		if outcome == "" {
			outcome = "RestoredCleanly"
		}
		if outcome == "Rotated" {
			return w.rotated()
		}
		return ending(outcome, in.Failure.Error, in.Failure.Cause)
	default:
		return json.RawMessage(`{"MessageId":"1"}`)
	}
}

func (w *world) plan(calls int) json.RawMessage {
	decision := "rotate"
	if n := len(w.decisions); n > 0 {
		decision = w.decisions[min(calls, n-1)]
	}
	plan := map[string]any{
		"decision": decision, "secretArn": secretARN, "versionId": versionID,
		"window": map[string]any{"opensAt": w.opensAt.Format(time.RFC3339), "closesAt": w.opensAt.Add(3 * time.Hour).Format(time.RFC3339)},
	}
	if w.function {
		plan["rotationFunction"] = functionARN
	}
	if decision != "rotate" && decision != "wait" {
		plan["ending"] = ending(w.rejected, w.rejected, "the plan says so")
	}
	b, _ := json.Marshal(plan) // no value in it can fail
	return b
}

// ending is what FinishSecret, Restore and a rejecting Plan return.
func ending(outcome, err, cause string) json.RawMessage {
	b, _ := json.Marshal(map[string]any{ // strings: cannot fail
		"outcome": outcome, "severity": "info", "error": err, "cause": cause, "secret": secretARN,
		"subject": "Tumbler: " + outcome, "message": "What happened: " + err,
		"detailType": "Rotation " + outcome, "event": map[string]string{"outcome": outcome, "error": err},
	})
	return b
}

// rotated is the ending of a success.
func (sc scenario) rotated() json.RawMessage {
	if sc.heals {
		return bytes.Replace(ending("Rotated", "none", ""), []byte("{"), []byte(`{"healed":true,`), 1)
	}
	return ending("Rotated", "", "")
}

// steps are the steps of Secrets Manager's rotation contract, by state.
var steps = map[string]string{
	"CreateSecret": "createSecret", "SetSecret": "setSecret", "SetSecretAgain": "setSecret", "TestSecret": "testSecret", "FinishSecret": "finishSecret",
}

// checkContract notes what a task's input lacks.
func (w *world) checkContract(t asl.Task) {
	if step := stepsByFunction[t.State]; step != "" {
		w.checkNativeContract(t, step)
		return
	}
	var in map[string]any
	if err := json.Unmarshal(t.Input, &in); err != nil {
		w.broken = append(w.broken, fmt.Sprintf("%s: %v", t.State, err))
		return
	}
	need := func(want map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(want)) {
			v, ok := in[key]
			if s, isText := want[key].(string); !ok || isText && s != v {
				w.broken = append(w.broken, fmt.Sprintf("%s: %s is %v, want %v", t.State, key, v, want[key]))
			}
		}
	}
	switch step := steps[t.State]; {
	case step != "":
		need(map[string]any{"Step": step, "SecretId": secretARN, "ClientRequestToken": versionID, "plan": nil, "execution": nil})
	case t.State == "Plan":
		need(map[string]any{"request": nil, "execution": nil})
	case t.State == "Restore":
		need(map[string]any{"request": nil, "execution": nil, "plan": nil, "failure": nil})
	case t.State == "SendAlert", t.State == "SendHealed":
		need(map[string]any{"TopicArn": substitutions["AlertTopicArn"], "Subject": nil, "Message": nil, "MessageAttributes": nil})
	case t.State == "Announce":
		need(map[string]any{"Entries": nil})
	}
}

// check walks the scenario and says what is not as it should be, or "".
func (sc scenario) check(ctx context.Context, m *asl.Machine) (string, *world) {
	w := newWorld(sc)
	r := w.run(ctx, m, 1)
	path := strings.Join(r.Path, " ")
	switch {
	case path != sc.path:
		return fmt.Sprintf("path\n got %s\nwant %s\n(%s: %s)", path, sc.path, r.Error, r.Cause), w
	case sc.err == "" && (r.Status != asl.Succeeded || r.Error != ""):
		return fmt.Sprintf("%s with %s: %s", r.Status, r.Error, r.Cause), w
	case sc.err == "" && string(r.Output) != string(sc.rotated()):
		return "output " + string(r.Output), w
	case sc.err != "" && (r.Status != asl.Failed || r.Error != sc.err || r.Cause != sc.cause):
		return fmt.Sprintf("ended %s\n got %s: %s\nwant %s: %s", r.Status, r.Error, r.Cause, sc.err, sc.cause), w
	case w.clock.Now().Sub(epoch) != sc.took:
		return fmt.Sprintf("took %s, want %s", w.clock.Now().Sub(epoch), sc.took), w
	case len(w.broken) > 0:
		return strings.Join(w.broken, "\n"), w
	}
	for state, calls := range w.answers {
		want := 1
		if n, ok := sc.attempts[state]; ok {
			want = n
		}
		if len(calls) != want {
			return fmt.Sprintf("%s was tried %d times, want %d", state, len(calls), want), w
		}
	}
	return "", w
}
