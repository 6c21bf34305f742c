// Package alerttopic sends alerts to the SNS topic for people.
package alerttopic

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Topic is the SNS topic; it implements the Topic of package incident.
type Topic struct {
	API *sns.Client
	ARN string
}

// Publish sends an alert with the attributes that the state machine's SendAlert
// gives to its own, so that filters know both.
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
	op := "Publish: the alert about " + alert.Secret + " could not be sent"
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		op += " (" + api.ErrorCode() + ")"
	}
	return fault.Wrap(err, fault.ServiceUnavailable, op, "It is tried again by itself; otherwise see whether the function may sns:Publish on the topic")
}
