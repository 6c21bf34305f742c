package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// definition is what CreateSchedule and UpdateSchedule say and GetSchedule
// repeats.
type definition struct {
	ActionAfterCompletion      *string             `json:",omitempty"`
	Description                *string             `json:",omitempty"`
	EndDate                    *wire.Time          `json:",omitempty"`
	FlexibleTimeWindow         *flexibleTimeWindow `json:",omitempty"`
	GroupName                  *string             `json:",omitempty"`
	KmsKeyArn                  *string             `json:",omitempty"`
	Name                       *string             `json:",omitempty"`
	ScheduleExpression         *string             `json:",omitempty"`
	ScheduleExpressionTimezone *string             `json:",omitempty"`
	StartDate                  *wire.Time          `json:",omitempty"`
	State                      *string             `json:",omitempty"`
	Target                     *target             `json:",omitempty"`
}

type flexibleTimeWindow struct {
	Mode                   *string `json:",omitempty"`
	MaximumWindowInMinutes *int    `json:",omitempty"`
}

type target struct {
	Arn              *string           `json:",omitempty"`
	RoleArn          *string           `json:",omitempty"`
	Input            *string           `json:",omitempty"`
	RetryPolicy      *retryPolicy      `json:",omitempty"`
	DeadLetterConfig *deadLetterConfig `json:",omitempty"`

	// Parameters of targets that the sandbox does not have.
	EcsParameters               json.RawMessage `json:",omitempty"`
	EventBridgeParameters       json.RawMessage `json:",omitempty"`
	KinesisParameters           json.RawMessage `json:",omitempty"`
	SageMakerPipelineParameters json.RawMessage `json:",omitempty"`
	SqsParameters               json.RawMessage `json:",omitempty"`
}

type retryPolicy struct {
	MaximumEventAgeInSeconds *int `json:",omitempty"`
	MaximumRetryAttempts     *int `json:",omitempty"`
}

type deadLetterConfig struct {
	Arn *string `json:",omitempty"`
}

// The defaults, which GetSchedule shows.
const (
	enabled, disabled    = "ENABLED", "DISABLED"
	keepAfter, dropAfter = "NONE", "DELETE"
	modeOff, modeFlex    = "OFF", "FLEXIBLE"
	defaultAge           = 86400 // seconds
	defaultAttempts      = 185
)

func (d *definition) fillIn() {
	set(&d.GroupName, defaultGroup)
	set(&d.State, enabled)
	set(&d.ScheduleExpressionTimezone, "UTC")
	set(&d.ActionAfterCompletion, keepAfter)
	if t := d.Target; t != nil {
		if t.RetryPolicy == nil {
			t.RetryPolicy = &retryPolicy{}
		}
		set(&t.RetryPolicy.MaximumEventAgeInSeconds, defaultAge)
		set(&t.RetryPolicy.MaximumRetryAttempts, defaultAttempts)
	}
}

// schedule is a schedule and what runs it. A definition is never changed, only
// replaced.
type schedule struct {
	arn               string
	definition        definition
	created, modified time.Time
	stop              context.CancelFunc
}

type putInput struct {
	definition
	ClientToken *string
}

// Resource is the schedule.
func (in *putInput) Resource() string { return deref(in.Name) }

type scheduleInput struct {
	Name        *string
	GroupName   *string `query:"groupName"`
	ClientToken *string `query:"clientToken"`
}

// Resource is the schedule.
func (in *scheduleInput) Resource() string {
	group := deref(in.GroupName)
	if group == "" {
		group = defaultGroup
	}
	return group + "/" + deref(in.Name)
}

type scheduleARNOutput struct{ ScheduleArn string }

type scheduleOutput struct {
	definition
	Arn                  string
	CreationDate         *wire.Time
	LastModificationDate *wire.Time
}

func scheduleARN(call wire.Call, group, name string) string {
	return fmt.Sprintf("arn:aws:scheduler:%s:%s:schedule/%s/%s", call.Caller.Region, call.Caller.Account, group, name)
}

func (s *Service) createSchedule(_ context.Context, call wire.Call, in *putInput) (*scheduleARNOutput, error) {
	return s.put(call, in, func(arn string, existing *schedule) (time.Time, error) {
		if existing != nil {
			return time.Time{}, conflict("Schedule %s already exists.", *in.Name)
		}
		return s.now(), nil
	})
}

// updateSchedule replaces the whole definition: what is not said becomes the
// default (API reference, UpdateSchedule).
func (s *Service) updateSchedule(_ context.Context, call wire.Call, in *putInput) (*scheduleARNOutput, error) {
	return s.put(call, in, func(arn string, existing *schedule) (time.Time, error) {
		if existing == nil {
			return time.Time{}, missing(*in.Name)
		}
		return existing.created, nil
	})
}

// put stores the schedule unless may, which knows when it was created, objects.
func (s *Service) put(call wire.Call, in *putInput, may func(arn string, existing *schedule) (time.Time, error)) (*scheduleARNOutput, error) {
	d := in.definition
	d.fillIn()
	plan, err := s.check(d)
	if err == nil {
		err = checkToken(in.ClientToken)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.findGroup(call, *d.GroupName); err != nil {
		return nil, err
	}
	arn := scheduleARN(call, *d.GroupName, *d.Name)
	if s.repeats(call, arn, in.ClientToken) {
		return &scheduleARNOutput{arn}, nil
	}
	existing := s.schedules[arn]
	created, mayErr := may(arn, existing)
	if mayErr != nil {
		return nil, mayErr
	}
	if existing != nil {
		existing.stop()
	}
	sched := &schedule{arn: arn, definition: d, created: created, modified: s.now()}
	s.schedules[arn] = sched
	s.launch(sched, plan)
	s.remember(call, arn, in.ClientToken)
	return &scheduleARNOutput{arn}, nil
}

// findSchedule is called with the lock held.
func (s *Service) findSchedule(call wire.Call, in *scheduleInput) (*schedule, error) {
	set(&in.GroupName, defaultGroup)
	if err := first(checkName("name", in.Name), checkName("groupName", in.GroupName), checkToken(in.ClientToken)); err != nil {
		return nil, err
	}
	if _, err := s.findGroup(call, *in.GroupName); err != nil {
		return nil, err
	}
	sched := s.schedules[scheduleARN(call, *in.GroupName, *in.Name)]
	if sched == nil {
		return nil, missing(*in.Name)
	}
	return sched, nil
}

func (s *Service) getSchedule(_ context.Context, call wire.Call, in *scheduleInput) (*scheduleOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sched, err := s.findSchedule(call, in)
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{sched.definition, sched.arn, wire.NewTime(sched.created), wire.NewTime(sched.modified)}, nil
}

func (s *Service) deleteSchedule(_ context.Context, call wire.Call, in *scheduleInput) (*struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sched, err := s.findSchedule(call, in)
	if err != nil {
		if in.Name != nil && s.repeats(call, scheduleARN(call, *in.GroupName, *in.Name), in.ClientToken) {
			return &struct{}{}, nil
		}
		return nil, err
	}
	sched.stop()
	delete(s.schedules, sched.arn)
	s.remember(call, sched.arn, in.ClientToken)
	return &struct{}{}, nil
}

func missing(name string) *wire.Error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: "Schedule " + name + " does not exist.", Status: http.StatusNotFound}
}

func conflict(format string, args ...any) *wire.Error {
	err := wire.Errorf("ConflictException", format, args...)
	err.Status = http.StatusConflict
	return err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// set gives an absent member its default.
func set[T any](member **T, standard T) {
	if *member == nil {
		*member = &standard
	}
}
