package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Who calls is told by the access key: every function and every state machine has
// one of its own, and with it the role of the synthesised template. Any other key is
// a person's, who may do everything.

// Roles of what is no function.
const (
	rotationRole  = "rotation" // the state machine
	fleetRole     = "fleet"
	schedulerRole = "scheduler"
	ruleRole      = "rotate-now"
)

// operatorKey is the access key of the tests that run the command as an operator does.
const operatorKey = "cli"

// machineKeys are the access keys of the state machines.
var machineKeys = map[string]string{rotationRole: "stepfunctions", fleetRole: "stepfunctions-fleet"}

func (s *Sandbox) roleOf(accessKey string) (role string, has bool) {
	for role, key := range machineKeys {
		if key == accessKey {
			return role, true
		}
	}
	if accessKey == operatorKey {
		accessKey = iam.Operator
	}
	_, has = s.policies.Roles[accessKey]
	return accessKey, has
}

// authorize is asked before every API call.
func (s *Sandbox) authorize(call wire.Call) *wire.Failure {
	role, has := s.roleOf(call.Caller.AccessKeyID)
	if !has {
		return nil
	}
	if _, reachable := s.policies.Endpoints[call.Service]; slices.Contains(s.policies.InVPC, role) && !reachable {
		return &wire.Failure{} // no way out of the VPC
	}
	if err := s.policies.Authorize(role, call, s.identify); err != nil {
		return &wire.Failure{Err: err}
	}
	return nil
}

func (s *Sandbox) identify(call wire.Call, secretID string) iam.Secret {
	arn, key := s.Secrets.Identify(call, secretID)
	return iam.Secret{ARN: arn, Key: key}
}

// assumable: a service that may not act as the role that it was given is found out
// when that is deployed.
func (s *Sandbox) assumable() error {
	for role := range s.policies.Roles {
		if role == iam.Operator {
			continue // a policy of people's own roles
		}
		service, source := "lambda.amazonaws.com", ""
		switch role {
		case rotationRole, fleetRole:
			service, source = "states.amazonaws.com", iam.ARN("states", "stateMachine:tumbler-"+role)
		case schedulerRole:
			service, source = "scheduler.amazonaws.com", iam.ARN("scheduler", "schedule-group/"+ScheduleGroup)
		case ruleRole:
			service, source = "events.amazonaws.com", ruleARN
		}
		if err := s.policies.Assume(role, service, source); err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
	}
	return nil
}

// permitted checks what a state machine's role has to allow for a task, beside the
// API calls that the task makes itself.
func (s *Sandbox) permitted(next asl.TaskFunc) asl.TaskFunc {
	return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
		role := machineOf(task)
		var err *wire.Error
		switch {
		case strings.HasPrefix(task.Resource, "arn:aws:lambda:"):
			err = s.policies.May(role, iam.Request{Action: "lambda:InvokeFunction", Resource: task.Resource})
		case task.Resource == "arn:aws:states:::lambda:invoke":
			var in struct{ FunctionName string }
			if json.Unmarshal(task.Input, &in) == nil {
				err = s.policies.May(role, iam.Request{Action: "lambda:InvokeFunction", Resource: in.FunctionName})
			}
		case task.Resource == "arn:aws:states:::states:startExecution.sync:2":
			err = s.policies.May(role, s.nestedNeeds()...)
		}
		if err != nil {
			name := "Lambda.AWSLambdaException"
			if strings.Contains(task.Resource, "states:startExecution") {
				name = "StepFunctions.AccessDeniedException"
			}
			return nil, &asl.Failure{Name: name, Cause: err.Message}
		}
		return next(ctx, task)
	}
}

// machineOf returns the role of the state machine that runs a task.
func machineOf(task asl.Task) string {
	if strings.Contains(task.Execution.ARN, ":tumbler-fleet") {
		return fleetRole
	}
	return rotationRole
}

// nestedNeeds: the child executions of a distributed Map are started as the state
// machine's own, and the end of a nested execution is heard of through a rule.
// Source: Step Functions developer guide, "IAM policies for integrated services".
func (s *Sandbox) nestedNeeds() []iam.Request {
	requests := []iam.Request{
		{Action: "states:StartExecution", Resource: s.FleetARN},
		{Action: "states:StartExecution", Resource: s.StateMachineARN},
		{Action: "states:DescribeExecution", Resource: strings.Replace(s.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":any"},
	}
	for _, action := range []string{"events:PutTargets", "events:PutRule", "events:DescribeRule"} {
		requests = append(requests, iam.Request{Action: action, Resource: iam.ARN("events", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")})
	}
	return requests
}

// startAs starts the state machine as a schedule or a rule does.
func (s *Sandbox) startAs(role, machineARN string, input json.RawMessage) error {
	if err := s.policies.May(role, iam.Request{Action: "states:StartExecution", Resource: machineARN}); err != nil {
		return err
	}
	_, err := s.states.Start(machineARN, "", input)
	return err
}

var queueARN = iam.ARN("sqs", "tumbler-undelivered")

// mayReadQueue: Lambda reads the queue as the function incident.
func (s *Sandbox) mayReadQueue() bool {
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		if s.policies.May("incident", iam.Request{Action: action, Resource: queueARN}) != nil {
			return false
		}
	}
	return true
}

// asService wraps the functions for native rotation: Secrets Manager calls them by
// itself.
type asService struct {
	functions
	policies *iam.Deployment
}

// Invoke implements the Invoker of package secretsmanager.
func (f asService) Invoke(ctx context.Context, arn string, payload []byte) ([]byte, string, error) {
	var in struct{ SecretId string } //nolint:revive // the contract's spelling
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, "", err
	}
	if strings.HasPrefix(arn, functionARN("")) {
		if err := f.policies.ServiceInvokes(arn, "secretsmanager.amazonaws.com", in.SecretId); err != nil {
			return nil, "", errors.New(err.Message)
		}
	}
	return f.functions.Invoke(ctx, arn, payload)
}
