package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// starter starts rotations.
type starter struct {
	api interface {
		StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	}
	log *slog.Logger
}

// handle answers CloudFormation. The name of the execution is derived from the
// configuration, and Step Functions starts no name twice within 90 days. So a rollback,
// which changes the resource back, rotates nothing. A new resource always rotates.
func (s starter) handle(ctx context.Context, event cfn.Event) (id string, data map[string]any, err error) {
	property := func(name string) string {
		value, _ := event.ResourceProperties[name].(string)
		return value
	}
	secret, machine := property("SecretId"), property("StateMachineArn")
	id = "rotate-immediately " + secret // constant, so that no change is a replacement
	if event.RequestType == cfn.RequestDelete {
		return event.PhysicalResourceID, nil, nil // a deletion changes no secret
	}
	if secret == "" || machine == "" {
		return id, nil, errors.New("properties SecretId and StateMachineArn are missing: deploy the stack as it was synthesised")
	}
	configuration := property("Configuration")
	if old, _ := event.OldResourceProperties["Configuration"].(string); event.RequestType == cfn.RequestUpdate && old == configuration {
		s.log.Info("the rotation has not changed", "secret", secret)
		return id, nil, nil
	}
	sum := sha256.Sum256([]byte(event.StackID + "\n" + configuration))
	name := "deployed-" + hex.EncodeToString(sum[:16])
	err = s.start(ctx, machine, name, secret)
	if exists := (*types.ExecutionAlreadyExists)(nil); errors.As(err, &exists) {
		if event.RequestType == cfn.RequestUpdate {
			s.log.Info("this configuration has been rotated before", "secret", secret, "execution", name)
			return id, nil, nil
		}
		err = s.start(ctx, machine, name+"-"+event.RequestID[:min(8, len(event.RequestID))], secret)
	}
	if err != nil {
		return id, nil, fmt.Errorf("cannot start the rotation of %s: %w", secret, err)
	}
	return id, nil, nil
}

func (s starter) start(ctx context.Context, machine, name, secret string) error {
	input, err := json.Marshal(map[string]any{
		"secretId":      secret,
		"trigger":       map[string]string{"source": "manual", "reason": "rotateImmediately: its configuration was deployed"},
		"outsideWindow": "rotate",
	})
	if err != nil {
		return err
	}
	out, err := s.api.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &machine, Name: &name, Input: new(string(input)),
	})
	if err == nil && out.ExecutionArn != nil {
		s.log.Info("rotation started", "secret", secret, "execution", *out.ExecutionArn)
	}
	return err
}
