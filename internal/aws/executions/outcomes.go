package executions

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Outcome is the outcome of an execution, which may still be running.
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
	Event     *rotation.Event // what it announced. Optional.
}

const (
	recent   = 100 // executions that Outcomes looks at
	parallel = 8
)

// Outcomes returns the most recent executions of a state machine, the latest first.
// ListExecutions does not return inputs, so each execution takes a call, and each failed
// one another.
func (c *Client) Outcomes(ctx context.Context, stateMachineARN string) ([]Outcome, error) {
	page, err := c.api.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &stateMachineARN, MaxResults: recent})
	if err != nil {
		return nil, classify(err, "ListExecutions", seeRecent)
	}
	return c.each(ctx, page.Executions)
}

// Since returns the executions that were started at a time or later, the latest first.
// Step Functions keeps them for 90 days after their end.
func (c *Client) Since(ctx context.Context, stateMachineARN string, since time.Time) ([]Outcome, error) {
	var list []types.ExecutionListItem
	pages := sfn.NewListExecutionsPaginator(c.api, &sfn.ListExecutionsInput{StateMachineArn: &stateMachineARN, MaxResults: 1000})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(err, "ListExecutions", seeRecent)
		}
		for _, e := range page.Executions {
			if aws.ToTime(e.StartDate).Before(since) {
				return c.each(ctx, list) // they are listed by their start
			}
			list = append(list, e)
		}
	}
	return c.each(ctx, list)
}

// each returns the outcomes of those executions that name a secret.
func (c *Client) each(ctx context.Context, executions []types.ExecutionListItem) ([]Outcome, error) {
	outcomes := make([]Outcome, len(executions))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, e := range executions {
		g.Go(func() (err error) {
			outcomes[i], err = c.Outcome(ctx, aws.ToString(e.ExecutionArn))
			if isForgotten(err) {
				return nil // since it was listed; it names no secret, and so is left out
			}
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

// isForgotten reports whether Step Functions no longer has the execution: it deletes
// executions 90 days after their end.
func isForgotten(err error) bool {
	_, forgotten := errors.AsType[*types.ExecutionDoesNotExist](err)
	return forgotten
}

// Outcome is one execution. Codes: those of DescribeExecution and GetExecutionHistory.
func (c *Client) Outcome(ctx context.Context, arn string) (Outcome, error) {
	out, err := c.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return Outcome{}, classify(err, "DescribeExecution", seeBecame)
	}
	var request struct {
		SecretID string           `json:"secretId"`
		Trigger  rotation.Trigger `json:"trigger"`
	}
	_ = json.Unmarshal([]byte(aws.ToString(out.Input)), &request) // without a secret, the outcome is left out
	o := Outcome{
		Execution: arn, SecretID: request.SecretID, Trigger: request.Trigger, What: string(out.Status),
		StartedAt: aws.ToTime(out.StartDate), EndedAt: aws.ToTime(out.StopDate),
	}
	switch out.Status {
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
		o.Running = true
	case types.ExecutionStatusSucceeded:
		var ending struct{ Event *rotation.Event }
		_ = json.Unmarshal([]byte(aws.ToString(out.Output)), &ending) // the event is optional
		o.What, o.Event = string(rotation.Rotated), ending.Event
	case types.ExecutionStatusFailed:
		o.Error = aws.ToString(out.Error)
		o.Cause = rotation.Failure{Error: o.Error, Cause: aws.ToString(out.Cause)}.Text()
		if o.What, o.Event, err = c.ending(ctx, arn); err != nil {
			return Outcome{}, err
		}
	default:
		o.Error = aws.ToString(out.Error)
	}
	return o, nil
}

// ending is the last state that an execution has entered: its Fail state, or the state in
// which Step Functions ended it. The input of a Fail state contains the event.
func (c *Client) ending(ctx context.Context, arn string) (string, *rotation.Event, error) {
	page, err := c.api.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, ReverseOrder: true, MaxResults: 5, IncludeExecutionData: aws.Bool(true),
	})
	if err != nil {
		return "", nil, classify(err, "GetExecutionHistory", seeEnd)
	}
	for _, event := range page.Events {
		if d := event.StateEnteredEventDetails; d != nil {
			if event.Type != types.HistoryEventTypeFailStateEntered {
				return "FAILED in " + aws.ToString(d.Name), nil, nil
			}
			var state struct {
				Ending struct{ Event *rotation.Event }
			}
			_ = json.Unmarshal([]byte(aws.ToString(d.Input)), &state) // optional
			return aws.ToString(d.Name), state.Ending.Event, nil
		}
	}
	return string(types.ExecutionStatusFailed), nil, nil
}
