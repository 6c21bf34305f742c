package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"golang.org/x/sync/errgroup"
)

// applied ends the names of schedules that [Client.Apply] made. They differ from
// those of CloudFormation's, so that a deployment that grows out of its template, or
// shrinks into it again, makes the new ones before the old ones go.
const applied = "-r"

// File is what the schedules are called in the package of functions/registry: a JSON
// list of [Schedule].
const File = "schedules.json"

// Schedule is one entry of the registry in EventBridge Scheduler's words.
type Schedule struct {
	SecretID    string        `json:"secretId"` // as configured
	Description string        `json:"description"`
	Enabled     bool          `json:"enabled"`
	Expression  string        `json:"expression"`
	StartDate   string        `json:"startDate,omitempty"` // RFC 3339; of a rate: its first window
	Flexible    int           `json:"flexible,omitempty"`  // minutes
	Deadline    time.Duration `json:"deadline"`            // for the delivery of a start
	Retries     int           `json:"retries"`
	Input       string        `json:"input"`
}

// Target is what all schedules start.
type Target struct{ ARN, RoleARN, QueueARN string }

// Applied counts what Apply did.
type Applied struct{ Created, Updated, Deleted, Kept int }

// Apply makes the group hold exactly these schedules, beside those of other origin.
// A schedule that is as it should be is left alone: a rate goes on counting. It may
// be repeated. Codes are those of AWS: the caller is CloudFormation.
func (c *Client) Apply(ctx context.Context, want []Schedule, target Target) (Applied, error) {
	names, err := c.names(ctx)
	if err != nil {
		return Applied{}, err
	}
	ours := map[string]bool{}
	for _, name := range names {
		if len(name) > len(applied) && name[len(name)-len(applied):] == applied {
			ours[name] = true
		}
	}
	var done struct{ created, updated, deleted, kept atomic.Int64 }
	var work []func(context.Context) error
	for _, s := range want {
		name := Name(s.SecretID) + applied
		exists := ours[name]
		delete(ours, name)
		work = append(work, func(ctx context.Context) error {
			in, err := s.create(name, c.group, target)
			if err != nil {
				return err
			}
			if !exists {
				done.created.Add(1)
				return c.create(ctx, in)
			}
			same, err := c.same(ctx, in)
			switch {
			case err != nil:
				return err
			case same:
				done.kept.Add(1)
				return nil
			}
			done.updated.Add(1)
			_, err = c.api.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
				Name: in.Name, GroupName: in.GroupName, Description: in.Description, State: in.State, ScheduleExpression: in.ScheduleExpression,
				ScheduleExpressionTimezone: in.ScheduleExpressionTimezone, StartDate: in.StartDate, FlexibleTimeWindow: in.FlexibleTimeWindow, Target: in.Target,
			})
			return err
		})
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		work = append(work, func(ctx context.Context) error {
			done.deleted.Add(1)
			_, err := c.api.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: &name, GroupName: &c.group})
			if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
				return nil
			}
			return err
		})
	}
	err = inParallel(ctx, work)
	return Applied{int(done.created.Load()), int(done.updated.Load()), int(done.deleted.Load()), int(done.kept.Load())}, err
}

func (s Schedule) create(name, group string, target Target) (*scheduler.CreateScheduleInput, error) {
	in := &scheduler.CreateScheduleInput{
		Name: &name, GroupName: &group, Description: &s.Description, State: types.ScheduleStateDisabled,
		ScheduleExpression: &s.Expression, ScheduleExpressionTimezone: aws.String("UTC"),
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{
			Arn: &target.ARN, RoleArn: &target.RoleARN, Input: &s.Input,
			DeadLetterConfig: &types.DeadLetterConfig{Arn: &target.QueueARN},
			RetryPolicy:      &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(int32(s.Deadline.Seconds())), MaximumRetryAttempts: aws.Int32(int32(s.Retries))},
		},
	}
	if s.Enabled {
		in.State = types.ScheduleStateEnabled
	}
	if s.Flexible > 0 {
		in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(int32(s.Flexible))}
	}
	if s.StartDate != "" {
		at, err := time.Parse(time.RFC3339, s.StartDate)
		if err != nil {
			return nil, fmt.Errorf("the schedule of %s begins at %q: %w", s.SecretID, s.StartDate, err)
		}
		in.StartDate = &at
	}
	return in, nil
}

// create makes a schedule; one that an attempt before has made is as good.
func (c *Client) create(ctx context.Context, in *scheduler.CreateScheduleInput) error {
	_, err := c.api.CreateSchedule(ctx, in)
	if _, exists := errors.AsType[*types.ConflictException](err); exists {
		return nil
	}
	return err
}

// same reports whether the schedule is as it should be. When a rate began does not
// count: its windows are where they were.
func (c *Client) same(ctx context.Context, in *scheduler.CreateScheduleInput) (bool, error) {
	out, err := c.api.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: in.Name, GroupName: in.GroupName})
	if err != nil {
		return false, err
	}
	is, err := json.Marshal([]any{out.Description, out.State, out.ScheduleExpression, out.ScheduleExpressionTimezone, out.FlexibleTimeWindow, out.Target})
	if err != nil {
		return false, err
	}
	should, err := json.Marshal([]any{in.Description, in.State, in.ScheduleExpression, in.ScheduleExpressionTimezone, in.FlexibleTimeWindow, in.Target})
	return string(is) == string(should), err
}

// inParallel stops at the first error.
func inParallel(ctx context.Context, work []func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * parallel)
	for _, do := range work {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return do(ctx)
		})
	}
	return g.Wait()
}
