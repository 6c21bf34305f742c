// Package executions asks AWS Step Functions which rotations are running.
package executions

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Client implements [rotation.Executions].
type Client struct{ api *sfn.Client }

var _ rotation.Executions = (*Client)(nil)

// New returns a Client that uses api.
func New(api *sfn.Client) *Client { return &Client{api: api} }

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
	var api smithy.APIError
	// Outside the API's own model an error does not say whose fault it is.
	answer, answered := errors.AsType[*smithyhttp.ResponseError](err)
	switch {
	case !errors.As(err, &api):
		return fault.Wrap(err, fault.ServiceUnavailable, op+", because Step Functions does not answer", "It heals by itself unless this function has no route to Step Functions")
	case strings.Contains(api.ErrorCode(), "Throttl"), api.ErrorCode() == "TooManyRequestsException":
		return fault.Wrap(err, fault.Throttled, op+", because the request quota is used up", "It heals by itself")
	case api.ErrorCode() == "AccessDeniedException":
		return fault.Wrap(err, fault.AccessDenied, op, "Allow "+right+" in the function's role")
	case api.ErrorFault() == smithy.FaultServer, answered && answer.HTTPStatusCode() >= http.StatusInternalServerError:
		return fault.Wrap(err, fault.ServiceUnavailable, op+" ("+api.ErrorCode()+")", "It heals by itself")
	}
	return fault.Wrap(err, fault.Internal, op+" ("+api.ErrorCode()+")", "Please report it with the function's log")
}
