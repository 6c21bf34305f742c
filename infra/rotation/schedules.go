package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/registry"
)

// A start that fails is tried again as long as the window has room for the run.
// Sources: EventBridge Scheduler API reference, "RetryPolicy"; EventBridge API
// reference, "RetryPolicy".
const (
	startRetries = 185
	eventAge     = time.Hour // of an event, which has no window of its own
	leadTime     = time.Hour // from the synthesis to the first start of a rate
	neverCron    = "cron(0 0 1 1 ? *)"
)

// schedules makes the registry: one schedule for each rotation, whose input is
// its complete request. It returns them by secret.
func (d *deployment) schedules() map[string]awsscheduler.CfnSchedule {
	group := awsscheduler.NewCfnScheduleGroup(d.scope, jsii.String("ScheduleGroup"), &awsscheduler.CfnScheduleGroupProps{
		Name: jsii.String(d.name),
	})
	role := d.schedulerRole()
	made := map[string]awsscheduler.CfnSchedule{}
	for _, r := range d.rotations {
		name := registry.Name(r.Secret)
		when := d.timing(r)
		made[r.Secret] = awsscheduler.NewCfnSchedule(d.scope, jsii.String("Schedule-"+name), &awsscheduler.CfnScheduleProps{
			Name:                       jsii.String(name),
			GroupName:                  group.Ref(),
			Description:                jsii.String("Rotates " + shorten(r.Secret, 400)),
			State:                      jsii.String(when.state),
			ScheduleExpression:         jsii.String(when.expression),
			ScheduleExpressionTimezone: jsii.String("UTC"),
			StartDate:                  when.start,
			FlexibleTimeWindow:         when.flexible,
			Target: &awsscheduler.CfnSchedule_TargetProperty{
				Arn:     d.machine.Ref(),
				RoleArn: role,
				Input: jsii.String(requestFor(r, &trigger{
					Source: "schedule", ScheduledAt: "<aws.scheduler.scheduled-time>",
				}).encode()),
				RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
					MaximumRetryAttempts:     jsii.Number(startRetries),
					MaximumEventAgeInSeconds: jsii.Number(when.deadline.Seconds()),
				},
				DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: d.undelivered.AttrArn()},
			},
		})
	}
	return made
}

// timing is a rotation's schedule in EventBridge Scheduler's words.
type timing struct {
	state, expression string
	start             *string
	flexible          *awsscheduler.CfnSchedule_FlexibleTimeWindowProperty
	deadline          time.Duration // for the delivery of a start
}

func (d *deployment) timing(r config.Rotation) timing {
	t := timing{
		state: "ENABLED", deadline: eventAge,
		flexible: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
	}
	schedule, freeze, ok := r.Timetable()
	if !ok {
		t.state, t.expression = "DISABLED", neverCron
		return t
	}
	t.expression = schedule.Scheduler()
	if schedule.ByAnchor() {
		// Scheduler starts a rate when it is deployed, unless it is told when; and it
		// refuses a time that has passed.
		next := schedule.Next(d.now().Add(leadTime))
		t.start = jsii.String(next.OpensAt.Format(time.RFC3339))
		awscdk.Annotations_Of(d.scope).AddInfo(jsii.String(fmt.Sprintf(
			"%s: %s begins with the window of %s. Deploy before it opens, or synthesise again", r.Secret, r.Schedule, next)))
	}
	if flexible := r.Flexible(); flexible > 0 {
		t.flexible = &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{
			Mode: jsii.String("FLEXIBLE"), MaximumWindowInMinutes: jsii.Number(flexible.Minutes()),
		}
	}
	// A start that came later would have no room for its run. Source of the limit:
	// EventBridge Scheduler API reference, "RetryPolicy".
	t.deadline = min(schedule.Duration()-r.Flexible()-config.RoomForRun/2, 24*time.Hour)
	if len(freeze) > 0 {
		now := d.now()
		if next := schedule.NextUnfrozen(now, freeze); next.OpensAt.Sub(now) > 366*24*time.Hour {
			awscdk.Annotations_Of(d.scope).AddWarningV2(jsii.String("tumbler:frozen-"+registry.Name(r.Secret)), jsii.String(fmt.Sprintf(
				"%s: with its freeze, the next window is that of %s", r.Secret, next)))
		}
	}
	return t
}

func (d *deployment) schedulerRole() *string {
	return d.role("SchedulerRole", "Tumbler: lets its schedules start rotations",
		d.trust("scheduler.amazonaws.com", d.arn("scheduler", "schedule-group/"+d.name)),
		[]statement{
			{Actions: []string{"states:StartExecution"}, Resources: []string{*d.machine.Ref()}},
			{Actions: []string{"sqs:SendMessage"}, Resources: []string{*d.undelivered.AttrArn()}},
		}).AttrArn()
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func shorten(s string, limit int) string { return s[:min(len(s), limit)] }
