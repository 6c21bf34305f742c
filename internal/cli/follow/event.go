package follow

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// failureOf returns the failure of an attempt, if the event is one.
func failureOf(event types.HistoryEvent) *Step {
	var name, cause *string
	switch {
	case event.LambdaFunctionFailedEventDetails != nil:
		name, cause = event.LambdaFunctionFailedEventDetails.Error, event.LambdaFunctionFailedEventDetails.Cause
	case event.LambdaFunctionScheduleFailedEventDetails != nil:
		name, cause = event.LambdaFunctionScheduleFailedEventDetails.Error, event.LambdaFunctionScheduleFailedEventDetails.Cause
	case event.LambdaFunctionStartFailedEventDetails != nil:
		name, cause = event.LambdaFunctionStartFailedEventDetails.Error, event.LambdaFunctionStartFailedEventDetails.Cause
	case event.LambdaFunctionTimedOutEventDetails != nil:
		name, cause = event.LambdaFunctionTimedOutEventDetails.Error, event.LambdaFunctionTimedOutEventDetails.Cause
	case event.TaskFailedEventDetails != nil:
		name, cause = event.TaskFailedEventDetails.Error, event.TaskFailedEventDetails.Cause
	case event.TaskTimedOutEventDetails != nil:
		name, cause = event.TaskTimedOutEventDetails.Error, event.TaskTimedOutEventDetails.Cause
	case event.TaskSubmitFailedEventDetails != nil:
		name, cause = event.TaskSubmitFailedEventDetails.Error, event.TaskSubmitFailedEventDetails.Cause
	default:
		return nil
	}
	return &Step{Error: aws.ToString(name), Cause: words(aws.ToString(cause))}
}

// words returns a cause for people. If several failures were combined, the text contains
// each as the JSON object that Lambda reports.
func words(cause string) string {
	text := rotation.Failure{Cause: cause}.Text()
	for from := 0; ; {
		i := strings.Index(text[from:], `{"errorMessage":`)
		if i < 0 {
			return text
		}
		from += i
		var failure struct {
			Message string `json:"errorMessage"`
		}
		dec := json.NewDecoder(strings.NewReader(text[from:]))
		if dec.Decode(&failure) != nil {
			return text // truncated
		}
		text = text[:from] + failure.Message + text[from+int(dec.InputOffset()):]
		from += len(failure.Message)
	}
}

// typeOf is the state's type: "TaskStateEntered" is a Task.
func typeOf(t types.HistoryEventType) string {
	return strings.TrimSuffix(string(t), "StateEntered")
}
