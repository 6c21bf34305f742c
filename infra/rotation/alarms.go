package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

// longestGap is for how long logins with AWSCURRENT may be refused, in
// milliseconds, before somebody is told. Clients that retry bridge seconds.
const longestGap = 10_000

// metric is one time series.
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

// needsAttention is counted from the state machine's own log, because the
// function that would report it may be what is broken.
func (d *deployment) needsAttention() metric {
	return metric{metrics.Namespace, d.named("NeedsAttention"), "Sum", nil}
}

// alarm is one that goes to the alert topic.
type alarm struct {
	id, part, description string
	metric                metric
	above                 float64
	period                float64 // seconds
}

// alarms tell of what the workflow itself may be unable to tell. Each failed
// rotation has an alert of its own, too, which says more.
func (d *deployment) alarms() {
	logs := d.scope.Node().FindChild(jsii.String("StateMachineLogs")).(awslogs.CfnLogGroup)
	attention := d.needsAttention()
	awslogs.NewCfnMetricFilter(d.scope, jsii.String("NeedsAttentionFilter"), &awslogs.CfnMetricFilterProps{
		LogGroupName:  logs.Ref(),
		FilterPattern: jsii.String(`{ ($.type = "FailStateEntered") && ($.details.name = "NeedsAttention") }`),
		MetricTransformations: []any{awslogs.CfnMetricFilter_MetricTransformationProperty{
			MetricNamespace: jsii.String(attention.namespace), MetricName: jsii.String(attention.name), MetricValue: jsii.String("1"),
		}},
	})
	alarms := []alarm{
		{
			id: "NeedsAttention", part: "needs-attention", metric: attention,
			description: "AWSCURRENT of a secret may not log in: see the failed execution and docs/runbook.md",
		},
		{
			id: "Failed", part: "failed", metric: machineMetric(d.machine, "ExecutionsFailed"),
			description: "A rotation did not end in Rotated: see the failed execution",
		},
		{
			id: "TimedOut", part: "timed-out", metric: machineMetric(d.machine, "ExecutionsTimedOut"),
			description: "A rotation ran into the time limit of the state machine",
		},
		{
			id: "Throttled", part: "throttled", metric: machineMetric(d.machine, "ExecutionThrottled"),
			description: "Step Functions slows rotations down: its quota of state transitions is used up",
		},
		{
			id: "Overdue", part: "overdue", metric: d.own(metrics.Overdue, "Maximum"), period: 3600,
			description: "The last rotation window of a secret passed without a rotation",
		},
		{
			id: "Drift", part: "drift", metric: d.own(metrics.Drift, "Maximum"), period: 3600,
			description: "A secret or its user is not as the last rotation left it",
		},
		{
			id: "Gap", part: "credential-gap", metric: d.own(metrics.CredentialGapMs, "Maximum"), above: longestGap,
			description: "Logins with AWSCURRENT were refused for more than ten seconds during a rotation",
		},
	}
	if d.isMain() { // the queue is shared
		alarms = append(alarms, alarm{id: "Undelivered", part: "undelivered", metric: metric{
			"AWS/SQS", "NumberOfMessagesSent", "Sum", [][2]string{{"QueueName", *d.undelivered.AttrQueueName()}},
		}, description: "A schedule or an event could not start a rotation: its request is in the queue"})
	}
	if d.fleet != nil {
		alarms = append(alarms, alarm{
			id: "FleetFailed", part: "fleet-failed", metric: machineMetric(d.fleet, "ExecutionsFailed"),
			description: "A fleet did not end in AllRotated: see the failed execution",
		})
	}
	for _, a := range alarms {
		d.alarm(a)
	}
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
	}
	if len(dimensions) > 0 {
		props.Dimensions = dimensions
	}
	awscloudwatch.NewCfnAlarm(d.scope, jsii.String("Alarm"+a.id), props)
}
