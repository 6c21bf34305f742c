package rotation

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// alerts sets the alert topic: an existing one, or the stack's own.
func (s *shared) alerts(scope constructs.Construct) {
	if s.cfg.Alerts.Topic != "" {
		s.topicARN = jsii.String(s.cfg.Alerts.Topic)
		if s.cfg.Alerts.TopicKMSKey != "" {
			s.topicKeyARN = jsii.String(s.cfg.Alerts.TopicKMSKey)
		}
		s.subscribe(scope)
		return
	}
	// The AWS managed key suffices while only Step Functions publishes, since it does
	// so with the state machine's role, which that key's policy allows. CloudWatch
	// publishes as a service, which needs a customer managed key.
	key := jsii.String("alias/aws/sns")
	alarms := s.cfg.Alerts.Anybody()
	if alarms {
		own := s.topicKey(scope)
		key, s.topicKeyARN = own.Ref(), own.AttrArn()
	}
	topic := awssns.NewCfnTopic(scope, jsii.String("AlertTopic"), &awssns.CfnTopicProps{
		TopicName:      jsii.String(s.named("alerts")),
		DisplayName:    jsii.String("Tumbler"),
		KmsMasterKeyId: key,
	})
	s.keep(topic)
	s.topicARN = topic.Ref()
	statements := []statement{{
		Deny:      true,
		Principal: map[string]any{"AWS": "*"},
		Actions:   []string{"sns:Publish"},
		Resources: []string{*topic.Ref()},
		Condition: withoutTLS,
	}}
	if alarms {
		statements = append(statements, statement{
			Principal: map[string]any{"Service": "cloudwatch.amazonaws.com"},
			Actions:   []string{"sns:Publish"},
			Resources: []string{*topic.Ref()},
			Condition: s.fromAlarms(),
		})
	}
	awssns.NewCfnTopicPolicy(scope, jsii.String("AlertTopicPolicy"), &awssns.CfnTopicPolicyProps{
		Topics: &[]*string{topic.Ref()}, PolicyDocument: policy(statements...),
	})
	s.subscribe(scope)
}

// fromAlarms is the policy condition that only the stack's own alarms meet.
func (s *shared) fromAlarms() map[string]any {
	return map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Aws_ACCOUNT_ID()},
		"ArnLike":      map[string]any{"aws:SourceArn": s.arn("cloudwatch", "alarm:"+s.named("*"))},
	}
}

// subscribe subscribes the e-mail addresses. The logical id is derived from the
// address, so that nobody has to confirm again when another address is removed.
func (s *shared) subscribe(scope constructs.Construct) {
	for _, email := range s.cfg.Alerts.Emails {
		props := &awssns.CfnSubscriptionProps{
			TopicArn: s.topicARN, Protocol: jsii.String("email"), Endpoint: jsii.String(email),
		}
		if least := slices.Index(config.Severities, s.cfg.Alerts.Severity); least > 0 {
			wanted := []any{}
			for _, severity := range config.Severities[least:] {
				wanted = append(wanted, string(severity))
			}
			// A message without severity is an alarm, which is a warning. Critical messages
			// come from the workflow, or in its place from the function incident.
			if s.cfg.Alerts.Severity != config.Critical {
				wanted = append(wanted, map[string]any{"exists": false})
			}
			props.FilterPolicy = map[string]any{"severity": wanted}
		}
		awssns.NewCfnSubscription(scope, jsii.String("AlertEmail-"+shortHash(email)), props)
	}
}

// topicKey encrypts the topic and costs a dollar a month. Its policy lists single
// actions, as everywhere here; whoever may PutKeyPolicy can add more.
func (s *shared) topicKey(scope constructs.Construct) awskms.CfnKey {
	account := map[string]any{"AWS": "arn:" + *awscdk.Aws_PARTITION() + ":iam::" + *awscdk.Aws_ACCOUNT_ID() + ":root"}
	made := awskms.NewCfnKey(scope, jsii.String("AlertKey"), &awskms.CfnKeyProps{
		Description:       jsii.String("Tumbler: encrypts the alerts of " + s.cfg.Name),
		EnableKeyRotation: jsii.Bool(true),
		KeyPolicy: policy(
			statement{
				Principal: account,
				Actions: []string{
					"kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey", "kms:EnableKeyRotation",
					"kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListKeyPolicies", "kms:ListResourceTags",
					"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
					"kms:UpdateKeyDescription",
				},
				Resources: anyResource,
			},
			statement{
				Principal: account,
				Actions:   []string{"kms:Decrypt", "kms:GenerateDataKey"},
				Resources: anyResource,
				Condition: map[string]any{"StringEquals": map[string]any{"kms:ViaService": "sns." + *awscdk.Aws_REGION() + ".amazonaws.com"}},
			},
			statement{
				Principal: map[string]any{"Service": "cloudwatch.amazonaws.com"},
				Actions:   []string{"kms:Decrypt", "kms:GenerateDataKey"},
				Resources: anyResource,
				Condition: s.fromAlarms(),
			},
		),
	})
	s.keep(made)
	return made
}

var withoutTLS = map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}
