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

// handle applies the file. A roll back brings the old file with the old function,
// and calls again. A stack that is deleted takes the group and all that is in it.
func (a applier) handle(ctx context.Context, event cfn.Event) (id string, data map[string]any, err error) {
	property := func(name string) string {
		value, _ := event.ResourceProperties[name].(string)
		return value
	}
	group := property("Group")
	id = "schedules of " + group // the same for ever: a change is no replacement
	target := registry.Target{ARN: property("TargetArn"), RoleARN: property("RoleArn"), QueueARN: property("QueueArn")}
	if group == "" || target.ARN == "" || target.RoleARN == "" || target.QueueARN == "" {
		return id, nil, errors.New("properties Group, TargetArn, RoleArn and QueueArn are missing: deploy the stack as it was synthesised")
	}
	var schedules []registry.Schedule
	if event.RequestType != cfn.RequestDelete { // or it has become few: the template's own take over
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

// filledIn is the list with a stack's parameters in the place of what stands for them: of
// the plain template, whose patterns keep out what would end a string.
func filledIn(list string, values any) string {
	given, _ := values.(map[string]any)
	for stands, value := range given {
		if text, ok := value.(string); ok {
			list = strings.ReplaceAll(list, stands, text)
		}
	}
	return list
}
