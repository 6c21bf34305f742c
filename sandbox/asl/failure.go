package asl

import "fmt"

// Error names that Step Functions itself reports (AWS: "Handling errors in Step
// Functions workflows", error names).
const (
	// ErrorAll matches every error but those two that end an execution.
	ErrorAll = "States.ALL"
	// ErrorTaskFailed matches every error but a timeout, when caught or retried.
	ErrorTaskFailed = "States.TaskFailed"
	// ErrorTimeout is a state that took longer than its TimeoutSeconds.
	ErrorTimeout = "States.Timeout"
	// ErrorRuntime is a failed path or intrinsic function. It always ends the
	// execution.
	ErrorRuntime = "States.Runtime"
	// ErrorDataLimitExceeded is a payload of more than 256 KiB.
	ErrorDataLimitExceeded = "States.DataLimitExceeded"
	// ErrorResultPath is a ResultPath that cannot be applied to the input.
	ErrorResultPath = "States.ResultPathMatchFailure"
	// ErrorTolerance is a DISTRIBUTED Map with more failures than it tolerates.
	ErrorTolerance = "States.ExceedToleratedFailureThreshold"
	// ErrorNoChoiceMatched is a Choice without a Default that nothing matched.
	ErrorNoChoiceMatched = "States.NoChoiceMatched"
)

// Failure is an error by its name and cause: what a task reports, what Retry
// and Catch match, and what an execution ends with.
type Failure struct {
	// Name is what ErrorEquals matches, such as "LoginRefused".
	Name string
	// Cause is for people; empty when there is none.
	Cause string
}

// Error returns "name: cause".
func (f *Failure) Error() string {
	if f.Cause == "" {
		return f.Name
	}
	return f.Name + ": " + f.Cause
}

// runtimef makes a States.Runtime failure.
func runtimef(format string, args ...any) *Failure {
	return &Failure{Name: ErrorRuntime, Cause: fmt.Sprintf(format, args...)}
}
