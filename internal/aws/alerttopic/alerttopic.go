// Package alerttopic sends alerts to the SNS topic for people.
package alerttopic

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Topic is the SNS topic. It implements the interfaces Topic of packages incident and audit.
type Topic struct {
	API *sns.Client
	ARN string
}

// Publish sends an alert with the same attributes as the state machine's SendAlert, so that
// subscription filters apply to both.
func (t Topic) Publish(ctx context.Context, alert rotation.Ending) error {
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{
		"outcome": string(alert.Outcome), "severity": alert.Severity, "error": alert.Error, "secret": alert.Secret,
	} {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err := t.API.Publish(ctx, &sns.PublishInput{
		TopicArn: &t.ARN, Subject: &alert.Subject, Message: &alert.Message, MessageAttributes: attributes,
	})
	if err == nil {
		return nil
	}
	return awsfault.Call{
		Op: "Publish, to send the alert about " + alert.Secret, Service: "SNS",
		Allow: "Allow sns:Publish on the topic in the function's role",
		Key:   "Allow kms:GenerateDataKey and kms:Decrypt with the topic's key in the key's policy and the function's role",
	}.Fault(err)
}
