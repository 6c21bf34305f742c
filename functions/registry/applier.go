package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
)

type applier struct {
	file   string
	client func(group string) *registry.Client
	log    *slog.Logger
}

// handle answers CloudFormation: it applies the list of schedules. A rollback brings
// back the old function with the old list, and calls it again. Deleting the stack deletes
// the schedule group with all schedules.
func (a applier) handle(ctx context.Context, event cfn.Event) (id string, data map[string]any, err error) {
	property := func(name string) string {
		value, _ := event.ResourceProperties[name].(string)
		return value
	}
	group := property("Group")
	id = "schedules of " + group // constant, so that no change is a replacement
	target := registry.Target{ARN: property("TargetArn"), RoleARN: property("RoleArn"), QueueARN: property("QueueArn")}
	if group == "" || target.ARN == "" || target.RoleARN == "" || target.QueueARN == "" {
		return id, nil, errors.New("properties Group, TargetArn, RoleArn and QueueArn are missing: deploy the stack as it was synthesised")
	}
	var schedules []registry.Schedule
	if event.RequestType != cfn.RequestDelete { // deleted with the stack, or when the schedules are few enough to be in the template
		src, err := os.ReadFile(a.file)
		if err == nil {
			err = json.Unmarshal([]byte(filledIn(string(src), event.ResourceProperties["Values"])), &schedules)
		}
		if err != nil {
			return id, nil, fmt.Errorf("the schedules cannot be read: %w", err)
		}
	}
	done, err := a.client(group).Apply(ctx, schedules, target)
	if err != nil {
		return id, nil, fmt.Errorf("applying %d schedules: %w", len(schedules), err)
	}
	a.log.Info("schedules applied", "created", done.Created, "updated", done.Updated, "deleted", done.Deleted, "kept", done.Kept)
	return id, nil, nil
}

// filledIn replaces the placeholders in the list by the parameters of a plain template.
// The parameters' patterns exclude characters that would end a JSON string.
func filledIn(list string, values any) string {
	given, _ := values.(map[string]any)
	for stands, value := range given {
		if text, ok := value.(string); ok {
			list = strings.ReplaceAll(list, stands, text)
		}
	}
	return list
}
