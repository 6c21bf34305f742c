package asl

import (
	"encoding/json"
	"time"
)

// EventType is the type of an event in an execution's history (AWS API
// reference: "HistoryEvent").
type EventType string

// Event types other than <type of state>StateEntered and <type of
// state>StateExited, for which see [Event.Entered] and [Event.Exited].
const (
	ExecutionStarted        EventType = "ExecutionStarted"
	ExecutionSucceeded      EventType = "ExecutionSucceeded"
	ExecutionFailed         EventType = "ExecutionFailed"
	ExecutionTimedOut       EventType = "ExecutionTimedOut"
	ExecutionAborted        EventType = "ExecutionAborted"
	ExecutionRedriven       EventType = "ExecutionRedriven"
	LambdaFunctionScheduled EventType = "LambdaFunctionScheduled"
	LambdaFunctionStarted   EventType = "LambdaFunctionStarted"
	LambdaFunctionSucceeded EventType = "LambdaFunctionSucceeded"
	LambdaFunctionFailed    EventType = "LambdaFunctionFailed"
	LambdaFunctionTimedOut  EventType = "LambdaFunctionTimedOut"
	TaskScheduled           EventType = "TaskScheduled"
	TaskStarted             EventType = "TaskStarted"
	TaskSucceeded           EventType = "TaskSucceeded"
	TaskFailed              EventType = "TaskFailed"
	TaskTimedOut            EventType = "TaskTimedOut"
	MapStateStarted         EventType = "MapStateStarted"
	MapStateSucceeded       EventType = "MapStateSucceeded"
	MapStateFailed          EventType = "MapStateFailed"
	MapStateAborted         EventType = "MapStateAborted"
	MapIterationStarted     EventType = "MapIterationStarted"
	MapIterationSucceeded   EventType = "MapIterationSucceeded"
	MapIterationFailed      EventType = "MapIterationFailed"
	MapIterationAborted     EventType = "MapIterationAborted"
	ParallelStateStarted    EventType = "ParallelStateStarted"
	ParallelStateSucceeded  EventType = "ParallelStateSucceeded"
	ParallelStateFailed     EventType = "ParallelStateFailed"
	ParallelStateAborted    EventType = "ParallelStateAborted"
	MapRunStarted           EventType = "MapRunStarted"
	MapRunSucceeded         EventType = "MapRunSucceeded"
	MapRunFailed            EventType = "MapRunFailed"
	MapRunAborted           EventType = "MapRunAborted"
	MapRunRedriven          EventType = "MapRunRedriven"
)

// Event is one entry of an execution's history. Which fields are set depends on
// the type, as in Step Functions' API.
type Event struct {
	ID int64
	// PreviousID is 0 for the first event and, as in Step Functions, for the
	// first state's entry.
	PreviousID int64
	Type       EventType
	Time       time.Time
	// State is the state it happened in; "" for the execution as a whole.
	// (Step Functions tells the name at entries and exits only.)
	State string
	// Entered and Exited tell the entries and exits of states.
	Entered, Exited bool
	// Input is what the execution, state or task got, Output what it gave.
	Input, Output json.RawMessage
	// Resource and ResourceType are a task's: a function's ARN and "", or an
	// action and its service.
	Resource, ResourceType string
	// Timeout is a scheduled task's, 0 if it has none.
	Timeout time.Duration
	// Error and Cause are set for failures.
	Error, Cause string
	// RedriveCount is set for ExecutionRedriven and MapRunRedriven.
	RedriveCount int
	// Index is an iteration's, Length the number of items of a MapStateStarted.
	Index, Length int
	// MapRunARN is set for events of Map Runs.
	MapRunARN string
}

// Limits of Step Functions (AWS: "Step Functions service quotas").
const (
	// MaxPayload is the size of an input or a result, in bytes of UTF-8.
	MaxPayload = 256 * 1024
	// MaxEvents is the length of an execution's history.
	MaxEvents = 25_000
)
