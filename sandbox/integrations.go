package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// tasks runs the Task states of the state machine: Lambda functions, and the
// service integrations that the definition uses, through the AWS SDK.
type tasks struct {
	functions functions
	sns       map[string]*sns.Client // by role, as the next
	events    map[string]*eventbridge.Client
	nested    func(context.Context, json.RawMessage) (json.RawMessage, error) // runs another state machine
}

func (t *tasks) run(ctx context.Context, task asl.Task) (json.RawMessage, error) {
	switch {
	case strings.HasPrefix(task.Resource, "arn:aws:lambda:"):
		return t.functions.runTask(ctx, task.Resource, task.Input)
	case task.Resource == "arn:aws:states:::lambda:invoke":
		return t.invoke(ctx, task.Input)
	case task.Resource == "arn:aws:states:::states:startExecution.sync:2":
		return t.nested(ctx, task.Input)
	case task.Resource == "arn:aws:states:::sns:publish":
		return t.publish(ctx, t.sns[machineOf(task)], task.Input)
	case task.Resource == "arn:aws:states:::events:putEvents":
		return t.putEvents(ctx, t.events[machineOf(task)], task.Input)
	}
	return nil, fmt.Errorf("the sandbox has no integration %s", task.Resource)
}

// invoke answers as the optimized integration does (Step Functions developer
// guide, "Invoke an AWS Lambda function with Step Functions").
func (t *tasks) invoke(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
	var in struct {
		FunctionName string
		Payload      json.RawMessage
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, &asl.Failure{Name: "States.Runtime", Cause: "the parameters do not fit lambda:invoke"}
	}
	response, err := t.functions.runTask(ctx, in.FunctionName, in.Payload)
	if err != nil {
		return nil, err
	}
	if len(response) == 0 {
		response = json.RawMessage("null")
	}
	return json.Marshal(map[string]any{"ExecutedVersion": "$LATEST", "Payload": response, "StatusCode": 200})
}

func (t *tasks) publish(ctx context.Context, api *sns.Client, input json.RawMessage) (json.RawMessage, error) {
	var in struct {
		TopicArn, Subject, Message string
		MessageAttributes          map[string]struct{ DataType, StringValue string }
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, &asl.Failure{Name: "States.Runtime", Cause: "the parameters do not fit sns:publish"}
	}
	attributes := map[string]snstypes.MessageAttributeValue{}
	for name, a := range in.MessageAttributes {
		attributes[name] = snstypes.MessageAttributeValue{DataType: &a.DataType, StringValue: &a.StringValue}
	}
	out, err := api.Publish(ctx, &sns.PublishInput{
		TopicArn: &in.TopicArn, Subject: &in.Subject, Message: &in.Message, MessageAttributes: attributes,
	})
	if err != nil {
		return nil, integrationFailure("SNS", err)
	}
	return json.Marshal(map[string]string{"MessageId": aws.ToString(out.MessageId)})
}

func (t *tasks) putEvents(ctx context.Context, api *eventbridge.Client, input json.RawMessage) (json.RawMessage, error) {
	var in struct {
		Entries []struct {
			Source, DetailType, EventBusName string
			Detail                           json.RawMessage // Step Functions takes an object here
		}
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, &asl.Failure{Name: "States.Runtime", Cause: "the parameters do not fit events:putEvents"}
	}
	var entries []eventtypes.PutEventsRequestEntry
	for _, e := range in.Entries {
		entries = append(entries, eventtypes.PutEventsRequestEntry{
			Source: &e.Source, DetailType: &e.DetailType, EventBusName: &e.EventBusName, Detail: aws.String(string(e.Detail)),
		})
	}
	out, err := api.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	if err != nil {
		return nil, integrationFailure("EventBridge", err)
	}
	if out.FailedEntryCount > 0 {
		return nil, &asl.Failure{Name: "EventBridge.FailedEntry", Cause: "an event was not accepted"}
	}
	return json.Marshal(map[string]int32{"FailedEntryCount": out.FailedEntryCount})
}

// integrationFailure names an API error as Step Functions does: the service,
// and the exception's name ending in Exception.
func integrationFailure(service string, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return &asl.Failure{Name: service + ".SdkClientException", Cause: err.Error()}
	}
	name := api.ErrorCode()
	if !strings.HasSuffix(name, "Exception") {
		name += "Exception"
	}
	return &asl.Failure{Name: service + "." + name, Cause: api.ErrorMessage()}
}
