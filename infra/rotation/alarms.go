package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

// longestGap is how long logins with AWSCURRENT may be refused, in milliseconds,
// before an alarm. Clients that retry bridge a few seconds.
const longestGap = 10_000

type metric struct {
	namespace, name, statistic string
	dimensions                 [][2]string
}

func (d *deployment) own(name metrics.Name, statistic string, dimensions ...[2]string) metric {
	return metric{
		metrics.Namespace, string(name), statistic,
		append([][2]string{{string(metrics.Deployment), d.name}}, dimensions...),
	}
}

func machineMetric(machine awsstepfunctions.CfnStateMachine, name string) metric {
	return metric{"AWS/States", name, "Sum", [][2]string{{"StateMachineArn", *machine.Ref()}}}
}

// alarm is an alarm whose action is the alert topic.
type alarm struct {
	id, part, description string
	metric                metric
	above                 float64
	period                float64 // seconds
	silence               bool    // missing data breaches
}

// alarms creates alarms for what has no other alert. A rotation that failed, was cut
// short or did not take place, and a start that was not delivered, have an alert of
// their own, which says more; an alarm would be a second mail about one incident. The
// steps' functions therefore have no alarm for their errors: some are ordinary answers
// (WindowClosed), and all others end in such an alert. Watched here are the functions
// that no workflow calls, and those that alert. Missing data is a fault only for what
// should run every hour.
func (d *deployment) alarms(functions map[string]awslambda.CfnFunction) {
	alarms := []alarm{
		{
			id: "Throttled", part: "throttled", metric: machineMetric(d.machine, "ExecutionThrottled"),
			description: "Step Functions slows rotations down: its quota of state transitions is used up",
		},
		{
			id: "Gap", part: "credential-gap", metric: d.own(metrics.CredentialGapMs, "Maximum"), above: longestGap,
			description: "Logins with AWSCURRENT were refused for more than ten seconds during a rotation",
		},
		{
			id: "AuditSilent", part: "audit-silent", metric: functionMetric(functions["audit"], "Invocations"), period: 3 * 3600, silence: true,
			description: "The audit has not run for three hours: nobody notices rotations that do not happen",
		},
	}
	if d.hasHeartbeat() {
		alarms = append(alarms, alarm{
			id: "Drift", part: "drift", metric: d.own(metrics.Drift, "Maximum"), period: 3600,
			description: "A database refuses AWSCURRENT, and no rotation is under way: somebody changed the password",
		})
	}
	if d.hasHeartbeat() {
		alarms = append(alarms, alarm{
			id: "HeartbeatSilent", part: "heartbeat-silent", metric: functionMetric(functions["heartbeat"], "Invocations"), period: 3 * 3600, silence: true,
			description: "The heartbeat has not run for three hours: nobody notices passwords that somebody changed",
		})
	}
	if d.hasRotator() {
		alarms = append(alarms, alarm{
			id: "Errors-rotator", part: "rotator-errors", metric: functionMetric(functions["rotator"], "Errors"),
			description: "Rotation by Secrets Manager fails, of which no workflow tells: see the log of the function rotator",
		})
	}
	for _, f := range watchers {
		if function, ok := functions[f]; ok {
			alarms = append(alarms, alarm{
				id: "Errors-" + f, part: f + "-errors", metric: functionMetric(function, "Errors"),
				description: "The function " + f + " fails, which tells of what the workflow cannot tell: see its log",
			})
		}
	}
	if d.isMain() { // the networks share one queue
		alarms = append(alarms, alarm{id: "Undelivered", part: "undelivered", metric: metric{
			"AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", [][2]string{{"QueueName", *d.undelivered.AttrQueueName()}},
		}, above: 900, description: "The queue of starts that were not delivered is not read: nobody has been told of them"})
	}
	if d.fleet != nil {
		alarms = append(alarms, alarm{
			id: "FleetTimedOut", part: "fleet-timed-out", metric: machineMetric(d.fleet, "ExecutionsTimedOut"),
			description: "A fleet ran into its time limit, and could not say how far it had come",
		})
	}
	for _, a := range alarms {
		d.alarm(a)
	}
}

// watchers are the functions that alert, or measure for an alarm.
var watchers = []string{"audit", "incident", "heartbeat"}

func functionMetric(f awslambda.CfnFunction, name string) metric {
	return metric{"AWS/Lambda", name, "Sum", [][2]string{{"FunctionName", *f.Ref()}}}
}

func (d *deployment) alarm(a alarm) {
	if a.period == 0 {
		a.period = 300
	}
	dimensions := []any{}
	for _, dim := range a.metric.dimensions {
		dimensions = append(dimensions, awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(dim[0]), Value: jsii.String(dim[1])})
	}
	props := &awscloudwatch.CfnAlarmProps{
		AlarmName:          jsii.String(d.named(a.part)),
		AlarmDescription:   jsii.String(a.description + "."),
		Namespace:          jsii.String(a.metric.namespace),
		MetricName:         jsii.String(a.metric.name),
		Statistic:          jsii.String(a.metric.statistic),
		Period:             jsii.Number(a.period),
		EvaluationPeriods:  jsii.Number(1),
		Threshold:          jsii.Number(a.above),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		TreatMissingData:   jsii.String("notBreaching"),
		AlarmActions:       &[]any{*d.topicARN},
		OkActions:          &[]any{*d.topicARN}, // tells when it is over
	}
	if a.silence {
		props.Threshold, props.ComparisonOperator, props.TreatMissingData = jsii.Number(1), jsii.String("LessThanThreshold"), jsii.String("breaching")
	}
	if len(dimensions) > 0 {
		props.Dimensions = dimensions
	}
	awscloudwatch.NewCfnAlarm(d.scope, jsii.String("Alarm"+a.id), props)
}
