// Package incident sends alerts that the state machine cannot send: about an execution that
// ended where no Catch applies (it timed out, was stopped, or Step Functions failed it), and
// about a request for which no execution could be started.
//
// EventBridge and the queue of undelivered requests call it. Both deliver at least once, so
// an alert may occasionally be sent twice.
package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Pattern is the event pattern of the rule, for one state machine. Source: AWS Step
// Functions developer guide, "Automating Step Functions event delivery with
// EventBridge". An execution that ends in one of the Fail states is FAILED, too; [Reporter]
// distinguishes it by its history.
func Pattern(stateMachineARN string) string {
	return fmt.Sprintf(`{"source":["aws.states"],"detail-type":["Step Functions Execution Status Change"],`+
		`"detail":{"stateMachineArn":[%q],"status":["FAILED","TIMED_OUT","ABORTED"]}}`, stateMachineARN)
}

// Trace is the end of an execution's history.
type Trace struct {
	State   string           // the last state that was entered; "" if there was none
	Input   json.RawMessage  // the state's input: all data of the execution
	Final   bool             // State is a Fail or Succeed state
	Failure rotation.Failure // of the execution
}

// Executions reads histories.
type Executions interface {
	Trace(ctx context.Context, executionARN string) (Trace, error)
}

// Topic takes alerts.
type Topic interface {
	Publish(ctx context.Context, alert rotation.Ending) error
}

// Reporter composes the alerts.
type Reporter struct {
	Executions Executions
	Secrets    rotation.Describer
	Topic      Topic
	Runbook    string // URL of the runbook. Optional.
	Now        func() time.Time
}

// Result counts the alerts that were sent.
type Result struct {
	Alerts int `json:"alerts"`
}

// Run reports an event or the messages of the queue. Codes: those of the interfaces, if the
// same event should be retried.
func (r Reporter) Run(ctx context.Context, in Event) (Result, error) {
	var done Result
	for _, alert := range in.parts() {
		sent, err := r.one(ctx, alert)
		if err != nil {
			return done, err
		}
		if sent {
			done.Alerts++
		}
	}
	return done, nil
}

func (r Reporter) one(ctx context.Context, p part) (sent bool, err error) {
	if p.execution == nil {
		u := rotation.Undelivered{Request: readRequest(p.request), By: p.by, Reason: p.reason, At: r.Now(), Runbook: r.Runbook}
		return true, r.Topic.Publish(ctx, u.Ending())
	}
	trace, err := r.Executions.Trace(ctx, p.execution.ARN)
	if err != nil && p.execution.Status == "FAILED" {
		// Nearly all of these have sent their alert. The others are reported by the retry.
		return false, err
	}
	ending, told := r.compose(ctx, *p.execution, trace, err == nil)
	if told {
		return false, nil
	}
	return true, r.Topic.Publish(ctx, ending)
}

// state is the part of an execution's data that the reporter uses.
type state struct {
	Request      json.RawMessage    `json:"request"`
	Execution    rotation.Execution `json:"execution"`
	Plan         *rotation.Planned  `json:"plan"`
	Ending       *rotation.Ending   `json:"ending"`
	Alert        json.RawMessage    `json:"alert"`        // the result of a message that was sent
	AlertFailure json.RawMessage    `json:"alertFailure"` // or the error
}

// compose writes the alert. told is whether the execution has sent it itself.
func (r Reporter) compose(ctx context.Context, e ended, t Trace, known bool) (ending rotation.Ending, told bool) {
	var s state
	if json.Unmarshal(t.Input, &s) != nil || s.Plan == nil {
		// Either the first state has not added the plan yet, or the history holds only the
		// beginning of a large input.
		known = known && (t.State == "" || t.State == "Receive")
		s = state{Plan: &rotation.Planned{}}
	}
	if s.Alert != nil {
		return rotation.Ending{}, true
	}
	if t.Final && s.Ending != nil && s.AlertFailure != nil {
		return *s.Ending, false // it has tried to send it
	}
	if t.Final && s.Ending != nil && !s.Ending.Alert {
		return rotation.Ending{}, true // the requester has been told
	}
	if s.Request == nil {
		s.Request = json.RawMessage(e.Input)
	}
	i := rotation.Interruption{
		Request: readRequest(s.Request), Execution: rotation.Execution{ARN: e.ARN, StartedAt: e.started()},
		Plan: *s.Plan, Unknown: !known, Step: t.State, Status: e.Status, Failure: t.Failure, Now: r.Now(), Runbook: r.Runbook,
	}
	if i.Plan.Decision != "" {
		// Without labels the alert says that they could not be read.
		if secret, err := r.Secrets.Describe(ctx, i.Plan.SecretARN); err == nil {
			i.Labels = secret.Labels
		}
	}
	return i.Ending(), false
}

// readRequest ignores errors, since a malformed request may be the cause of the incident.
func readRequest(raw json.RawMessage) rotation.Request {
	var r rotation.Request
	if json.Unmarshal(raw, &r) != nil {
		var named struct {
			SecretID string `json:"secretId"`
		}
		_ = json.Unmarshal(raw, &named) // "" if it cannot be read
		return rotation.Request{SecretID: named.SecretID}
	}
	return r
}
