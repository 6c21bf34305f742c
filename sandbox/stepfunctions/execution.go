package stepfunctions

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// execution is one execution. Its fields are guarded by the service's lock.
type execution struct {
	Execution
	machine  *machine
	sequence int64
	input    string
	started  time.Time

	status        asl.Status
	stopped       time.Time
	output        string
	failure       asl.Failure
	events        []asl.Event
	redrives      int
	redriven      time.Time
	redriveTokens []redriveToken
	checkpoint    *asl.Checkpoint

	stop     context.CancelCauseFunc
	ended    chan struct{} // closed by the last event
	returned chan struct{} // closed when the run has come back
	latch    *asl.Latch    // opened with it
	mapRuns  []asl.MapRun  // in the order of their start
}

// Start starts an execution as StartExecution does; name "" makes one up.
//
// The error is a [*wire.Error] with AWS's code: StateMachineDoesNotExist,
// InvalidName, InvalidExecutionInput, ExecutionAlreadyExists.
func (s *Service) Start(stateMachineARN, name string, input json.RawMessage) (executionARN string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.start(s.ownCall(), stateMachineARN, name, string(input))
	if err != nil {
		return "", err
	}
	return e.ARN, nil
}

// Wait returns when the execution has ended, or with ctx's error. The result
// has no Path or Checkpoint. An execution that is redriven meanwhile may have
// ended anew.
func (s *Service) Wait(ctx context.Context, executionARN string) (asl.Result, error) {
	s.mu.Lock()
	e, err := s.findExecution(s.ownCall(), executionARN)
	if err != nil {
		s.mu.Unlock()
		return asl.Result{}, err
	}
	returned := e.returned
	s.mu.Unlock()
	select {
	case <-returned:
	case <-ctx.Done():
		return asl.Result{}, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return asl.Result{Status: e.status, Output: json.RawMessage(e.output), Error: e.failure.Name, Cause: e.failure.Cause}, nil
}

// ownCall is a caller who sees everything.
func (s *Service) ownCall() wire.Call {
	return wire.Call{Caller: wire.Caller{Account: s.cfg.Account, Region: s.cfg.Region}}
}

// start is called with the lock held.
func (s *Service) start(call wire.Call, machineARN, name, input string) (*execution, error) {
	m, err := s.findMachine(call, machineARN)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = newUUID()
	}
	if input == "" {
		input = "{}"
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if len(input) > asl.MaxPayload {
		return nil, invalid("input", fmt.Sprintf("Member must have length less than or equal to %d", asl.MaxPayload))
	}
	if !json.Valid([]byte(input)) {
		return nil, wire.Errorf("InvalidExecutionInput", "Invalid State Machine Execution Input: 'the input is not valid JSON'")
	}
	if s.closed {
		return nil, &wire.Error{Code: "ServiceUnavailable", Message: "The sandbox is shutting down.", Status: http.StatusServiceUnavailable}
	}
	arn := s.arn("execution", m.name+":"+name)
	if old := s.executions[arn]; old != nil {
		if old.status == asl.Running && sameJSON(old.input, input) {
			return old, nil
		}
		return nil, wire.Errorf("ExecutionAlreadyExists", "Execution Already Exists: '%s'", arn)
	}
	s.sequence++
	e := &execution{
		Execution: Execution{arn, name, m.arn}, machine: m, sequence: s.sequence, input: input, started: s.cfg.Clock.Now(),
	}
	s.executions[arn] = e
	m.executions = append(m.executions, e)
	s.launch(e)
	s.forget(m)
	return e, nil
}

// forget drops the oldest closed executions while there are more than Keep.
func (s *Service) forget(m *machine) {
	closed := 0
	for _, e := range m.executions {
		if e.status != asl.Running {
			closed++
		}
	}
	m.executions = slices.DeleteFunc(m.executions, func(e *execution) bool {
		if e.status == asl.Running || closed <= s.cfg.Keep {
			return false
		}
		closed--
		delete(s.executions, e.ARN)
		return true
	})
}

// launch runs the execution, from its checkpoint if it has one. The caller
// holds the lock.
func (s *Service) launch(e *execution) {
	ctx, stop := context.WithCancelCause(context.Background())
	e.status, e.stop, e.ended, e.returned = asl.Running, stop, make(chan struct{}), make(chan struct{})
	e.latch = asl.NewLatch(s.cfg.Clock)
	begun := s.hold()
	run := asl.Run{
		Input:        json.RawMessage(e.input),
		Execution:    asl.Execution{ARN: e.ARN, Name: e.Name, StartTime: e.started},
		StateMachine: asl.StateMachine{ARN: e.machine.arn, Name: e.machine.name},
		Task:         s.cfg.Task, Clock: s.cfg.Clock, Jitter: s.cfg.Jitter, OneByOne: s.cfg.OneByOne, Held: true,
		Observe: func(event asl.Event) {
			begun()
			s.observe(e, event)
		},
		MapRun:     func(run asl.MapRun) { s.note(e, run) },
		ResumeFrom: e.checkpoint,
	}
	// Who waits for this execution goes on at the time of its end.
	release := func() {}
	if clock, virtual := s.cfg.Clock.(*asl.VirtualClock); virtual {
		release = clock.Hold()
	}
	s.running.Go(func() {
		defer release()
		defer stop(nil)
		result := e.machine.definition.Run(ctx, run)
		begun()
		s.mu.Lock()
		e.checkpoint = result.Checkpoint
		close(e.returned)
		e.latch.Open()
		quiet := s.closed || s.cfg.OnEnd == nil || result.Status == asl.Succeeded
		s.mu.Unlock()
		if s.cfg.Log != nil && result.Status != asl.Succeeded {
			s.cfg.Log.Info("execution ended without success", "execution", e.ARN, "status", result.Status, "error", result.Error)
		}
		if !quiet {
			s.cfg.OnEnd(Ended{e.Execution, result.Status, e.input, e.started})
		}
	})
}

// hold keeps a virtual clock still until begun is called, which is when the run
// has begun and counts by itself: no time passes between a start and the first
// state.
func (s *Service) hold() (begun func()) {
	virtual, ok := s.cfg.Clock.(*asl.VirtualClock)
	if !ok {
		return func() {}
	}
	return sync.OnceFunc(virtual.Hold())
}

// observe records an event. The last one closes the execution, so that the
// history and the status never disagree.
func (s *Service) observe(e *execution, event asl.Event) {
	s.mu.Lock()
	e.events = append(e.events, event)
	switch event.Type {
	case asl.ExecutionSucceeded:
		e.end(event, asl.Succeeded)
	case asl.ExecutionFailed:
		e.end(event, asl.Failed)
	case asl.ExecutionTimedOut:
		e.end(event, asl.TimedOut)
	case asl.ExecutionAborted:
		e.end(event, asl.Aborted)
	}
	s.mu.Unlock()
	if s.cfg.Observe != nil {
		s.cfg.Observe(e.Execution, event)
	}
}

func (e *execution) end(event asl.Event, status asl.Status) {
	e.status, e.stopped, e.output = status, event.Time, string(event.Output)
	e.failure = asl.Failure{Name: event.Error, Cause: event.Cause}
	close(e.ended)
}

// redriveWindow is how long after its end an execution can be redriven.
const redriveWindow = 14 * 24 * time.Hour

// notRedrivable says in AWS's words why the execution cannot be redriven, or "".
func (e *execution) notRedrivable(now time.Time) string {
	switch {
	case e.status == asl.Running || e.status == asl.Succeeded:
		return fmt.Sprintf("Execution is %s and cannot be redriven", e.status)
	case now.Sub(e.stopped) > redriveWindow:
		return "Execution redrivable period exceeded"
	case len(e.events) >= asl.MaxEvents-1:
		return "Execution history event limit exceeded"
	}
	return ""
}

func sameJSON(a, b string) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && x.String() == y.String()
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
