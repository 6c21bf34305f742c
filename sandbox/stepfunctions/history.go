package stepfunctions

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type historyInput struct {
	page
	ExecutionArn         string `json:"executionArn"`
	ReverseOrder         bool   `json:"reverseOrder"`
	IncludeExecutionData *bool  `json:"includeExecutionData"`
}

// Resource is the execution.
func (in *historyInput) Resource() string { return in.ExecutionArn }

type historyOutput struct {
	Events    []map[string]any `json:"events"`
	NextToken string           `json:"nextToken,omitempty"`
}

func (s *Service) getExecutionHistory(_ context.Context, call wire.Call, in *historyInput) (*historyOutput, error) {
	listing := fmt.Sprintf("history %s %t", in.ExecutionArn, in.ReverseOrder)
	size, after, err := in.read(listing)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	// Event ids count from 1 without gaps; the token is the id to go on with.
	id, step := int64(1), int64(1)
	if in.ReverseOrder {
		id, step = int64(len(e.events)), -1
	}
	if after != "" {
		id, _ = strconv.ParseInt(after, 10, 64)
	}
	withData := in.IncludeExecutionData == nil || *in.IncludeExecutionData
	out := &historyOutput{Events: []map[string]any{}}
	for ; id >= 1 && id <= int64(len(e.events)); id += step {
		if len(out.Events) == size {
			out.NextToken = token(listing, strconv.FormatInt(id, 10))
			break
		}
		out.Events = append(out.Events, s.render(e.events[id-1], withData))
	}
	return out, nil
}

// details names the member that holds an event's details (API reference:
// "HistoryEvent"); events that are not here have none.
var details = map[asl.EventType]string{
	asl.ExecutionStarted:        "executionStartedEventDetails",
	asl.ExecutionSucceeded:      "executionSucceededEventDetails",
	asl.ExecutionFailed:         "executionFailedEventDetails",
	asl.ExecutionTimedOut:       "executionTimedOutEventDetails",
	asl.ExecutionAborted:        "executionAbortedEventDetails",
	asl.ExecutionRedriven:       "executionRedrivenEventDetails",
	asl.LambdaFunctionScheduled: "lambdaFunctionScheduledEventDetails",
	asl.LambdaFunctionSucceeded: "lambdaFunctionSucceededEventDetails",
	asl.LambdaFunctionFailed:    "lambdaFunctionFailedEventDetails",
	asl.LambdaFunctionTimedOut:  "lambdaFunctionTimedOutEventDetails",
	asl.TaskScheduled:           "taskScheduledEventDetails",
	asl.TaskStarted:             "taskStartedEventDetails",
	asl.TaskSucceeded:           "taskSucceededEventDetails",
	asl.TaskFailed:              "taskFailedEventDetails",
	asl.TaskTimedOut:            "taskTimedOutEventDetails",
	asl.MapStateStarted:         "mapStateStartedEventDetails",
	asl.MapIterationStarted:     "mapIterationStartedEventDetails",
	asl.MapIterationSucceeded:   "mapIterationSucceededEventDetails",
	asl.MapIterationFailed:      "mapIterationFailedEventDetails",
	asl.MapIterationAborted:     "mapIterationAbortedEventDetails",
	asl.MapRunStarted:           "mapRunStartedEventDetails",
	asl.MapRunFailed:            "mapRunFailedEventDetails",
	asl.MapRunRedriven:          "mapRunRedrivenEventDetails",
}

// render puts an event into AWS's shape.
func (s *Service) render(e asl.Event, withData bool) map[string]any {
	d := map[string]any{}
	text := func(key, v string) {
		if v != "" {
			d[key] = v
		}
	}
	data := func(key string, v json.RawMessage) {
		if len(v) == 0 {
			return
		}
		if withData {
			d[key] = string(v)
		}
		d[key+"Details"] = map[string]bool{"truncated": false}
	}
	text("resource", e.Resource)
	text("resourceType", e.ResourceType)
	text("error", e.Error)
	text("cause", e.Cause)
	if e.Type == asl.TaskScheduled {
		d["region"] = s.cfg.Region
		d["parameters"] = string(e.Input) // required by the model, so never left out
	} else {
		data("input", e.Input)
	}
	data("output", e.Output)
	if e.Timeout > 0 {
		d["timeoutInSeconds"] = int64(e.Timeout / time.Second)
	}
	member := details[e.Type]
	switch e.Type {
	case asl.MapStateStarted:
		d["length"] = e.Length
	case asl.MapIterationStarted, asl.MapIterationSucceeded, asl.MapIterationFailed, asl.MapIterationAborted:
		d["name"], d["index"] = e.State, e.Index
	case asl.MapRunStarted:
		text("mapRunArn", e.MapRunARN)
	case asl.MapRunRedriven:
		text("mapRunArn", e.MapRunARN)
		d["redriveCount"] = e.RedriveCount
	}
	switch {
	case e.Entered:
		member, d["name"] = "stateEnteredEventDetails", e.State
	case e.Exited:
		member, d["name"] = "stateExitedEventDetails", e.State
	case e.Type == asl.ExecutionStarted:
		d["roleArn"] = "arn:aws:iam::" + s.cfg.Account + ":role/sandbox"
	case e.Type == asl.ExecutionRedriven:
		d["redriveCount"] = e.RedriveCount
	}
	out := map[string]any{
		"timestamp": wire.NewTime(e.Time), "type": e.Type, "id": e.ID, "previousEventId": e.PreviousID,
	}
	if member != "" {
		out[member] = d
	}
	return out
}
