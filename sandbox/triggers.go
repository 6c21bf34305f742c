package sandbox

import (
	"context"
	"encoding/json"
	"fmt"

	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
	sandboxscheduler "github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// What starts rotations by itself, as deployed: schedules, and the rule for
// events that ask for one.

// The bus of rotate-now events, and the rule that waits for them there.
var (
	rotateNowBus = statemachine.EventBus("tumbler")
	ruleARN      = iam.ARN("events", "rule/"+rotateNowBus+"/tumbler-rotate-now")
)

func (s *Sandbox) schedules(cfg Config, work *tasks) sandboxscheduler.Config {
	return sandboxscheduler.Config{
		Clock: cfg.Clock,
		Start: func(_ context.Context, targetARN string, input json.RawMessage) error {
			return s.startAs(schedulerRole, targetARN, input)
		},
		OnDeadLetter: func(letter sandboxscheduler.DeadLetter) {
			if cfg.OnUndelivered != nil {
				cfg.OnUndelivered(fmt.Sprintf("%s could not start its target: %s: %s", letter.ScheduleARN, letter.ErrorCode, letter.ErrorMessage))
			}
			if s.policies.May(schedulerRole, iam.Request{Action: "sqs:SendMessage", Resource: queueARN}) == nil {
				s.undeliveredSchedule(work, letter)
			}
		},
	}
}

func (s *Sandbox) events(cfg Config, work *tasks) sandboxevents.Config {
	return sandboxevents.Config{
		Now:     cfg.Now,
		OnEvent: cfg.OnEvent,
		Buses:   []string{rotateNowBus},
		Rules: []sandboxevents.Rule{{
			Name: "tumbler-rotate-now", Account: Account, Region: Region, Bus: rotateNowBus, Pattern: statemachine.EventPattern,
			InputPaths: map[string]string{"secretId": statemachine.EventSecretID}, InputTemplate: statemachine.EventRequest,
			Start: func(_ context.Context, input json.RawMessage) error {
				return s.startAs(ruleRole, s.StateMachineARN, input)
			},
		}},
		OnUndelivered: func(letter sandboxevents.Undelivered) {
			if cfg.OnUndelivered != nil {
				cfg.OnUndelivered(fmt.Sprintf("rule %s could not start its target: %s: %s", letter.Rule, letter.ErrorCode, letter.ErrorMessage))
			}
			send := iam.Request{Action: "sqs:SendMessage", Resource: queueARN}
			if s.policies.ServiceMay("events.amazonaws.com", ruleARN, send) == nil {
				s.undeliveredEvent(work, letter)
			}
		},
	}
}
