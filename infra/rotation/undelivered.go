package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// queue keeps the requests of schedules and events that could not start the workflow,
// until an alert about them has been sent, or for 14 days, which is SQS's maximum.
func (s *shared) queue(scope constructs.Construct) {
	queue := awssqs.NewCfnQueue(scope, jsii.String("Undelivered"), &awssqs.CfnQueueProps{
		QueueName:              jsii.String(s.named("undelivered")),
		MessageRetentionPeriod: jsii.Number(14 * 24 * 60 * 60),
		SqsManagedSseEnabled:   jsii.Bool(true),
		// Six times the timeout of the function that reads it, as Lambda recommends.
		VisibilityTimeout: jsii.Number(180),
	})
	accept(queue, "AwsSolutions-SQS3", "This is the dead-letter queue of the schedules and rules.")
	awssqs.NewCfnQueuePolicy(scope, jsii.String("UndeliveredPolicy"), &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{queue.Ref()},
		PolicyDocument: policy(
			statement{
				// Scheduler writes with its role, EventBridge as a service.
				Principal: map[string]any{"Service": "events.amazonaws.com"},
				Actions:   []string{"sqs:SendMessage"},
				Resources: []string{*queue.AttrArn()},
				Condition: map[string]any{
					"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Aws_ACCOUNT_ID()},
					"ArnLike":      map[string]any{"aws:SourceArn": s.arn("events", "rule/"+s.named("*"))},
				},
			},
			statement{
				Deny:      true,
				Principal: map[string]any{"AWS": "*"},
				Actions:   []string{"sqs:*"},
				Resources: []string{*queue.AttrArn()},
				Condition: withoutTLS,
			},
		),
	})
	s.keep(queue)
	s.undelivered = queue
}
