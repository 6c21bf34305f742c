package statemachine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
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

// loaded is the definition as a machine.
func loaded(t testing.TB) *asl.Machine {
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

// scenario is one walk through the machine, with answers that are made up. For walks
// with the real steps see real_test.go.
type scenario struct {
	name      string
	decisions []string // of Plan, in order; the last one is repeated. Default "rotate"
	restored  string   // the outcome that Restore reports. Default "RestoredCleanly"
	faults    []failing
	function  bool // a rotation function is named
	heals     bool // an earlier rotation left something undone, so that people are told of the success
	unsaid    bool // the endings do not say whether people are told

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
	state    map[string]any             // what the execution's state has to be by what the steps have answered
	broken   []string                   // contracts that were broken
	caught   map[string]bool            // "state -> next" by Catch
	taken    map[string]bool            // "state -> next" of any kind
	lastTask asl.Event
	entry    time.Time // when the last state was entered
	events   []asl.Event
	says     string // what a rotation function's errors quote
}

func newWorld(sc scenario) *world {
	return &world{
		scenario: sc, clock: asl.NewVirtualClock(epoch), opensAt: epoch.Add(50 * time.Hour),
		answers: map[string][]answer{}, inputs: map[string]json.RawMessage{}, state: received(),
		caught: map[string]bool{}, taken: map[string]bool{},
	}
}

// run walks the scenario with the given jitter.
func (w *world) run(ctx context.Context, m *asl.Machine, jitter float64) asl.Result {
	last := ""
	return m.Run(ctx, asl.Run{
		Input: json.RawMessage(request), Clock: w.clock, Task: w.task, OneByOne: true,
		Execution: asl.Execution{ARN: executionARN, Name: "run"},
		Jitter:    func() float64 { return jitter },
		Observe: func(e asl.Event) {
			w.events = append(w.events, e)
			switch {
			case e.Entered && branches[e.State] != "": // within last
			case e.Entered:
				w.entry = e.Time
				if last != "" {
					w.taken[last+" -> "+e.State] = true
					task := w.lastTask.State
					if (task == last || branches[task] == last) && w.lastTask.Error != "" {
						w.caught[last+" -> "+e.State] = true
						last = task
					}
					w.entered(e.State, last)
				}
				last = e.State
			case e.Exited && e.State == "GiveUp":
				w.checkEnding(e.Output)
			case e.State != "" && !e.Exited && e.Type != asl.ParallelStateFailed:
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
	w.checkInput(t)
	w.checkCanary(t)
	a := w.answer(t)
	w.answers[t.State] = append(w.answers[t.State], a)
	switch {
	case a.Error == asl.ErrorTimeout:
		return nil, w.clock.Sleep(ctx, time.Hour)
	case a.Error != "":
		return nil, &asl.Failure{Name: a.Error, Cause: a.Cause}
	}
	w.learn(t.State, a.Result)
	return a.Result, nil
}

// answer is the next one of a task: a fault of the scenario's, or a result.
func (w *world) answer(t asl.Task) answer {
	const endless = 40 // far more than any state is asked
	calls := len(w.answers[t.State])
	if calls > endless {
		return failed(asl.ErrorRuntime)
	}
	for _, f := range w.faults {
		if f.state != t.State {
			continue
		}
		if f.times != 0 && calls >= f.times {
			calls -= f.times
			continue
		}
		switch f.err {
		case "":
			return w.result(t, calls)
		case late:
			return answer{Error: asl.ErrorTimeout}
		}
		a := failed(f.err)
		if stepsByFunction[t.State] != "" {
			a.Error, a.Cause = a.Error+w.says, a.Cause+w.says
		}
		return a
	}
	return w.result(t, calls)
}

func failed(code string) answer { return answer{Error: code, Cause: causeOf(code)} }

// result is what a step that works returns; calls is how often it has been asked
// before.
func (w *world) result(t asl.Task, calls int) answer {
	switch t.State {
	case "Plan":
		return answer{Result: w.plan(calls)}
	case "CreateSecret":
		return create(t.Input)
	case "SetSecret":
		return answer{Result: json.RawMessage(`{"changedAt":"2026-03-01T12:00:01Z"}`)}
	case "TestSecret", "ReadyToTest", "ReadyToFinish", "ReadyToRestore":
		return answer{Result: json.RawMessage(`{}`)}
	case "SetSecretByFunction", "TestSecretByFunction":
		return answer{Result: json.RawMessage(`{"ExecutedVersion":"$LATEST","Payload":"` + canary + `","StatusCode":200}`)}
	case "FinishSecret":
		return answer{Result: w.rotated()}
	case "Restore":
		return answer{Result: w.restore(t.Input)}
	default:
		return answer{Result: json.RawMessage(`{"MessageId":"1"}`)}
	}
}

// create counts the attempts of a rotation function, and ends them, as the real step
// does.
func create(input json.RawMessage) answer {
	var in struct{ Create rotation.Created }
	_ = json.Unmarshal(input, &in) // checkInput has looked at it
	if in.Create.Attempts >= tries {
		return failed(functionFailed)
	}
	b, _ := json.Marshal(rotation.Created{Attempts: in.Create.Attempts + 1}) // no value in it can fail
	return answer{Result: b}
}

func (w *world) restore(input json.RawMessage) json.RawMessage {
	if w.restored == "Rotated" {
		return w.rotated()
	}
	var in rotation.RestoreInput
	_ = json.Unmarshal(input, &in) // as above
	return w.ending(cmp.Or(w.restored, "RestoredCleanly"), in.Failure.Error, in.Failure.Cause, true)
}

func (w *world) plan(calls int) json.RawMessage {
	decision := "rotate"
	if n := len(w.decisions); n > 0 {
		decision = w.decisions[min(calls, n-1)]
	}
	plan := map[string]any{
		"decision": decision, "applications": "of the plan " + decision, "secretArn": secretARN, "versionId": versionID, "headline": "Tumbler: NEEDS ATTENTION: app/db",
		"giveUp": "NEEDS ATTENTION: nobody knows which password works ({}).\n\nSecret:         " + secretARN + "\n",
		"window": map[string]any{"opensAt": w.opensAt.Format(time.RFC3339), "closesAt": w.opensAt.Add(3 * time.Hour).Format(time.RFC3339)},
	}
	if w.function {
		plan["rotationFunction"] = functionARN
	}
	b, _ := json.Marshal(plan) // no value in it can fail
	return b
}

// ending is what FinishSecret and Restore return.
func (sc scenario) ending(outcome, err, cause string, alert bool) json.RawMessage {
	e := map[string]any{
		"outcome": outcome, "severity": "info", "error": err, "cause": cause, "secret": secretARN, "alert": alert,
		"subject": "Tumbler: " + outcome, "message": "What happened: " + err,
		"detailType": "Rotation " + outcome, "event": map[string]string{"outcome": outcome, "error": err},
	}
	if sc.unsaid {
		delete(e, "alert")
	}
	b, _ := json.Marshal(e) // strings: cannot fail
	return b
}

// rotated is the ending of a success.
func (sc scenario) rotated() json.RawMessage {
	if sc.heals {
		return sc.ending("Rotated", "none", "", true)
	}
	return sc.ending("Rotated", "", "", false)
}

// check walks the scenario and says what is not as it should be, or "".
func (sc scenario) check(ctx context.Context, m *asl.Machine) (string, *world) {
	return sc.checkWith(ctx, m, 1)
}

func (sc scenario) checkWith(ctx context.Context, m *asl.Machine, jitter float64) (string, *world) {
	w := newWorld(sc)
	r := w.run(ctx, m, jitter)
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
