package executions

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Outcome is how an execution ended.
type Outcome struct {
	SecretID string // as the request names it
	What     string // Rotated, an error's name, or Step Functions' status
	EndedAt  time.Time
}

const (
	recent   = 100 // executions that Outcomes looks at
	parallel = 8
)

// Outcomes returns how the most recent executions of a state machine ended, the
// latest first. ListExecutions does not tell what an execution was asked, so that
// it takes a call for each.
func (c *Client) Outcomes(ctx context.Context, stateMachineARN string) ([]Outcome, error) {
	page, err := c.api.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &stateMachineARN, MaxResults: recent})
	if err != nil {
		return nil, classify(err)
	}
	var (
		outcomes = make([]Outcome, len(page.Executions))
		failures = make([]error, len(page.Executions))
		slots    = make(chan struct{}, parallel)
		workers  sync.WaitGroup
	)
	for i, e := range page.Executions {
		if e.Status == types.ExecutionStatusRunning || e.Status == types.ExecutionStatusPendingRedrive {
			continue
		}
		slots <- struct{}{}
		workers.Go(func() {
			outcomes[i], failures[i] = c.outcome(ctx, aws.ToString(e.ExecutionArn))
			<-slots
		})
	}
	workers.Wait()
	var ended []Outcome
	for i, o := range outcomes {
		if failures[i] != nil {
			return nil, failures[i]
		}
		if o.SecretID != "" {
			ended = append(ended, o)
		}
	}
	return ended, nil
}

func (c *Client) outcome(ctx context.Context, arn string) (Outcome, error) {
	out, err := c.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return Outcome{}, classifyCall(err, "DescribeExecution: cannot tell what became of a rotation", "states:DescribeExecution on the executions of the state machine")
	}
	var request struct {
		SecretID string `json:"secretId"`
	}
	_ = json.Unmarshal([]byte(aws.ToString(out.Input)), &request) // a request that names no secret is nobody's outcome
	o := Outcome{SecretID: request.SecretID, What: string(out.Status), EndedAt: aws.ToTime(out.StopDate)}
	switch out.Status {
	case types.ExecutionStatusSucceeded:
		o.What = "Rotated"
	case types.ExecutionStatusFailed:
		o.What = aws.ToString(out.Error)
	}
	return o, nil
}
