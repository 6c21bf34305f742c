package explorer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// oracle tells what a rotation wants next. It lets the real definition and the real
// steps run, and remembers: what an execution wants is a function of the state that
// it is in, that state's input and what it has been answered there; and so with a
// step. Each of these is run once, and a search comes by it a thousand times.
type oracle struct {
	variant  variant
	machine  *asl.Machine
	inBranch map[string]bool // states of branches
	states   map[digest]*wish
	steps    map[digest]*stepWish
	versions map[string]login
}

func newOracle(v variant) *oracle {
	m := definition
	if v.machine != nil {
		m = v.machine
	}
	inBranch := map[string]bool{}
	for _, s := range m.States() {
		for _, branch := range s.Branches {
			for _, inner := range branch.States() {
				inBranch[inner.Name] = true
			}
		}
	}
	return &oracle{v, m, inBranch, map[digest]*wish{}, map[digest]*stepWish{}, map[string]login{}}
}

// wish is what an execution wants next of the world: that a task is performed, that
// time passes, or nothing more.
type wish struct {
	task   asl.Task
	pause  time.Duration
	result *asl.Result
	at     place // where it is then

	sent  *sent      // a message or an event, which the world takes at once
	calls invocation // the function that performs the task
}

// sent is a message to people or the event that ends a rotation.
type sent struct {
	critical      bool
	outcome, says string
}

// place is a state with its input, and what the execution has been answered in it.
type place struct {
	key     digest
	state   string // "": before the first one
	input   json.RawMessage
	answers []taskAnswer
}

// taskAnswer is what came of a task or of a pause.
type taskAnswer struct {
	out json.RawMessage
	err *asl.Failure
}

func (p place) after(a taskAnswer) place {
	p.key = p.key.add(string(a.out))
	if a.err != nil {
		p.key = p.key.add(a.err.Name, a.err.Cause)
	}
	p.answers = append(p.answers[:len(p.answers):len(p.answers)], a)
	return p
}

func placeAt(state string, input json.RawMessage) place {
	return place{key: start.add(state, string(input)), state: state, input: input}
}

// next says what an execution wants that has come to a place.
func (o *oracle) next(x asl.Execution, request json.RawMessage, p place, now time.Time) *wish {
	key := p.key.add(x.Name).number(uint64(now.UnixNano()))
	w := o.states[key]
	if w == nil {
		w = o.interpret(x, request, p, now)
		o.states[key] = w
	}
	return w
}

// interpret lets the interpreter go on from the place until it wants something that
// it has no answer to.
func (o *oracle) interpret(x asl.Execution, request json.RawMessage, p place, now time.Time) *wish {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &wish{at: p}
	left := p.answers
	unanswered, resuming := false, p.state != ""
	next := func() (a taskAnswer, ok bool) {
		if len(left) == 0 {
			unanswered = true
			cancel() // it has got as far as it can
			return taskAnswer{err: &asl.Failure{Name: "unanswered"}}, false
		}
		a, left = left[0], left[1:]
		return a, true
	}
	run := asl.Run{
		Input: request, Execution: x,
		OneByOne: true,                        // for answers come in the order of what is asked
		Jitter:   func() float64 { return 0 }, // no time passes by itself, so that nothing is too late
		Clock: pauses{now, func(d time.Duration) error {
			if _, ok := next(); !ok {
				w.pause = d
				return context.Canceled
			}
			return nil
		}},
		Task: func(_ context.Context, t asl.Task) (json.RawMessage, error) {
			a, ok := next()
			if !ok {
				w.task = t
			}
			if a.err != nil {
				return nil, a.err
			}
			return a.out, nil
		},
		Observe: func(e asl.Event) {
			switch {
			case !e.Entered || o.inBranch[e.State]: // a redrive begins the Parallel state again
			case resuming:
				resuming = false // that is the place itself
			default:
				w.at = placeAt(e.State, e.Input)
			}
		},
	}
	if resuming {
		run.ResumeFrom = &asl.Checkpoint{State: p.state, Input: p.input, ExecutionInput: request}
	}
	if result := o.machine.Run(ctx, run); !unanswered {
		w.result = &result
	}
	w.read()
	return w
}

// read finds out what a task is about.
func (w *wish) read() {
	var in struct {
		MessageAttributes map[string]struct{ StringValue string }
		Entries           []struct{ Detail rotation.Event }
		FunctionName      string
		Payload           json.RawMessage
	}
	t := w.task
	w.calls = invocation{state: t.State, function: t.Resource, input: t.Input}
	if !strings.HasPrefix(t.Resource, "arn:aws:states:::") || json.Unmarshal(t.Input, &in) != nil {
		return
	}
	switch t.Resource {
	case "arn:aws:states:::sns:publish":
		w.sent = &sent{critical: in.MessageAttributes["severity"].StringValue == "critical"}
	case "arn:aws:states:::events:putEvents":
		w.sent = &sent{}
		for _, e := range in.Entries {
			w.sent.outcome, w.sent.says = string(e.Detail.Outcome), string(e.Detail.Applications)
		}
	default:
		w.calls.function, w.calls.input = in.FunctionName, in.Payload
	}
}

// pauses is a clock on which no time passes while an execution is interpreted.
type pauses struct {
	now   time.Time
	pause func(time.Duration) error
}

func (c pauses) Now() time.Time { return c.now }

func (c pauses) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx) // who is too slow is killed by a choice
}

func (c pauses) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	return c.pause(d)
}

// invocation is a run of a function.
type invocation struct {
	state     string
	function  string
	input     json.RawMessage
	request   json.RawMessage // of the rotator: how the secret is configured
	passwords string          // how those that it makes begin
	began     time.Time

	key     digest
	answers []answer
	begun   bool // it has changed something in the database
}

// begin is a function at its beginning.
func (f invocation) begin(passwords string, now time.Time) invocation {
	f.passwords, f.began = passwords, now
	f.key = start.add(f.state, f.function, string(f.input), string(f.request), passwords).number(uint64(now.UnixNano()))
	return f
}

func (f invocation) after(a answer) invocation {
	f.key = a.hash(f.key)
	f.answers = append(f.answers[:len(f.answers):len(f.answers)], a)
	return f
}

// stepWish is what a function wants next: a call, or nothing more.
type stepWish struct {
	op     op // none: it has ended
	result taskAnswer
}

// ask says what a function wants next.
func (o *oracle) ask(f invocation) *stepWish {
	if known := o.steps[f.key]; known != nil {
		return known
	}
	c := &client{answers: f.answers, now: f.began, passwords: f.passwords}
	out, err := o.step(f, c)
	w := &stepWish{op: c.wish}
	if c.wish.verb == none {
		w.result = taskAnswer{out, failure(err)}
	}
	o.steps[f.key] = w
	return w
}

// failure is what lambdaboot makes of a step's error.
func failure(err error) *asl.Failure {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*asl.Failure](err); ok {
		return f
	}
	why := fault.From(err)
	cause, _ := json.Marshal(map[string]string{"errorType": string(why.Code), "errorMessage": why.Message()}) // strings
	return &asl.Failure{Name: string(why.Code), Cause: string(cause)}
}

const functionPrefix = "arn:aws:lambda:eu-central-1:123456789012:function:"

// The functions that are no steps of the state machine.
const (
	rotatorARN = functionPrefix + "rotator"
	foreignARN = functionPrefix + "SecretsManagerRotation"
)

// substitutions name the functions after their states.
func substitutions() map[string]string {
	s := map[string]string{"AlertTopicArn": "arn:aws:sns:eu-central-1:123456789012:alerts", "EventBusName": "default"}
	for _, name := range []string{"Plan", "CreateSecret", "SetSecret", "TestSecret", "FinishSecret", "Restore"} {
		s[name+"FunctionArn"] = functionPrefix + name
	}
	return s
}

// step runs a function: the real steps.
func (o *oracle) step(f invocation, on *client) (json.RawMessage, error) {
	var c api = on
	if o.variant.wrap != nil {
		c = o.variant.wrap(f.state, c)
	}
	now := on.Now
	if o.variant.now != nil {
		now = o.variant.now(f.state, now)
	}
	if o.variant.input != nil {
		f.input = o.variant.input(f.state, f.input)
	}
	if o.variant.instead != nil {
		if out, ok := o.variant.instead(f.state, c, f.input); ok {
			return out, nil
		}
	}
	switch strings.TrimPrefix(f.function, functionPrefix) {
	case "Plan":
		return run(f.input, rotation.Plan{
			Secrets: c, Executions: c, Region: "eu-central-1", RotatorARN: rotatorARN, Functions: []string{foreignARN}, Now: now,
		}.Run)
	case "CreateSecret":
		return run(f.input, rotation.Create{Secrets: c, Executions: c, NewPassword: c.newPassword, Now: now}.Run)
	case "SetSecret":
		return run(f.input, rotation.Set{Secrets: c, Databases: c, Servers: c, Now: now}.Run)
	case "TestSecret":
		test := rotation.Test{Secrets: c, Databases: c}
		return readyOr(f.input, test.Ready, test.Run)
	case "FinishSecret":
		finish := rotation.Finish{Secrets: c, Now: now}
		return readyOr(f.input, finish.Ready, finish.Run)
	case "Restore":
		restore := rotation.Restore{Secrets: c, Databases: c, Servers: c, Now: now, Sleep: c.Sleep}
		return readyOr(f.input, restore.Ready, restore.Run)
	case "rotator":
		return run(f.input, rotation.Rotator{Secrets: c, Databases: c, Servers: c, Registry: configured(f.request), NewPassword: c.newPassword, Now: now}.Run)
	case "SecretsManagerRotation":
		return run(f.input, template{c}.run)
	}
	return nil, &asl.Failure{Name: "Lambda.ResourceNotFoundException", Cause: f.function}
}

// readyOr is what lambdaboot makes of a function that is asked whether it is ready.
func readyOr[In, Out any](payload json.RawMessage, ready func(context.Context, rotation.StepInput) (rotation.Readiness, error), step func(context.Context, In) (Out, error)) (json.RawMessage, error) {
	var in struct{ Step string }
	if json.Unmarshal(payload, &in) == nil && in.Step == rotation.StepReady {
		return run(payload, ready)
	}
	return run(payload, step)
}

// run is what lambdaboot makes of a step: JSON in, JSON out.
func run[In, Out any](payload json.RawMessage, step func(context.Context, In) (Out, error)) (json.RawMessage, error) {
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fault.New(fault.InvalidRequest, err.Error(), "")
	}
	out, err := step(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// configured tells the rotator how the secret is rotated.
type configured json.RawMessage

func (c configured) Lookup(context.Context, string, string) (json.RawMessage, bool, error) {
	return json.RawMessage(c), true, nil
}
