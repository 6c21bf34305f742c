package scheduler

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// DeadLetter is an invocation that was given up. AWS sends it to the schedule's
// dead-letter queue, and drops it when there is none; the sandbox always keeps
// it. Source: user guide, "Configuring a dead-letter queue".
type DeadLetter struct {
	ScheduleARN  string    `json:"scheduleArn"`
	TargetARN    string    `json:"targetArn"`
	QueueARN     string    `json:"queueArn,omitempty"`
	ExecutionID  string    `json:"executionId"`
	ScheduledAt  time.Time `json:"scheduledTime"`
	Input        string    `json:"input"`
	Attempts     int       `json:"attempts"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	// ExhaustedBy is MaximumRetryAttempts or MaximumEventAgeInSeconds; "" for an
	// error that trying again does not cure.
	ExhaustedBy string `json:"exhaustedRetryCondition,omitempty"`
}

// How long until the next attempt: doubled each time, up to a limit. AWS says
// only that it is exponential.
const (
	firstPause   = time.Second
	longestPause = 10 * time.Minute
)

// deliver invokes the target in the background, so that attempts do not delay
// the schedule.
func (s *Service) deliver(ctx context.Context, sched *schedule, scheduledAt time.Time) {
	release := s.hold()
	s.running.Go(func() {
		defer release()
		s.attempt(context.WithoutCancel(ctx), ctx, sched, scheduledAt)
	})
}

// attempt tries until the target is started or the retry policy is exhausted. A
// schedule that is stopped meanwhile is not tried again.
func (s *Service) attempt(ctx, stopped context.Context, sched *schedule, scheduledAt time.Time) {
	t := sched.definition.Target
	began, id := s.now(), newExecutionID()
	pause, policy := firstPause, t.RetryPolicy
	for attempt := 1; ; attempt++ {
		input := fillInput(deref(t.Input), map[string]string{
			"schedule-arn":   sched.arn,
			"scheduled-time": scheduledAt.Format(time.RFC3339),
			"execution-id":   id,
			"attempt-number": strconv.Itoa(attempt),
		})
		err := s.cfg.Start(ctx, *t.Arn, json.RawMessage(input))
		if err == nil {
			return
		}
		letter := DeadLetter{
			ScheduleARN: sched.arn, TargetARN: *t.Arn, ExecutionID: id, ScheduledAt: scheduledAt, Input: input, Attempts: attempt,
			ErrorCode: "InternalError", ErrorMessage: "The target could not be started.", // other errors may quote anything
		}
		if t.DeadLetterConfig != nil {
			letter.QueueARN = deref(t.DeadLetterConfig.Arn)
		}
		api, isAPI := errors.AsType[*wire.Error](err)
		if isAPI {
			letter.ErrorCode, letter.ErrorMessage = api.Code, api.Message
		}
		switch {
		case isAPI && api.Status < 500 && !strings.Contains(api.Code, "Throttl"):
			s.giveUp(letter)
			return
		case attempt > *policy.MaximumRetryAttempts:
			letter.ExhaustedBy = "MaximumRetryAttempts"
		case s.now().Add(pause).Sub(began) > time.Duration(*policy.MaximumEventAgeInSeconds)*time.Second:
			letter.ExhaustedBy = "MaximumEventAgeInSeconds"
		}
		if letter.ExhaustedBy != "" {
			s.giveUp(letter)
			return
		}
		if s.cfg.Clock.Sleep(stopped, pause) != nil {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// fillInput replaces the context attributes (user guide, "Adding context
// attributes"). None of their values needs escaping in JSON.
func fillInput(input string, attributes map[string]string) string {
	if input == "" {
		return "{}"
	}
	var pairs []string
	for name, value := range attributes {
		pairs = append(pairs, "<aws.scheduler."+name+">", value)
	}
	return strings.NewReplacer(pairs...).Replace(input)
}

// newExecutionID looks like AWS's, such as d32c5kddcf5bb8c3.
func newExecutionID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func (s *Service) giveUp(letter DeadLetter) {
	s.deadLetters.Add(letter)
	if s.cfg.OnDeadLetter != nil {
		s.cfg.OnDeadLetter(letter)
	}
}
