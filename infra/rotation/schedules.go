package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// A start that fails is tried again for an hour; later it would surprise people.
const (
	startRetries  = 20
	startDeadline = 3600 // seconds
)

func (d *deployment) schedules(machine awsstepfunctions.CfnStateMachine, undelivered awssqs.CfnQueue) {
	group := awsscheduler.NewCfnScheduleGroup(d.scope, jsii.String("ScheduleGroup"), &awsscheduler.CfnScheduleGroupProps{
		Name: jsii.String(d.cfg.Name),
	})
	var role *string
	for _, r := range d.cfg.Rotations {
		if r.Schedule == "" {
			continue
		}
		if role == nil {
			role = d.schedulerRole(machine, undelivered)
		}
		name := scheduleName(r.Secret)
		awsscheduler.NewCfnSchedule(d.scope, jsii.String("Schedule-"+name), &awsscheduler.CfnScheduleProps{
			Name:                       jsii.String(name),
			GroupName:                  group.Ref(),
			Description:                jsii.String("Rotates " + shorten(r.Secret, 400)),
			ScheduleExpression:         jsii.String(schedulerExpression(r.Schedule)),
			ScheduleExpressionTimezone: jsii.String("UTC"),
			FlexibleTimeWindow:         &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
			Target: &awsscheduler.CfnSchedule_TargetProperty{
				Arn:     machine.Ref(),
				RoleArn: role,
				Input: jsii.String(requestFor(r, trigger{
					Source: "schedule", ScheduledAt: "<aws.scheduler.scheduled-time>",
				}).encode()),
				RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
					MaximumRetryAttempts:     jsii.Number(startRetries),
					MaximumEventAgeInSeconds: jsii.Number(startDeadline),
				},
				DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: undelivered.AttrArn()},
			},
		})
	}
}

func (d *deployment) schedulerRole(machine awsstepfunctions.CfnStateMachine, undelivered awssqs.CfnQueue) *string {
	return d.role("SchedulerRole", "Tumbler: lets its schedules start rotations",
		d.trust("scheduler.amazonaws.com", d.arn("scheduler", "schedule-group/"+d.cfg.Name)),
		[]statement{
			{Actions: []string{"states:StartExecution"}, Resources: []string{*machine.Ref()}},
			{Actions: []string{"sqs:SendMessage"}, Resources: []string{*undelivered.AttrArn()}},
		}).AttrArn()
}

var notInNames = regexp.MustCompile(`[^0-9A-Za-z]+`)

// scheduleName is readable and unique, and stays the same when the rotations
// around it change: a schedule that was replaced would fire anew.
func scheduleName(secret string) string {
	readable := secret
	if i := strings.LastIndex(secret, ":secret:"); i >= 0 {
		readable = secret[i+len(":secret:"):]
	}
	readable = strings.Trim(notInNames.ReplaceAllString(readable, "-"), "-")
	return shorten(readable, 48) + "-" + shortHash(secret)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func shorten(s string, limit int) string { return s[:min(len(s), limit)] }

var (
	ratePattern = regexp.MustCompile(`^rate\((\d+) (hours?|days?)\)$`)
	hourSteps   = regexp.MustCompile(`^(cron\(\S+ )/`)
)

// schedulerExpression says a Secrets Manager schedule in EventBridge Scheduler's
// words. Scheduler wants a number before the slash. A rate begins when it is
// deployed there, which would rotate every secret at every first deployment; so
// a rate that divides the day is said as a cron expression, which begins at
// midnight as in Secrets Manager. The others have no equivalent.
func schedulerExpression(schedule string) string {
	if m := ratePattern.FindStringSubmatch(schedule); m != nil {
		n, _ := strconv.Atoi(m[1])
		switch hours := m[2][0] == 'h'; {
		case !hours && n == 1, hours && n == 24:
			return "cron(0 0 * * ? *)"
		case hours && n > 0 && n < 24 && 24%n == 0:
			return fmt.Sprintf("cron(0 0/%d * * ? *)", n)
		}
	}
	return hourSteps.ReplaceAllString(schedule, "${1}0/")
}
