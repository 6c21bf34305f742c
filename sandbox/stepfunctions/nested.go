package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// RunNested performs a task states:startExecution.sync:2: it starts an execution,
// waits for its end, and returns what DescribeExecution says with the output as
// JSON (AWS: "Start workflow executions from a task state in Step Functions").
//
// When ctx ends first, the execution goes on: it is as if the caller's role had
// no right to states:StopExecution, which Tumbler's role has not, because a
// rotation that is stopped half-way may leave applications without a password.
//
// The error is an [*asl.Failure]: States.TaskFailed with the description as its
// cause if the execution did not succeed, or StepFunctions.<exception> if it
// could not be started.
func (s *Service) RunNested(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
	var in struct {
		StateMachineArn, Name string
		Input                 json.RawMessage
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, &asl.Failure{Name: asl.ErrorRuntime, Cause: "the parameters do not fit states:startExecution"}
	}
	s.mu.Lock()
	e, err := s.start(s.ownCall(), in.StateMachineArn, in.Name, string(in.Input))
	if err != nil {
		s.mu.Unlock()
		return nil, startFailure(err)
	}
	latch := e.latch
	s.mu.Unlock()
	if err := latch.Wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	about := nested{
		ExecutionArn: e.ARN, StateMachineArn: e.machine.arn, Name: e.Name, Status: e.status,
		StartDate: wire.NewTime(e.started), StopDate: wire.NewTime(e.stopped),
		Error: e.failure.Name, Cause: e.failure.Cause,
	}
	if e.status == asl.Succeeded {
		about.Input, about.Output = json.RawMessage(e.input), json.RawMessage(e.output)
		return json.Marshal(about)
	}
	if about.Input, err = json.Marshal(e.input); err != nil { // a string here
		return nil, err
	}
	cause, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	return nil, &asl.Failure{Name: asl.ErrorTaskFailed, Cause: string(cause)}
}

// nested is a nested execution as its parent sees it.
type nested struct {
	ExecutionArn    string
	Input           json.RawMessage
	Name            string
	Output          json.RawMessage `json:",omitempty"`
	StartDate       *wire.Time
	StateMachineArn string
	Status          asl.Status
	StopDate        *wire.Time `json:",omitempty"`
	Error           string     `json:",omitempty"`
	Cause           string     `json:",omitempty"`
}

// startFailure names an error of StartExecution as the integration does.
func startFailure(err error) error {
	if api, ok := errors.AsType[*wire.Error](err); ok {
		return &asl.Failure{Name: "StepFunctions." + api.Code + "Exception", Cause: api.Message}
	}
	return err
}
