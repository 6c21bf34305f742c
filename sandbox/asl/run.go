package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Run describes an execution to run.
type Run struct {
	// Input is the execution's input. Default {}.
	Input json.RawMessage
	// Execution and StateMachine are what the context object says. Optional.
	Execution    Execution
	StateMachine StateMachine
	// Task performs the tasks. Required if the machine has any.
	Task TaskFunc
	// Clock is the time. Default RealClock.
	Clock Clock
	// Held says that the caller has counted the execution as running with
	// [VirtualClock.Hold], so that no time passes before it begins or between its
	// end and what the caller does then.
	Held bool
	// Jitter returns numbers in [0, 1) for JitterStrategy FULL. Default random.
	Jitter func() float64
	// Observe is told of every event, in order. Optional.
	Observe func(Event)
	// Child is told of each child execution of a DISTRIBUTED Map that begins,
	// and returns what is told of its events, or nil. It may be called
	// concurrently. Default: nobody looks, and nothing is kept of them.
	Child func(Execution) func(Event)
	// MapRun is told how far each DISTRIBUTED Map has come: when it begins, each
	// time a child begins or ends, and when it has ended. Optional.
	MapRun func(MapRun)
	// OneByOne runs the branches of a Parallel state one after the other, for a
	// caller to whom their order matters. After one that fails none begins.
	OneByOne bool
	// ResumeFrom redrives an execution that did not succeed. The other fields
	// must be those of the execution; Input is not looked at. Optional.
	ResumeFrom *Checkpoint
}

// Execution identifies an execution.
type Execution struct {
	ARN, Name string
	// StartTime is when it was started. Default now.
	StartTime time.Time
}

// StateMachine identifies a state machine.
type StateMachine struct{ ARN, Name string }

// TaskFunc performs one attempt of a task. It fails with a [*Failure]; another
// error counts as States.TaskFailed with its text as the cause. ctx ends when
// the task times out, or the execution does or is stopped; the function must
// return soon then, or it is left behind.
type TaskFunc func(ctx context.Context, t Task) (json.RawMessage, error)

// Task is one attempt of a task.
type Task struct {
	State, Resource string
	Input           json.RawMessage
	// Timeout is how long the attempt may take, 0 if there is no limit.
	Timeout time.Duration
	// Retry is 0 for the first attempt.
	Retry     int
	Execution Execution
}

// Status is how an execution ended (AWS API reference: "DescribeExecution").
type Status string

// The statuses of an execution.
const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Result is how an execution ended.
type Result struct {
	Status Status
	// Output is set if it succeeded.
	Output json.RawMessage
	// Error and Cause are set if it did not, if there is one.
	Error, Cause string
	// Path lists the states entered, in order; after a redrive, those of the
	// redrive.
	Path []string
	// Checkpoint is where a redrive goes on; nil if it succeeded.
	Checkpoint *Checkpoint
}

// Checkpoint is the state that an execution ended in without success.
type Checkpoint struct {
	State string
	// Input is the state's raw input.
	Input json.RawMessage
	// ExecutionInput is what $$.Execution.Input says.
	ExecutionInput json.RawMessage
	// LastEvent is the id of the last event.
	LastEvent int64
	// RedriveCount is how often the execution has been redriven.
	RedriveCount int
	// Items say of a Map or Parallel state what has been done: a redrive runs the
	// others.
	Items []ItemCheckpoint
}

// execution is a Run under way.
type execution struct {
	Run
	m      *Machine
	ctx    context.Context // ends with the execution's timeout
	caller context.Context // ends when the execution is stopped

	input    any
	redrives int
	state    *state
	entered  time.Time
	entryID  int64
	retries  int // of the current state

	*history
	previousID int64
	mapItem    any              // the context object's Map.Item, while a Map selects
	mapDone    []ItemCheckpoint // of a Map or Parallel state that is redriven or has failed
}

// history is what the iterations of an INLINE Map share with their execution.
type history struct {
	mu     sync.Mutex
	lastID int64
	path   []string
}

// errInterrupted says that the execution timed out or was stopped.
var errInterrupted = errors.New("interrupted")

// Run runs one execution to its end. When ctx ends, the execution is aborted;
// if context.Cause(ctx) is a [*Failure], it is the abortion's error and cause.
//
// With ResumeFrom the execution goes on from the unsuccessful state, with the
// same input, its retry counters at 0 and the machine's timeout anew (AWS:
// "Restarting state machine executions with redrive in Step Functions").
func (m *Machine) Run(ctx context.Context, r Run) Result {
	if r.Clock == nil {
		r.Clock = RealClock{}
	}
	if r.Jitter == nil {
		r.Jitter = rand.Float64
	}
	if len(r.Input) == 0 {
		r.Input = json.RawMessage("{}")
	}
	if r.Execution.StartTime.IsZero() {
		r.Execution.StartTime = r.Clock.Now()
	}
	if c, ok := r.Clock.(*VirtualClock); ok && !r.Held {
		defer c.Hold()()
	}
	x := &execution{Run: r, m: m, caller: ctx, ctx: ctx, history: &history{}}
	if m.timeout > 0 {
		var cancel context.CancelFunc
		x.ctx, cancel = r.Clock.WithTimeout(ctx, m.timeout)
		defer cancel()
	}
	return x.run()
}

func (x *execution) run() Result {
	at, raw, f := x.start()
	if f != nil {
		return x.end(at, raw, nil, f)
	}
	at, raw, err := x.walk(at, raw)
	return x.end(at, raw, raw, err)
}

// walk goes from state to state up to the end. On an error it returns the state
// it happened in, with its raw input.
func (x *execution) walk(at string, raw any) (string, any, error) {
	for {
		var (
			next string
			err  error
		)
		at, raw, next, err = x.step(at, raw)
		if err != nil || next == "" {
			return at, raw, err
		}
		at = next
	}
}

// start says where to begin, after the first event.
func (x *execution) start() (at string, raw any, f *Failure) {
	source := x.Input
	if c := x.ResumeFrom; c != nil {
		source = c.ExecutionInput
	}
	var err error
	if x.input, err = parseJSON(source, nil); err != nil {
		f = runtimef("The execution's input is not JSON: %s", err)
	} else if len(source) > MaxPayload {
		f = dataLimit(x.m.startAt)
	}
	if c := x.ResumeFrom; c != nil {
		x.lastID, x.previousID, x.redrives = c.LastEvent, c.LastEvent, c.RedriveCount+1
		x.mapDone = c.Items
		x.emit(Event{Type: ExecutionRedriven, RedriveCount: x.redrives})
		if raw, err = parseJSON(c.Input, nil); err != nil || x.m.states[c.State] == nil {
			f = runtimef("The checkpoint is not one of this state machine's")
		}
		return c.State, raw, f
	}
	x.emit(Event{Type: ExecutionStarted, Input: x.Input})
	x.previousID = 0
	return x.m.startAt, x.input, f
}

// step runs one state. On an error, at and raw are still the state's.
func (x *execution) step(at string, raw any) (string, any, string, error) {
	s := x.m.states[at]
	x.state, x.entered, x.retries = s, x.Clock.Now(), 0
	x.enter(at)
	x.emit(Event{Type: EventType(s.typ + "StateEntered"), State: at, Entered: true, Input: encode(raw)})
	x.entryID = x.previousID
	if err := x.interrupted(); err != nil {
		return at, raw, "", err
	}
	out, next, err := s.body.run(x, s, raw)
	caught := err == nil && next != "" && s.typ != "Choice"
	if err == nil && !caught {
		out, err = s.outputPath.apply("OutputPath", x.scope(out))
	}
	if err == nil && tooLarge(out) {
		err = dataLimit(at)
	}
	if err != nil {
		return at, raw, "", x.explain(err)
	}
	x.mapDone = nil
	x.emit(Event{Type: EventType(s.typ + "StateExited"), State: at, Exited: true, Output: encode(out)})
	if next == "" {
		next = s.next
	}
	return at, out, next, nil
}

// explain puts AWS's preamble before the cause of a runtime failure.
func (x *execution) explain(err error) error {
	var (
		f *Failure
		e ended
	)
	if errors.As(err, &e) || !errors.As(err, &f) || f.Name != ErrorRuntime {
		return err
	}
	return &Failure{f.Name, fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). %s", x.state.name, x.entryID, f.Cause)}
}

// interrupted reports whether the execution must end here.
func (x *execution) interrupted() error {
	if x.ctx.Err() != nil {
		return errInterrupted
	}
	if x.full() {
		return runtimef("The execution reached the maximum number of history events (%d).", MaxEvents)
	}
	return nil
}

// end makes the result. raw is the input of the state at.
func (x *execution) end(at string, raw, out any, err error) Result {
	result := Result{Path: x.path}
	if err == nil {
		result.Status, result.Output = Succeeded, encode(out)
		x.emitLast(Event{Type: ExecutionSucceeded, Output: result.Output})
		return result
	}
	last := Event{Type: ExecutionFailed}
	var f *Failure
	switch {
	case errors.As(err, &f):
		result.Status = Failed
	case x.caller.Err() != nil:
		result.Status, last.Type = Aborted, ExecutionAborted
		x.previousID = 0 // as Step Functions has it
		if !errors.As(context.Cause(x.caller), &f) {
			f = &Failure{}
		}
	default:
		result.Status, last.Type = TimedOut, ExecutionTimedOut
		f = &Failure{}
	}
	result.Error, result.Cause = f.Name, f.Cause
	last.Error, last.Cause = f.Name, f.Cause
	x.emitLast(last)
	result.Checkpoint = &Checkpoint{
		State: at, Input: encode(raw), ExecutionInput: encode(x.input),
		LastEvent: x.lastID, RedriveCount: x.redrives, Items: x.mapDone,
	}
	return result
}

func (h *history) enter(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.path = append(h.path, state)
}

// full says that there is room for the last event only.
func (h *history) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastID >= MaxEvents-1
}

// emit tells of an event, unless the history is full; interrupted ends the
// execution then.
func (x *execution) emit(e Event) {
	if !x.full() {
		x.emitLast(e)
	}
}

func (x *execution) emitLast(e Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lastID++
	e.ID, e.PreviousID, e.Time = x.lastID, x.previousID, x.Clock.Now()
	x.previousID = e.ID
	if x.Observe != nil {
		x.Observe(e)
	}
}

func tooLarge(v any) bool { return len(encode(v)) > MaxPayload }

// dataLimit has AWS's wording.
func dataLimit(state string) *Failure {
	return &Failure{ErrorDataLimitExceeded, fmt.Sprintf("The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", state)}
}

// scope is what the current state's expressions see.
func (x *execution) scope(input any) scope { return scope{input, x.contextObject()} }

// timeFormat is the context object's.
const timeFormat = "2006-01-02T15:04:05.000Z"

// contextObject makes $$ (AWS: "Accessing execution data from the Context
// object in Step Functions").
func (x *execution) contextObject() any {
	number := func(n int) json.Number { return json.Number(fmt.Sprint(n)) }
	o := makeObject(
		"Execution", makeObject(
			"Id", x.Execution.ARN, "Input", x.input, "Name", x.Execution.Name,
			"StartTime", x.Execution.StartTime.UTC().Format(timeFormat), "RedriveCount", number(x.redrives),
		),
		"State", makeObject(
			"Name", x.state.name, "EnteredTime", x.entered.UTC().Format(timeFormat), "RetryCount", number(x.retries),
		),
		"StateMachine", makeObject("Id", x.StateMachine.ARN, "Name", x.StateMachine.Name),
	)
	if x.mapItem != nil {
		o.set("Map", makeObject("Item", x.mapItem))
	}
	return o
}

func makeObject(pairs ...any) *object {
	o := newObject()
	for i := 0; i < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}
