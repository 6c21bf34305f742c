package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// ScheduleGroup is the deployment's schedule group, which is also the registry
// of what is configured.
const ScheduleGroup = "tumbler"

// never is the expression of a rotation without a schedule. It does not fire
// even if somebody enables it.
const never = "cron(0 0 31 12 ? 2199)"

// Configure adds a rotation to the deployment, as an entry of rotations.yaml
// does: a schedule whose input is the request, disabled when the request has no
// schedule. The request's trigger is filled in by the scheduler.
func (s *Sandbox) Configure(ctx context.Context, request rotation.Request) error {
	in := &scheduler.CreateScheduleInput{
		Name: aws.String(registry.Name(request.SecretID)), GroupName: aws.String(ScheduleGroup),
		ScheduleExpression: aws.String(never), State: types.ScheduleStateDisabled,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
	}
	if request.Schedule != nil {
		schedule, err := window.Parse(request.Schedule.Expression, request.Schedule.Duration)
		if err != nil {
			return err
		}
		in.ScheduleExpression, in.State = aws.String(schedule.Scheduler()), types.ScheduleStateEnabled
		if schedule.ByAnchor() {
			in.StartDate = aws.Time(schedule.Next(s.now()).OpensAt)
		}
	}
	input, err := scheduledInput(request)
	if err != nil {
		return err
	}
	in.Target = &types.Target{
		Arn: &s.StateMachineARN, Input: &input,
		RoleArn:          aws.String(fmt.Sprintf("arn:aws:iam::%s:role/tumbler-scheduler", Account)),
		DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String(fmt.Sprintf("arn:aws:sqs:%s:%s:tumbler-undelivered", Region, Account))},
		RetryPolicy:      &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(20), MaximumEventAgeInSeconds: aws.Int32(3600)},
	}
	_, err = scheduler.NewFromConfig(s.AWS("deployment")).CreateSchedule(ctx, in)
	return err
}

// scheduledInput is the request with the scheduler's placeholders as its trigger.
func scheduledInput(request rotation.Request) (string, error) {
	request.Trigger = rotation.Trigger{}
	raw, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", err
	}
	members["trigger"] = map[string]string{"source": rotation.SourceSchedule, "scheduledAt": "<aws.scheduler.scheduled-time>"}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // the placeholders have < and >
	if err := enc.Encode(members); err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(out.Bytes())), nil
}
