package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// taskBody is a Task state (ASL: "Task State").
type taskBody struct {
	resource        string
	service, action string // of an integration; "" for a Lambda function
	parameters      template
	selector        template
	resultPath      ioPath
	timeout         seconds
	guard
}

func (b *taskBody) run(x *execution, s *state, raw any) (any, string, error) {
	return b.guard.run(x, raw, func() (any, *Failure, error) { return b.attempt(x, s, raw) })
}

// attempt makes one attempt. failure is what Retry and Catch may handle; err
// ends the execution.
func (b *taskBody) attempt(x *execution, s *state, raw any) (out any, failure *Failure, err error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, nil, err
	}
	timeout, f := b.timeout.value("TimeoutSecondsPath", x.scope(in))
	if f != nil {
		return nil, nil, f
	}
	if b.parameters != nil {
		if in, f = b.parameters.fill(x.scope(in)); f != nil {
			return nil, nil, f
		}
	}
	if tooLarge(in) {
		return nil, dataLimit(s.name), nil
	}
	task := Task{s.name, b.resource, encode(in), timeout, x.retries, x.Execution}
	b.emit(x, task, "Scheduled", func(e *Event) { e.Input, e.Timeout = task.Input, timeout })
	b.emit(x, task, "Started", nil)
	answer, failure := x.call(task)
	if x.ctx.Err() != nil {
		return nil, nil, errInterrupted
	}
	var result any
	if failure == nil {
		result, failure = b.read(s, answer)
	}
	if failure != nil {
		kind := "Failed"
		if failure.Name == ErrorTimeout {
			kind = "TimedOut"
		}
		b.emit(x, task, kind, func(e *Event) { e.Error, e.Cause = failure.Name, failure.Cause })
		return nil, failure, nil
	}
	b.emit(x, task, "Succeeded", func(e *Event) { e.Output = encode(result) })
	if b.selector != nil {
		if result, f = b.selector.fill(x.scope(result)); f != nil {
			return nil, nil, f
		}
	}
	out, failure = b.resultPath.place(raw, result)
	return out, failure, nil
}

func (b *taskBody) read(s *state, answer json.RawMessage) (any, *Failure) {
	if len(answer) == 0 {
		return nil, nil
	}
	result, err := parseJSON(answer, nil)
	switch {
	case err != nil:
		return nil, &Failure{ErrorTaskFailed, "The result is not JSON: " + err.Error()}
	case tooLarge(result):
		return nil, dataLimit(s.name)
	}
	return result, nil
}

// emit tells of a task's event, in the words for functions or for integrations.
func (b *taskBody) emit(x *execution, t Task, kind string, fill func(*Event)) {
	e := Event{Type: EventType("LambdaFunction" + kind), State: t.State}
	if b.service != "" {
		e.Type, e.ResourceType, e.Resource = EventType("Task"+kind), b.service, b.action
	} else if kind == "Scheduled" {
		e.Resource = b.resource
	}
	if fill != nil {
		fill(&e)
	}
	x.emit(e)
}

// grace is how long a task that was told to stop is waited for before it is
// left behind. It is real time: on a virtual clock too, the task must have come
// back before the clock goes on.
const grace = time.Second

// call performs a task within its timeout. The caller checks whether the
// execution itself was interrupted.
func (x *execution) call(t Task) (json.RawMessage, *Failure) {
	ctx := x.ctx
	if t.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = x.Clock.WithTimeout(ctx, t.Timeout)
		defer cancel()
	}
	type answer struct {
		out json.RawMessage
		err error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: &Failure{ErrorTaskFailed, "The task handler ended its goroutine"}}
		defer func() {
			if p := recover(); p != nil {
				// Like a function that crashed. The value itself may hold anything.
				a = answer{err: &Failure{"Runtime.ExitError", fmt.Sprintf("The task handler panicked with a %T\n%s", p, debug.Stack())}}
			}
			done <- a
		}()
		a.out, a.err = x.Task(ctx, t)
	}()
	var a answer
	select {
	case a = <-done:
	case <-ctx.Done():
		patience := time.NewTimer(grace)
		defer patience.Stop()
		select {
		case a = <-done:
		case <-patience.C:
		}
	}
	if ctx.Err() != nil {
		return nil, &Failure{Name: ErrorTimeout}
	}
	if a.err == nil {
		return a.out, nil
	}
	var f *Failure
	if errors.As(a.err, &f) {
		return nil, f
	}
	return nil, &Failure{ErrorTaskFailed, a.err.Error()}
}
