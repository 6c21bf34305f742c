package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// machine remembers the names of executions, as Step Functions does.
type machine struct {
	*testing.T
	names []string
}

func (m *machine) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	for _, name := range m.names {
		if name == *in.Name {
			return nil, &types.ExecutionAlreadyExists{}
		}
	}
	if r, err := rotation.ParseRequest(json.RawMessage(*in.Input)); err != nil || r.SecretID != "prod/app" || r.OutsideWindow != rotation.OutsideRotate {
		m.Errorf("the request is %s: %v", *in.Input, err)
	}
	if len(*in.Name) > 80 {
		m.Errorf("the name %s is longer than 80", *in.Name)
	}
	m.names = append(m.names, *in.Name)
	return &sfn.StartExecutionOutput{ExecutionArn: in.Name}, nil
}

func TestWhenItRotates(t *testing.T) {
	m := &machine{T: t}
	s := starter{api: m, log: slog.New(slog.DiscardHandler)}
	properties := func(configuration string) map[string]any {
		return map[string]any{"SecretId": "prod/app", "StateMachineArn": "arn:machine", "Configuration": configuration}
	}
	for _, step := range []struct {
		name     string
		kind     cfn.RequestType
		old, new string
		rotates  bool
	}{
		{"added", cfn.RequestCreate, "", "a", true},
		{"unrelated deployment", cfn.RequestUpdate, "a", "a", false},
		{"changed", cfn.RequestUpdate, "a", "b", true},
		{"rolled back", cfn.RequestUpdate, "b", "a", false},
		{"changed again", cfn.RequestUpdate, "a", "c", true},
		{"removed", cfn.RequestDelete, "", "c", false},
		{"added again", cfn.RequestCreate, "", "c", true},
	} {
		before := len(m.names)
		event := cfn.Event{
			RequestType: step.kind, StackID: "arn:stack", RequestID: "12345678-" + step.name,
			ResourceProperties: properties(step.new), OldResourceProperties: properties(step.old), PhysicalResourceID: "known",
		}
		id, _, err := s.handle(t.Context(), event)
		if err != nil || id == "" {
			t.Errorf("%s: %q, %v", step.name, id, err)
		}
		if rotated := len(m.names) > before; rotated != step.rotates {
			t.Errorf("%s: rotated %v, want %v", step.name, rotated, step.rotates)
		}
	}
}

func TestPropertiesAreMissing(t *testing.T) {
	s := starter{api: &machine{T: t}, log: slog.New(slog.DiscardHandler)}
	if _, _, err := s.handle(t.Context(), cfn.Event{RequestType: cfn.RequestCreate}); err == nil {
		t.Error("no error")
	}
}
