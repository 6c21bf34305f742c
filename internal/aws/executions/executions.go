// Package executions asks AWS Step Functions which rotations are running.
package executions

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Client implements [rotation.Executions].
type Client struct{ api *sfn.Client }

var _ rotation.Executions = (*Client)(nil)

// New returns a Client that uses api.
func New(api *sfn.Client) *Client { return &Client{api: api} }

// For returns a Client for an account and Region.
func For(cfg aws.Config) *Client { return New(sfn.NewFromConfig(cfg)) }

// Running lists the ARNs of the running executions of the state machine that
// executionARN belongs to.
func (c *Client) Running(ctx context.Context, executionARN string) ([]string, error) {
	machine, err := machineOf(executionARN)
	if err != nil {
		return nil, err
	}
	return c.RunningIn(ctx, machine)
}

// machineOf derives arn:P:states:R:A:stateMachine:NAME from
// arn:P:states:R:A:execution:NAME:RUN.
func machineOf(executionARN string) (string, error) {
	parts := strings.Split(executionARN, ":")
	if len(parts) != 8 || parts[5] != "execution" {
		return "", fault.New(fault.InvalidRequest, fmt.Sprintf("field execution.arn is %q, which is not the ARN of an execution", executionARN),
			"Start rotations as executions of the state machine, not by invoking its functions")
	}
	parts[5] = "stateMachine"
	return strings.Join(parts[:7], ":"), nil
}

func classify(err error) error {
	return classifyCall(err, "ListExecutions: cannot tell whether another rotation is running", "states:ListExecutions on the state machine")
}

// classifyCall names what an error means; op says what cannot be done now, and
// right what the function's role lacks if it was refused.
func classifyCall(err error, op, right string) error {
	const heals = "It heals by itself"
	switch kind, code := awsfault.Of(err); kind {
	case awsfault.NoAnswer:
		return fault.Wrap(err, fault.ServiceUnavailable, op+", because Step Functions does not answer", heals+" unless this function has no route to Step Functions")
	case awsfault.Throttled:
		return fault.Wrap(err, fault.Throttled, op+", because the request quota is used up", heals)
	case awsfault.Denied:
		return fault.Wrap(err, fault.AccessDenied, op+" ("+code+")", "Allow "+right+" in the function's role")
	case awsfault.Failed:
		return fault.Wrap(err, fault.ServiceUnavailable, op+" ("+code+")", heals)
	default:
		return fault.Wrap(err, fault.Internal, op+" ("+code+")", "Please report it with the function's log")
	}
}
