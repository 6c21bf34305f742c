package executions

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Outcome is what became of an execution, or that it runs.
type Outcome struct {
	Execution string // ARN
	SecretID  string // as the request names it
	Trigger   rotation.Trigger
	Running   bool
	What      string // the ending, such as Rotated; or Step Functions' status where there is none
	Error     string // "" when Rotated
	Cause     string // in words
	StartedAt time.Time
	EndedAt   time.Time
	Event     *rotation.Event // what a success announced. Optional.
}

const (
	recent   = 100 // executions that Outcomes looks at
	parallel = 8
)

// Outcomes returns the most recent executions of a state machine, the latest first.
// ListExecutions does not tell what an execution was asked, so that it takes a call
// for each, and one more for each that failed.
func (c *Client) Outcomes(ctx context.Context, stateMachineARN string) ([]Outcome, error) {
	page, err := c.api.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &stateMachineARN, MaxResults: recent})
	if err != nil {
		return nil, classify(err)
	}
	outcomes := make([]Outcome, len(page.Executions))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, e := range page.Executions {
		g.Go(func() (err error) {
			outcomes[i], err = c.Outcome(ctx, aws.ToString(e.ExecutionArn))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var named []Outcome
	for _, o := range outcomes {
		if o.SecretID != "" {
			named = append(named, o)
		}
	}
	return named, nil
}

// Outcome is one execution. Codes: those of DescribeExecution and GetExecutionHistory.
func (c *Client) Outcome(ctx context.Context, arn string) (Outcome, error) {
	out, err := c.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return Outcome{}, classifyCall(err, "DescribeExecution: cannot tell what became of a rotation", "states:DescribeExecution on the executions of the state machine")
	}
	var request struct {
		SecretID string           `json:"secretId"`
		Trigger  rotation.Trigger `json:"trigger"`
	}
	_ = json.Unmarshal([]byte(aws.ToString(out.Input)), &request) // a request that names no secret is nobody's outcome
	o := Outcome{
		Execution: arn, SecretID: request.SecretID, Trigger: request.Trigger, What: string(out.Status),
		StartedAt: aws.ToTime(out.StartDate), EndedAt: aws.ToTime(out.StopDate),
	}
	switch out.Status {
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
		o.Running = true
	case types.ExecutionStatusSucceeded:
		var ending struct{ Event *rotation.Event }
		_ = json.Unmarshal([]byte(aws.ToString(out.Output)), &ending) // what it announced is an extra
		o.What, o.Event = string(rotation.Rotated), ending.Event
	case types.ExecutionStatusFailed:
		o.Error = aws.ToString(out.Error)
		o.Cause = rotation.Failure{Error: o.Error, Cause: aws.ToString(out.Cause)}.Words()
		if o.What, err = c.ending(ctx, arn); err != nil {
			return Outcome{}, err
		}
	default:
		o.Error = aws.ToString(out.Error)
	}
	return o, nil
}

// ending is the last state that an execution has entered: its Fail state, or the one in
// which Step Functions gave it up.
func (c *Client) ending(ctx context.Context, arn string) (string, error) {
	page, err := c.api.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, ReverseOrder: true, MaxResults: 5, IncludeExecutionData: aws.Bool(false),
	})
	if err != nil {
		return "", classifyCall(err, "GetExecutionHistory: cannot tell how a rotation ended", "states:GetExecutionHistory on the executions of the state machine")
	}
	for _, event := range page.Events {
		if d := event.StateEnteredEventDetails; d != nil {
			if event.Type != types.HistoryEventTypeFailStateEntered {
				return "FAILED in " + aws.ToString(d.Name), nil
			}
			return aws.ToString(d.Name), nil
		}
	}
	return string(types.ExecutionStatusFailed), nil
}
