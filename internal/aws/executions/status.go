package executions

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

var _ fleet.Executions = (*Client)(nil)

// Status implements [fleet.Executions].
func (c *Client) Status(ctx context.Context, executionARN string) (fleet.Execution, bool, error) {
	out, err := c.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &executionARN})
	if _, missing := errors.AsType[*types.ExecutionDoesNotExist](err); missing {
		return fleet.Execution{}, false, nil
	}
	if err != nil {
		return fleet.Execution{}, false, classify(err, "DescribeExecution", seeBecame)
	}
	e := fleet.Execution{
		Running:   out.Status == types.ExecutionStatusRunning || out.Status == types.ExecutionStatusPendingRedrive,
		Succeeded: out.Status == types.ExecutionStatusSucceeded,
		Error:     aws.ToString(out.Error),
	}
	if e.Error == "" && !e.Running && !e.Succeeded {
		e.Error = string(out.Status) // stopped by somebody, or timed out
	}
	return e, true, nil
}
