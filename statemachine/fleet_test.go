package statemachine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

const (
	fleetRequest = `{"select":{"prefix":"prod/"}}`
	rotationARN  = "arn:aws:states:eu-central-1:123456789012:stateMachine:tumbler-rotation"
)

func fleetSubstitutions() map[string]string {
	s := maps.Clone(substitutions)
	s["PlanWaveFunctionArn"] = "arn:aws:lambda:eu-central-1:123456789012:function:tumbler-planwave"
	s["RotationStateMachineArn"] = rotationARN
	return s
}

func fleet(t testing.TB) *asl.Machine {
	t.Helper()
	m, err := asl.Load(statemachine.Fleet, fleetSubstitutions())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fleetScenario is one walk of a fleet. What PlanWave decides is told; what it
// decides by is package fleet's, and tested there.
type fleetScenario struct {
	name     string
	choices  []string       // decisions: rotate, wait, or an outcome to end with
	failing  map[string]int // rotations that fail, of each wave's three: the name's number
	faults   []failing      // at other tasks, as in the rotation's scenarios
	path     string         // of the fleet's own states
	err      string         // of the ending; "" for AllRotated
	started  int            // rotations
	attempts map[string]int // of PlanWave, SendAlert, Announce where not as in the path
	took     time.Duration  // with the longest back-off
	wave     map[string]any // changes to the waves
}

// Stretches of paths.
const (
	look  = "Receive PlanWave WhatNext"
	wave  = " RotateWave PlanWave WhatNext"
	tell  = " SendAlert Announce Ending "
	quits = " GiveUpFleet SendAlert Announce Ending Interrupted"
)

// A wave of three, two at a time, of a rotation that takes ten seconds. The first two
// begin a second after it was planned, the third after twelve.
const waveTook = 22 * time.Second

var fleetScenarios = []fleetScenario{
	{name: "two waves", choices: []string{"rotate", "rotate", "AllRotated"}, path: look + wave + wave + tell + "AllRotated", started: 6, took: 2 * waveTook},
	{name: "waits for those under way", choices: []string{"rotate", "wait", "AllRotated"}, path: look + wave + " LetFinish PlanWave WhatNext" + tell + "AllRotated", started: 3, took: waveTook + 15*second},
	{name: "nothing to do", choices: []string{"NothingToDo"}, path: look + tell + "NothingToDo", err: "NothingToDo"},
	{name: "canaries", choices: []string{"CanaryFailed"}, path: look + tell + "CanaryFailed", err: "CanaryFailed"},
	{name: "some failed", choices: []string{"rotate", "SomeFailed"}, failing: map[string]int{"r1-2": 1}, path: look + wave + tell + "SomeFailed", err: "SomeFailed", started: 3, took: waveTook},
	{name: "stopped", choices: []string{"rotate", "Stopped"}, failing: map[string]int{"r1-1": 1, "r1-2": 1}, path: look + wave + tell + "Stopped", err: "Stopped", started: 2, took: 11 * second},
	{name: "an outcome that nobody knows", choices: []string{"Surprise"}, path: look + tell + "Interrupted", err: "Surprise"},
	{name: "one at a time", choices: []string{"rotate", "AllRotated"}, wave: map[string]any{"maxConcurrency": 1}, path: look + wave + tell + "AllRotated", started: 3, took: 31 * second},
	{name: "a decision without a wave", choices: []string{"rotate"}, wave: map[string]any{"items": nil}, path: look + " RotateWave", err: asl.ErrorRuntime},

	{name: "choosing fails for good", faults: []failing{{"PlanWave", "InvalidRequest", 0}}, path: "Receive PlanWave" + quits, err: "InvalidRequest"},
	{
		name: "choosing fails for too long", faults: []failing{{"PlanWave", "Throttled", 0}}, path: "Receive PlanWave" + quits, err: "Throttled",
		attempts: map[string]int{"PlanWave": 9}, took: backOff(8, 2*second, 60*second),
	},
	{
		name: "choosing fails for a while", choices: []string{"NothingToDo"}, faults: []failing{{"PlanWave", "ServiceUnavailable", 8}},
		path: look + tell + "NothingToDo", err: "NothingToDo", attempts: map[string]int{"PlanWave": 9}, took: backOff(8, 2*second, 60*second),
	},
	{
		name: "choosing takes too long", faults: []failing{{"PlanWave", late, 0}}, path: "Receive PlanWave" + quits, err: asl.ErrorTimeout,
		attempts: map[string]int{"PlanWave": 9}, took: backOff(8, 2*second, 60*second) + 9*310*second,
	},
	{
		name: "neither message can be sent", choices: []string{"Stopped"}, path: look + tell + "Stopped", err: "Stopped",
		faults: []failing{{"SendAlert", "SNS.NotFoundException", 0}, {"Announce", "EventBridge.ResourceNotFoundException", 0}},
	},
	{
		name: "the messages take a while", choices: []string{"Stopped"}, path: look + tell + "Stopped", err: "Stopped",
		faults:   []failing{{"SendAlert", "SNS.ThrottledException", 8}, {"Announce", late, 8}},
		attempts: map[string]int{"SendAlert": 9, "Announce": 9}, took: 2*backOff(8, second, 30*second) + 8*60*second,
	},
	{
		name: "starting a rotation is throttled", choices: []string{"rotate", "AllRotated"}, wave: map[string]any{"maxConcurrency": 1},
		faults: []failing{{"RotateSecret", "StepFunctions.ThrottlingException", 8}}, path: look + wave + tell + "AllRotated", started: 3,
		took: 31*second + backOff(8, 2*second, 60*second),
	},
	{
		name: "rotations cannot be started", choices: []string{"rotate", "Interrupted"}, faults: []failing{{"RotateSecret", "StepFunctions.AccessDeniedException", 0}},
		wave: map[string]any{"maxConcurrency": 1}, path: look + wave + tell + "Interrupted", err: "Interrupted", took: second,
	},
}

// fleetWorld performs the tasks of a scenario.
type fleetWorld struct {
	fleetScenario
	clock *asl.VirtualClock

	mu      sync.Mutex
	asked   int // PlanWave
	calls   map[string]int
	started int
	answers map[string][]answer
	alert   map[string]json.RawMessage
	broken  []string
}

func newFleetWorld(sc fleetScenario) *fleetWorld {
	return &fleetWorld{fleetScenario: sc, clock: asl.NewVirtualClock(epoch), calls: map[string]int{}, answers: map[string][]answer{}}
}

func (w *fleetWorld) run(ctx context.Context, m *asl.Machine) asl.Result {
	return m.Run(ctx, asl.Run{
		Input: json.RawMessage(fleetRequest), Clock: w.clock, Task: w.task, Jitter: func() float64 { return 1 },
		Execution:    asl.Execution{ARN: strings.Replace(executionARN, "tumbler:", "tumbler-fleet:", 1), Name: "run"},
		StateMachine: asl.StateMachine{ARN: rotationARN, Name: "tumbler-fleet"},
	})
}

func (w *fleetWorld) task(ctx context.Context, t asl.Task) (json.RawMessage, error) {
	w.mu.Lock()
	calls := w.calls[t.State]
	w.calls[t.State]++
	fails := ""
	for _, f := range w.faults {
		if f.state == t.State && (f.times == 0 || calls < f.times) {
			fails = f.err
		}
	}
	a := answer{Error: fails, Cause: causeOf(fails)}
	if fails == "" {
		a = w.answer(t)
	}
	w.answers[t.State] = append(w.answers[t.State], a)
	w.mu.Unlock()
	switch {
	case fails == late:
		return nil, w.clock.Sleep(ctx, time.Hour)
	case fails == "" && t.State == "RotateSecret":
		if err := w.clock.Sleep(ctx, 10*second); err != nil {
			return nil, err
		}
	}
	if a.Error != "" {
		return nil, &asl.Failure{Name: a.Error, Cause: a.Cause}
	}
	return a.Result, nil
}

// answer is called with the lock held.
func (w *fleetWorld) answer(t asl.Task) answer {
	switch t.State {
	case "PlanWave":
		w.need(t, "request", "execution", "fleet", "rotationMachine")
		return answer{Result: w.choose()}
	case "RotateSecret":
		w.need(t, "StateMachineArn", "Name", "Input")
		w.started++
		var in struct{ Name string }
		_ = json.Unmarshal(t.Input, &in) // need has looked at it
		if w.failing[in.Name] > 0 {
			return answer{Error: asl.ErrorTaskFailed, Cause: "{}"}
		}
		return answer{Result: json.RawMessage(`{"Status":"SUCCEEDED","Output":{"much":"text"}}`)}
	case "SendAlert":
		w.need(t, "TopicArn", "Subject", "Message", "MessageAttributes")
		_ = json.Unmarshal(t.Input, &w.alert) // need has looked at it
	}
	return answer{Result: json.RawMessage(`{"MessageId":"1"}`)}
}

func (w *fleetWorld) need(t asl.Task, keys ...string) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(t.Input, &in); err != nil {
		w.broken = append(w.broken, fmt.Sprintf("%s: %v", t.State, err))
	}
	if got := slices.Sorted(maps.Keys(in)); !slices.Equal(got, slices.Sorted(slices.Values(keys))) {
		w.broken = append(w.broken, fmt.Sprintf("%s got %v, wants %v", t.State, got, keys))
	}
}

// choose makes the next decision.
func (w *fleetWorld) choose() json.RawMessage {
	decision := w.choices[min(w.asked, len(w.choices)-1)]
	w.asked++
	state := map[string]any{"decision": decision, "waitSeconds": 15}
	switch decision {
	case "rotate":
		var items []any
		for i := range 3 {
			items = append(items, map[string]any{"name": fmt.Sprintf("r%d-%d", w.asked, i+1), "request": map[string]string{"secretId": "prod/x"}, "startAt": w.clock.Now().Add([]time.Duration{second, second, 12 * second}[i])})
		}
		wave := map[string]any{"items": items, "maxConcurrency": 2, "toleratedFailures": 1}
		maps.Copy(wave, w.wave)
		state["wave"] = wave
	case "wait":
	default:
		state["decision"] = "end"
		err := decision
		if decision == "AllRotated" {
			err = "none"
		}
		state["ending"] = map[string]any{
			"outcome": decision, "severity": "info", "error": err, "cause": "as decided", "subject": "s", "message": "m",
			"detailType": "Fleet Ended", "event": map[string]string{"outcome": decision},
		}
	}
	raw, _ := json.Marshal(state) // no value in it can fail
	return raw
}

// check walks the scenario and says what is not as it should be, or "".
func (sc fleetScenario) check(ctx context.Context, m *asl.Machine) string {
	w := newFleetWorld(sc)
	r := w.run(ctx, m)
	switch path := strings.Join(r.Path, " "); {
	case path != sc.path:
		return fmt.Sprintf("path\n got %s\nwant %s\n(%s: %s)", path, sc.path, r.Error, r.Cause)
	case r.Error != sc.err || (sc.err == "") != (r.Status == asl.Succeeded):
		return fmt.Sprintf("%s with %s: %s, want %q", r.Status, r.Error, r.Cause, sc.err)
	case w.started != sc.started:
		return fmt.Sprintf("%d rotations were started, want %d", w.started, sc.started)
	case w.clock.Now().Sub(epoch) != sc.took:
		return fmt.Sprintf("took %s, want %s", w.clock.Now().Sub(epoch), sc.took)
	case len(w.broken) > 0:
		return strings.Join(w.broken, "\n")
	case sc.err == "" && !strings.HasPrefix(string(r.Output), `{"cause":"as decided"`):
		return "output " + string(r.Output)
	}
	for state, want := range sc.attempts {
		if w.calls[state] != want {
			return fmt.Sprintf("%s was tried %d times, want %d", state, w.calls[state], want)
		}
	}
	return ""
}

func TestFleetPaths(t *testing.T) {
	m := fleet(t)
	for _, sc := range fleetScenarios {
		t.Run(sc.name, func(t *testing.T) {
			if wrong := sc.check(t.Context(), m); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// Every error that passes is tried again at PlanWave, and no other; each is a
// code of package fault or Lambda's own.
func TestFleetErrors(t *testing.T) {
	m := fleet(t)
	for _, e := range allErrors("PlanWave") {
		if e == late {
			continue // has a scenario
		}
		again := slices.Contains(lambdaErrors, e) || e == string(fault.Throttled) || e == string(fault.ServiceUnavailable)
		sc := fleetScenario{faults: []failing{{"PlanWave", e, 0}}, path: "Receive PlanWave" + quits, err: e, attempts: map[string]int{"PlanWave": 1}}
		if again {
			sc.attempts["PlanWave"], sc.took = 9, backOff(8, 2*second, 60*second)
		}
		if wrong := sc.check(t.Context(), m); wrong != "" {
			t.Errorf("%s: %s", e, wrong)
		}
	}
}

// Every state is entered, also those inside the Map.
func TestFleetCoverage(t *testing.T) {
	m := fleet(t)
	entered := map[string]bool{}
	for _, sc := range fleetScenarios {
		for name := range strings.FieldsSeq(sc.path) {
			entered[name] = true
		}
	}
	for _, s := range m.States() {
		if !entered[s.Name] {
			t.Errorf("%s is never entered", s.Name)
		}
		if s.Processor != nil {
			if got := len(s.Processor.States()); got != 2 || s.Mode != "DISTRIBUTED" {
				t.Errorf("%s: %d states inside, %s", s.Name, got, s.Mode)
			}
		}
	}
}

func TestFleetGiveUpAlert(t *testing.T) {
	w := newFleetWorld(fleetScenario{faults: []failing{{"PlanWave", "AccessDenied", 0}}})
	w.run(t.Context(), fleet(t))
	for _, want := range []string{"AccessDenied", "tumbler rotate --resume arn:aws:states:", "those under way go on", `{\"select\":{\"prefix\":\"prod/\"}}`} {
		if !strings.Contains(string(w.alert["Message"]), want) {
			t.Errorf("the message does not say %q:\n%s", want, w.alert["Message"])
		}
	}
	if len(w.alert["Subject"]) > 99 {
		t.Errorf("subject %s", w.alert["Subject"])
	}
}

func TestFleetLint(t *testing.T) {
	m := fleet(t)
	if _, err := node(t, "asl-validator", "lint.cjs", m.Definition()); err != nil {
		t.Error(err)
	}
	// The linter looks inside the Map.
	broken := bytes.Replace(m.Definition(), []byte(`"OutputPath":null,"Retry"`), []byte(`"OutputPth":null,"Retry"`), 1)
	if _, err := node(t, "asl-validator", "lint.cjs", broken); err == nil {
		t.Error("an unknown field inside the Map was not found")
	}
}

// An independent interpreter takes the same path. It knows INLINE Maps only, and
// runs their items at once, so what a DISTRIBUTED one has beyond that is taken
// away, and scenarios that rest on it are left out.
func TestAnotherInterpreterAgreesOnFleets(t *testing.T) {
	var definition map[string]any
	if err := json.Unmarshal(fleet(t).Definition(), &definition); err != nil {
		t.Fatal(err)
	}
	rotate := definition["States"].(map[string]any)["RotateWave"].(map[string]any)
	for _, field := range []string{"ToleratedFailureCountPath", "Label", "MaxConcurrencyPath"} {
		delete(rotate, field)
	}
	rotate["MaxConcurrency"] = 1
	rotate["ItemProcessor"].(map[string]any)["ProcessorConfig"] = map[string]string{"Mode": "INLINE"}
	raw, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	m, err := asl.Load(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	var (
		walks []map[string]any
		ours  []outcome
	)
	for _, sc := range fleetScenarios {
		// The other one lets the remaining items go on after a failure.
		if sc.failing != nil || sc.err == "Interrupted" || sc.err == asl.ErrorRuntime || slices.ContainsFunc(sc.faults, func(f failing) bool { return f.err == late }) {
			continue
		}
		w := newFleetWorld(sc)
		r := w.run(t.Context(), m)
		o := outcome{Name: sc.name, Path: r.Path, Error: r.Error, Cause: r.Cause}
		if r.Status == asl.Succeeded {
			if err := json.Unmarshal(r.Output, &o.Output); err != nil {
				t.Fatal(err)
			}
		}
		walks = append(walks, map[string]any{"name": sc.name, "input": json.RawMessage(fleetRequest), "answers": w.answers})
		ours = append(ours, o)
	}
	input, err := json.Marshal(map[string]any{
		"definition": json.RawMessage(raw), "scenarios": walks,
		"context": map[string]any{"Execution": map[string]any{"Id": executionARN, "StartTime": "2026-03-01T12:00:00.000Z"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := node(t, "aws-local-stepfunctions", "differential.cjs", input)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []outcome
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ours, theirs); diff != "" {
		t.Errorf("(- this interpreter, + the other)\n%s", diff)
	}
	t.Logf("%d scenarios", len(ours))
}

// The picture in docs/fleet.md is drawn from the definition.
func TestFleetDrawing(t *testing.T) {
	const (
		page  = "../docs/fleet.md"
		fence = "```mermaid\n"
	)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), fence)
	drawn, after, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("docs/fleet.md has no mermaid picture")
	}
	want := asl.Mermaid(fleet(t))
	if *update {
		if err := os.WriteFile(page, []byte(before+fence+want+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, drawn); diff != "" {
		t.Errorf("the picture in docs/fleet.md is out of date; run go test ./statemachine -update and look at it\n%s", diff)
	}
}
