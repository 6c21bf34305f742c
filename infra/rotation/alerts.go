package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

// alerts is the topic for people. The AWS managed key does here, and costs
// nothing: Step Functions publishes as the state machine's role, which the key's
// policy admits like every principal of the account that may use SNS. (A service
// that publishes as itself, such as a CloudWatch alarm, would need a key of one's
// own; changing KmsMasterKeyId later keeps the topic.)
func (d *deployment) alerts() awssns.CfnTopic {
	topic := awssns.NewCfnTopic(d.scope, jsii.String("AlertTopic"), &awssns.CfnTopicProps{
		TopicName:      jsii.String(d.named("alerts")),
		DisplayName:    jsii.String("Tumbler"),
		KmsMasterKeyId: jsii.String("alias/aws/sns"),
	})
	awssns.NewCfnTopicPolicy(d.scope, jsii.String("AlertTopicPolicy"), &awssns.CfnTopicPolicyProps{
		Topics: &[]*string{topic.Ref()},
		PolicyDocument: policy(statement{
			Deny:      true,
			Principal: map[string]any{"AWS": "*"},
			Actions:   []string{"sns:Publish"},
			Resources: []string{*topic.Ref()},
			Condition: withoutTLS,
		}),
	})
	for _, email := range d.cfg.Alerts.Emails {
		// Named by the address: when another is removed, this one need not confirm anew.
		awssns.NewCfnSubscription(d.scope, jsii.String("AlertEmail-"+shortHash(email)), &awssns.CfnSubscriptionProps{
			TopicArn: topic.Ref(),
			Protocol: jsii.String("email"),
			Endpoint: jsii.String(email),
		})
	}
	return topic
}

var withoutTLS = map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}
