package executions

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// RunningIn lists the ARNs of the running executions of a state machine.
func (c *Client) RunningIn(ctx context.Context, stateMachineARN string) ([]string, error) {
	var arns []string
	pages := sfn.NewListExecutionsPaginator(c.api, &sfn.ListExecutionsInput{
		StateMachineArn: &stateMachineARN,
		StatusFilter:    types.ExecutionStatusRunning,
		MaxResults:      1000,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, "ListExecutions", seeRunning)
		}
		for _, e := range page.Executions {
			arns = append(arns, aws.ToString(e.ExecutionArn))
		}
	}
	return arns, nil
}
