package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

// A start that fails is retried while the window has enough time left for the run.
// Sources: EventBridge Scheduler API reference, "RetryPolicy"; EventBridge API
// reference, "RetryPolicy".
const (
	startRetries = 185
	eventAge     = time.Hour // for an event, which has no window
	leadTime     = time.Hour // from the synthesis to the first start of a rate
	neverCron    = "cron(0 0 1 1 ? *)"
)

// schedules makes the registry: one schedule for each rotation, whose input is its
// complete request. It returns, by secret, the resource that must exist before a secret
// is looked up. A template holds 500 resources, so if there are too many rotations, a
// function makes the schedules from a list in its own package.
func (d *deployment) schedules() map[string]awscdk.CfnResource {
	group := awsscheduler.NewCfnScheduleGroup(d.scope, jsii.String("ScheduleGroup"), &awsscheduler.CfnScheduleGroupProps{
		Name: jsii.String(d.name),
	})
	role := d.schedulerRole()
	d.passes = role.AttrArn()
	made := map[string]awscdk.CfnResource{}
	if d.appliesSchedules() {
		_, sum := d.scheduleFile()
		all := functions()
		maker := d.function(all[slices.IndexFunc(all, func(f function) bool { return f.schedules })])
		resource := awscdk.NewCfnResource(d.scope, jsii.String("Schedules"), &awscdk.CfnResourceProps{
			Type: jsii.String("Custom::TumblerSchedules"),
			Properties: &map[string]any{
				"ServiceToken": *maker.AttrArn(), "Schedules": sum,
				"Group": *group.Ref(), "TargetArn": *d.machine.Ref(), "RoleArn": *role.AttrArn(), "QueueArn": *d.undelivered.AttrArn(),
			},
		})
		for _, r := range d.rotations {
			made[r.Secret] = resource
		}
		return made
	}
	for _, r := range d.rotations {
		name, s := registry.Name(r.Secret), d.schedule(r)
		state, flexible := "DISABLED", &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")}
		if s.Enabled {
			state = "ENABLED"
		}
		if s.Flexible > 0 {
			flexible = &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("FLEXIBLE"), MaximumWindowInMinutes: jsii.Number(s.Flexible)}
		}
		props := &awsscheduler.CfnScheduleProps{
			Name:                       jsii.String(name),
			GroupName:                  group.Ref(),
			Description:                jsii.String(s.Description),
			State:                      jsii.String(state),
			ScheduleExpression:         jsii.String(s.Expression),
			ScheduleExpressionTimezone: jsii.String("UTC"),
			FlexibleTimeWindow:         flexible,
			Target: &awsscheduler.CfnSchedule_TargetProperty{
				Arn:     d.machine.Ref(),
				RoleArn: role.AttrArn(),
				Input:   jsii.String(s.Input),
				RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
					MaximumRetryAttempts:     jsii.Number(s.Retries),
					MaximumEventAgeInSeconds: jsii.Number(s.Deadline.Seconds()),
				},
				DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: d.undelivered.AttrArn()},
			},
		}
		if s.StartDate != "" {
			props.StartDate = jsii.String(s.StartDate)
			d.note("%s: %s begins with the window of %s. Deploy before it opens, or synthesise again", r.Secret, r.Schedule, s.StartDate)
		}
		made[r.Secret] = awsscheduler.NewCfnSchedule(d.scope, jsii.String("Schedule-"+name), props)
	}
	return made
}

// appliesSchedules reports whether a function makes the schedules.
func (d *deployment) appliesSchedules() bool { return len(d.cfg.Rotations) > d.inTemplate }

// scheduleFile is the list of schedules for functions/registry, and its hash.
func (d *deployment) scheduleFile() (src []byte, sum string) {
	list := make([]registry.Schedule, len(d.rotations))
	first := ""
	for i, r := range d.rotations {
		list[i] = d.schedule(r)
		if at := list[i].StartDate; at != "" && (first == "" || at < first) {
			first = at
		}
	}
	if first != "" {
		d.note("the first schedule of a rate begins with the window of %s. Deploy before it opens, or synthesise again", first)
	}
	src, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		panic(err) // text and numbers: cannot fail
	}
	return src, shortHash(string(src))
}

func (d *deployment) note(format string, args ...any) {
	awscdk.Annotations_Of(d.scope).AddInfo(jsii.String(fmt.Sprintf(format, args...)))
}

// schedule is a rotation's schedule in EventBridge Scheduler.
func (d *deployment) schedule(r config.Rotation) registry.Schedule {
	s := registry.Schedule{
		SecretID: r.Secret, Description: "Rotates " + shorten(r.Secret, 400), Expression: neverCron, Deadline: eventAge, Retries: startRetries,
		Input: requestFor(r, &trigger{Source: "schedule", ScheduledAt: "<aws.scheduler.scheduled-time>"}).encode(),
	}
	t, ok := r.Timetable()
	if !ok {
		return s
	}
	s.Enabled, s.Expression, s.Flexible = true, t.Schedule.Scheduler(), int(r.Flexible().Minutes())
	if t.Schedule.ByAnchor() {
		// Without a start date, Scheduler starts a rate as soon as it is deployed. It
		// refuses a date in the past.
		s.StartDate = t.Schedule.Next(d.now().Add(leadTime)).OpensAt.Format(time.RFC3339)
	}
	// A later start would leave no time for the run. Source of the limit: EventBridge
	// Scheduler API reference, "RetryPolicy".
	s.Deadline = min(t.Schedule.Duration()-r.Flexible()-config.RoomForRun/2, 24*time.Hour)
	if len(t.Freeze) > 0 {
		now := d.now()
		if next := t.Next(now); next.OpensAt.Sub(now) > 366*24*time.Hour {
			awscdk.Annotations_Of(d.scope).AddWarningV2(jsii.String("tumbler:frozen-"+registry.Name(r.Secret)), jsii.String(fmt.Sprintf(
				"%s: with its freeze, the next window is that of %s", r.Secret, next)))
		}
	}
	return s
}

func (d *deployment) schedulerRole() awsiam.CfnRole {
	return d.role("SchedulerRole", "Tumbler: lets its schedules start rotations",
		d.trust("scheduler.amazonaws.com", d.arn("scheduler", "schedule-group/"+d.name)),
		[]statement{
			{Actions: []string{"states:StartExecution"}, Resources: []string{*d.machine.Ref()}},
			{Actions: []string{"sqs:SendMessage"}, Resources: []string{*d.undelivered.AttrArn()}},
		})
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func shorten(s string, limit int) string { return s[:min(len(s), limit)] }
