package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/database"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	sandboxlambda "github.com/tumbler-rotation/tumbler/sandbox/lambda"
)

// Function is a Lambda function that runs in this process.
type Function struct {
	Handler lambda.Handler
	Timeout time.Duration // as deployed; default 3 seconds, as Lambda's
}

const defaultTimeout = 3 * time.Second

// functions are the Lambda functions of the account by their ARN.
type functions map[string]Function

// builders lists the functions, and how long each may take, as infra deploys
// them.
func builders(engines engine.Table) map[string]struct {
	build   lambdaboot.Builder
	timeout time.Duration
} {
	type b = struct {
		build   lambdaboot.Builder
		timeout time.Duration
	}
	return map[string]b{
		"plan":         {planning.Plan, 30 * time.Second},
		"createsecret": {planning.CreateSecret, 30 * time.Second},
		"setsecret":    {database.SetSecret(engines), 60 * time.Second},
		"testsecret":   {database.TestSecret(engines), 30 * time.Second},
		"finishsecret": {lambdaboot.FinishSecret, 30 * time.Second},
		"restore":      {database.Restore(engines), 60 * time.Second},
		"preflight":    {watching.Preflight(engines), 60 * time.Second},
		"rotator":      {watching.Rotator(engines), 60 * time.Second},
		"incident":     {watching.Incident, 30 * time.Second},
		"audit":        {watching.Audit, 300 * time.Second},
		"heartbeat":    {watching.Heartbeat(engines), 300 * time.Second},
		"planwave":     {planning.PlanWave, 300 * time.Second},
	}
}

func functionARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:tumbler-%s", Region, Account, name)
}

// api lets callers of the Lambda API invoke the functions.
func (fs functions) api() sandboxlambda.Config {
	return sandboxlambda.Config{
		Functions: func() map[string]time.Duration {
			timeouts := map[string]time.Duration{}
			for arn, f := range fs {
				timeouts[arn] = cmp.Or(f.Timeout, defaultTimeout)
			}
			return timeouts
		},
		Invoke: func(ctx context.Context, arn string, payload []byte) sandboxlambda.Result {
			response, failed := fs[arn].call(ctx, payload)
			if failed == nil {
				return sandboxlambda.Result{Payload: response}
			}
			report, _ := json.Marshal(failed) // strings only: cannot fail
			return sandboxlambda.Result{Payload: report, Failed: true}
		},
	}
}

// KnowsFunction lets RotateSecret refuse functions that are not there.
func (fs functions) KnowsFunction(arn string) bool {
	_, ok := fs[arn]
	return ok
}

// call runs a function like Lambda does: within its timeout, and with its error
// as an object. The handler must come back when its context ends.
func (f Function) call(ctx context.Context, payload []byte) ([]byte, *messages.InvokeResponse_Error) {
	timeout := cmp.Or(f.Timeout, defaultTimeout)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := f.Handler.Invoke(limited, payload)
	if limited.Err() != nil && ctx.Err() == nil {
		return nil, &messages.InvokeResponse_Error{Type: "Sandbox.Timedout", Message: fmt.Sprintf("Error: Task timed out after %.2f seconds", timeout.Seconds())}
	}
	if err == nil {
		return response, nil
	}
	if failed, ok := errors.AsType[messages.InvokeResponse_Error](err); ok {
		return nil, &failed
	}
	return nil, &messages.InvokeResponse_Error{Type: "Lambda.Unknown", Message: "the function ended without an answer"}
}

// version is the one that the state machines point at.
const version = ":1"

// runTask runs a function for a Task state.
func (fs functions) runTask(ctx context.Context, arn string, payload []byte) (json.RawMessage, error) {
	f, ok := fs[strings.TrimSuffix(arn, version)]
	if !ok {
		return nil, &asl.Failure{Name: "Lambda.ResourceNotFoundException", Cause: "there is no function " + arn}
	}
	response, failed := f.call(ctx, payload)
	if failed != nil {
		cause, err := json.Marshal(failed)
		if err != nil {
			return nil, err
		}
		return nil, &asl.Failure{Name: failed.Type, Cause: string(cause)}
	}
	return response, nil
}

// Invoke runs a function for Secrets Manager's native rotation. It implements
// the Invoker of package secretsmanager.
func (fs functions) Invoke(ctx context.Context, arn string, payload []byte) ([]byte, string, error) {
	f, ok := fs[arn]
	if !ok {
		return nil, "", fmt.Errorf("there is no function %s", arn)
	}
	response, failed := f.call(ctx, payload)
	if failed != nil {
		return nil, failed.Type + ": " + failed.Message, nil
	}
	return response, "", nil
}
