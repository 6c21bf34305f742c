package executions

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/watch/incident"
)

var _ incident.Executions = (*Client)(nil)

// lastEvents is the number of events that surely contain the last state entered: a task
// with all its retries writes about fifty.
const lastEvents = 200

// Trace implements [incident.Executions] with one call. Events in a branch of a Parallel
// state are attributed to that state.
func (c *Client) Trace(ctx context.Context, executionARN string) (incident.Trace, error) {
	out, err := c.api.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &executionARN, ReverseOrder: true, MaxResults: lastEvents,
	})
	if err != nil {
		return incident.Trace{}, classify(err, "GetExecutionHistory", seeWhere)
	}
	var t incident.Trace
	found, left := false, false // the last state; a Parallel that was left since
	for _, e := range out.Events {
		if t.Failure == (rotation.Failure{}) {
			t.Failure = endOf(e)
		}
		left = left || e.Type == types.HistoryEventTypeParallelStateExited
		within := e.Type == types.HistoryEventTypeParallelStateEntered && !left
		if in := e.StateEnteredEventDetails; in != nil && (!found || within) {
			found = true
			t.State, t.Input = aws.ToString(in.Name), json.RawMessage(aws.ToString(in.Input))
			kind := strings.TrimSuffix(string(e.Type), "StateEntered")
			t.Final = kind == "Fail" || kind == "Succeed"
		}
	}
	return t, nil
}

func endOf(e types.HistoryEvent) rotation.Failure {
	failure := func(name, cause *string) rotation.Failure {
		return rotation.Failure{Error: aws.ToString(name), Cause: aws.ToString(cause)}
	}
	switch {
	case e.ExecutionFailedEventDetails != nil:
		return failure(e.ExecutionFailedEventDetails.Error, e.ExecutionFailedEventDetails.Cause)
	case e.ExecutionAbortedEventDetails != nil:
		return failure(e.ExecutionAbortedEventDetails.Error, e.ExecutionAbortedEventDetails.Cause)
	case e.ExecutionTimedOutEventDetails != nil:
		return failure(e.ExecutionTimedOutEventDetails.Error, e.ExecutionTimedOutEventDetails.Cause)
	}
	return rotation.Failure{}
}
