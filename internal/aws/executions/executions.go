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

// classify returns the fault for an error of Step Functions. purpose is for its text.
func classify(err error, call, purpose string) error {
	on := "the executions of the state machine"
	if call == "ListExecutions" {
		on = "the state machine"
	}
	return awsfault.Call{
		Op: call + ", " + purpose, Service: "Step Functions",
		Allow: "Allow states:" + call + " on " + on + " in the function's role",
	}.Fault(err)
}

// The purposes of calls.
const (
	seeRunning = "to see whether another rotation is running"
	seeRecent  = "to see which rotations there were"
	seeWhere   = "to see where a rotation is"
	seeBecame  = "to see what became of a rotation"
	seeEnd     = "to see how a rotation ended"
)
