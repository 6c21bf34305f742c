package sandbox

import (
	"context"
	"encoding/json"

	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
	sandboxscheduler "github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	"github.com/tumbler-rotation/tumbler/sandbox/stepfunctions"
)

// What calls the function incident, as deployed: the rule for status changes of
// executions, and the queue of undelivered requests.

// incident is the rule.
func (s *Sandbox) incident(work *tasks) func(stepfunctions.Ended) {
	return func(e stepfunctions.Ended) {
		invoked := s.policies.ServiceInvokes(functionARN("incident"), "events.amazonaws.com", iam.ARN("events", "rule/tumbler-incident")) == nil
		if e.StateMachineARN == s.StateMachineARN && invoked {
			s.report(work, map[string]any{
				"source": "aws.states", "detail-type": "Step Functions Execution Status Change",
				"detail": map[string]any{
					"executionArn": e.ARN, "stateMachineArn": e.StateMachineARN, "name": e.Name, "status": e.Status,
					"startDate": e.Started.UnixMilli(), "input": e.Input,
				},
			})
		}
	}
}

func (s *Sandbox) undeliveredSchedule(work *tasks, letter sandboxscheduler.DeadLetter) {
	s.deadLetter(work, letter.Input, map[string]string{
		"SCHEDULE_ARN": letter.ScheduleARN, "ERROR_CODE": letter.ErrorCode, "ERROR_MESSAGE": letter.ErrorMessage,
	})
}

func (s *Sandbox) undeliveredEvent(work *tasks, letter sandboxevents.Undelivered) {
	body, err := json.Marshal(letter.Event)
	if err != nil {
		return // it came as JSON
	}
	s.deadLetter(work, string(body), map[string]string{
		"RULE_ARN":   ruleARN,
		"ERROR_CODE": letter.ErrorCode, "ERROR_MESSAGE": letter.ErrorMessage,
	})
}

// deadLetter is a message as Lambda gets it from SQS.
func (s *Sandbox) deadLetter(work *tasks, body string, attributes map[string]string) {
	if !s.mayReadQueue() {
		return
	}
	values := map[string]any{}
	for name, text := range attributes {
		values[name] = map[string]string{"dataType": "String", "stringValue": text}
	}
	s.report(work, map[string]any{"Records": []any{map[string]any{
		"eventSource": "aws:sqs", "body": body, "messageAttributes": values,
	}}})
}

// report calls the function and does not wait for it: nor does EventBridge. Lambda
// calls it twice more; then the event is a dead letter, unless it was one already, which
// waits in the queue. Source: Lambda developer guide, "How Lambda handles errors and
// retries with asynchronous invocation".
func (s *Sandbox) report(work *tasks, event map[string]any) {
	payload, err := json.Marshal(event)
	if err != nil {
		return // strings and numbers
	}
	s.incidents.Go(func() {
		var err error
		for range 3 {
			if _, err = work.functions.runTask(context.Background(), functionARN("incident"), payload); err == nil {
				return
			}
		}
		if event["Records"] == nil && s.policies.May("incident", iam.Request{Action: "sqs:SendMessage", Resource: queueARN}) == nil {
			s.deadLetter(work, string(payload), map[string]string{"ERROR_CODE": "200", "ERROR_MESSAGE": err.Error()})
		}
	})
}
