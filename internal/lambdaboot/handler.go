package lambdaboot

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// The keys of every log line.
const (
	keyFunction   = "function"
	keyExecution  = "execution"
	keySecret     = "secret"
	keyVersion    = "version"
	keyStep       = "step"    // of the rotation contract, where the function runs one
	keyOutcome    = "outcome" // "ok" or the error's code
	keyCause      = "cause"
	keyDurationMs = "durationMs"
)

type handlerFunc func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke implements [lambda.Handler].
func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// Handler turns a step into a Lambda handler: JSON in, JSON out, one log line,
// and errors as [messages.InvokeResponse_Error], the only type that lets the state machine
// see the code: for others the runtime reports the name of the Go type.
func Handler[In, Out any](e Env, function string, run func(context.Context, In) (Out, error)) lambda.Handler {
	return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		began := e.Now()
		log := e.Log.With(slog.String(keyFunction, function)).With(identify(payload)...)
		response, out, err := guard(ctx, log, payload, run)
		duration := e.Now().Sub(began)
		e.measure(function, duration, payload, out, err)
		took := slog.Int64(keyDurationMs, duration.Milliseconds())
		if err == nil {
			log.Info("step ended", keyOutcome, "ok", took)
			return response, nil
		}
		why := fault.From(err)
		log.Error("step failed", keyOutcome, string(why.Code), keyCause, why.Message(), took)
		return nil, messages.InvokeResponse_Error{Type: string(why.Code), Message: why.Message()}
	})
}

// ReadyOr returns a handler that runs ready for [rotation.StepReady], and run otherwise.
func ReadyOr(ready, run lambda.Handler) lambda.Handler {
	return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		var in struct{ Step string }
		if err := json.Unmarshal(payload, &in); err == nil && in.Step == rotation.StepReady {
			return ready.Invoke(ctx, payload)
		}
		return run.Invoke(ctx, payload) // which reports what is wrong with it
	})
}

// guard runs the step and recovers from panics. A panic's value may quote a secret, so only
// its type and the stack are logged.
func guard[In, Out any](ctx context.Context, log *slog.Logger, payload []byte, run func(context.Context, In) (Out, error)) (response []byte, out Out, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("panic", "type", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			response, err = nil, fault.New(fault.Internal, "the function panicked", "This is a defect in Tumbler: please report it with the function's log")
		}
	}()
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, out, fault.Wrap(err, fault.InvalidRequest, "the function's payload has not the expected shape", "Start rotations through the state machine")
	}
	if out, err = run(ctx, in); err != nil {
		return nil, out, err
	}
	response, err = json.Marshal(out)
	return response, out, err
}

// identify returns the attributes of a log line from the payload, which holds no secret
// value. Secrets Manager sends only the fields of the rotation contract.
func identify(payload []byte) []any {
	var p struct {
		rotation.NativeInput
		Request struct {
			SecretID string `json:"secretId"`
		} `json:"request"`
		Execution rotation.Execution `json:"execution"`
		Plan      rotation.Planned   `json:"plan"`
	}
	_ = json.Unmarshal(payload, &p) // missing fields are logged as such
	return []any{
		keyExecution, p.Execution.ARN,
		keySecret, cmp.Or(p.Plan.SecretARN, p.SecretID, p.Request.SecretID),
		keyVersion, cmp.Or(p.Plan.VersionID, p.ClientRequestToken),
		keyStep, p.Step,
	}
}
