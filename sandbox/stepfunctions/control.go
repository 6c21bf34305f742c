package stepfunctions

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type startInput struct {
	StateMachineArn string `json:"stateMachineArn"`
	Name            string `json:"name"`
	Input           string `json:"input"`
}

// Resource is the state machine.
func (in *startInput) Resource() string { return in.StateMachineArn }

type startOutput struct {
	ExecutionArn string     `json:"executionArn"`
	StartDate    *wire.Time `json:"startDate"`
}

func (s *Service) startExecution(_ context.Context, call wire.Call, in *startInput) (*startOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.start(call, in.StateMachineArn, in.Name, in.Input)
	if err != nil {
		return nil, err
	}
	return &startOutput{e.ARN, wire.NewTime(e.started)}, nil
}

type stopInput struct {
	ExecutionArn string `json:"executionArn"`
	Error        string `json:"error"`
	Cause        string `json:"cause"`
}

// Resource is the execution.
func (in *stopInput) Resource() string { return in.ExecutionArn }

type stopOutput struct {
	StopDate *wire.Time `json:"stopDate"`
}

// The longest error and cause of StopExecution, in characters.
const (
	maxError = 256
	maxCause = 32768
)

// stopExecution answers when the execution has ended, unless the caller gives
// up. One that has ended already stays as it is.
func (s *Service) stopExecution(ctx context.Context, call wire.Call, in *stopInput) (*stopOutput, error) {
	if utf8.RuneCountInString(in.Error) > maxError {
		return nil, invalid("error", "Member must have length less than or equal to 256")
	}
	if utf8.RuneCountInString(in.Cause) > maxCause {
		return nil, invalid("cause", "Member must have length less than or equal to 32768")
	}
	s.mu.Lock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	e.stop(&asl.Failure{Name: in.Error, Cause: in.Cause})
	ended := e.ended
	s.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &stopOutput{wire.NewTime(e.stopped)}, nil
}

type redriveInput struct {
	ExecutionArn string `json:"executionArn"`
	ClientToken  string `json:"clientToken"`
}

// Resource is the execution.
func (in *redriveInput) Resource() string { return in.ExecutionArn }

type redriveOutput struct {
	RedriveDate *wire.Time `json:"redriveDate"`
}

type redriveToken struct {
	token string
	at    time.Time
}

// A token repeats its answer for so long, and for so many tokens (API
// reference: "RedriveExecution", clientToken).
const (
	tokenLife = 15 * time.Minute
	maxTokens = 10
)

func (s *Service) redriveExecution(ctx context.Context, call wire.Call, in *redriveInput) (*redriveOutput, error) {
	s.mu.Lock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	returned := e.returned
	ended := e.status != asl.Running
	s.mu.Unlock()
	if ended { // the run comes back right after its last event
		select {
		case <-returned:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock.Now()
	for _, t := range e.redriveTokens {
		if in.ClientToken != "" && t.token == in.ClientToken && now.Sub(t.at) <= tokenLife {
			return &redriveOutput{wire.NewTime(t.at)}, nil
		}
	}
	if reason := e.notRedrivable(now); reason != "" {
		return nil, wire.Errorf("ExecutionNotRedrivable", "%s", reason)
	}
	if s.closed {
		return nil, wire.Errorf("ExecutionNotRedrivable", "The sandbox is shutting down.")
	}
	e.redrives++
	e.redriven, e.stopped, e.failure = now, time.Time{}, asl.Failure{}
	e.redriveTokens = append(e.redriveTokens, redriveToken{in.ClientToken, now})
	if len(e.redriveTokens) > maxTokens {
		e.redriveTokens = e.redriveTokens[1:]
	}
	s.launch(e)
	return &redriveOutput{wire.NewTime(now)}, nil
}
