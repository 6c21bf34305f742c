package sandbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/rotatenow"
	sandboxevents "github.com/tumbler-rotation/tumbler/internal/sandbox/eventbridge"
	sandboxscheduler "github.com/tumbler-rotation/tumbler/internal/sandbox/scheduler"
)

// What starts rotations by itself, as deployed: schedules, and the rule for
// events that ask for one.

func (s *Sandbox) schedules(cfg Config, work *tasks) sandboxscheduler.Config {
	return sandboxscheduler.Config{
		Clock: cfg.Clock,
		Start: func(_ context.Context, targetARN string, input json.RawMessage) error {
			_, err := s.states.Start(targetARN, "", input)
			return err
		},
		OnDeadLetter: func(letter sandboxscheduler.DeadLetter) {
			if cfg.OnUndelivered != nil {
				cfg.OnUndelivered(fmt.Sprintf("%s could not start its target: %s: %s", letter.ScheduleARN, letter.ErrorCode, letter.ErrorMessage))
			}
			s.undeliveredSchedule(work, letter)
		},
	}
}

func (s *Sandbox) events(cfg Config, work *tasks) sandboxevents.Config {
	return sandboxevents.Config{
		Now:     cfg.Now,
		OnEvent: cfg.OnEvent,
		Rules: []sandboxevents.Rule{{
			Name: "tumbler-rotate-now", Account: Account, Region: Region, Pattern: rotatenow.Pattern,
			InputPaths: map[string]string{"secretId": rotatenow.SecretIDPath}, InputTemplate: rotatenow.Template,
			Start: func(_ context.Context, input json.RawMessage) error {
				_, err := s.states.Start(s.StateMachineARN, "", input)
				return err
			},
		}},
		OnUndelivered: func(letter sandboxevents.Undelivered) {
			if cfg.OnUndelivered != nil {
				cfg.OnUndelivered(fmt.Sprintf("rule %s could not start its target: %s: %s", letter.Rule, letter.ErrorCode, letter.ErrorMessage))
			}
			s.undeliveredEvent(work, letter)
		},
	}
}
