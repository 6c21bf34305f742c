package sandbox_test

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// failing makes one operation of one function fail with an AWS error.
func failing(function, operation, code string) wire.Interceptor {
	return func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function && call.Operation == operation {
			return &wire.Failure{Err: wire.Errorf(code, "injected")}
		}
		return nil
	}
}

// denied is what a missing permission looks like.
func denied(function, operation string) wire.Interceptor {
	return failing(function, operation, "AccessDeniedException")
}

// sinceReady leaves a function's first call alone, with which it shows before the
// change that it is ready.
var sinceReady = wire.AfterFirst

func both(a, b wire.Interceptor) wire.Interceptor {
	return func(ctx context.Context, call wire.Call) *wire.Failure {
		if failure := a(ctx, call); failure != nil {
			return failure
		}
		return b(ctx, call)
	}
}

// holding keeps a function's calls waiting.
func holding(function string, release <-chan struct{}) wire.Interceptor {
	return func(ctx context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return nil
	}
}

// once does something when a function makes its first call.
func once(function string, do func()) wire.Interceptor { return atCall(1, function, do) }

// atCall does something when a function makes its nth call.
func atCall(n int64, function string, do func()) wire.Interceptor {
	var calls atomic.Int64
	return func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function && calls.Add(1) == n {
			do()
		}
		return nil
	}
}

func rules(days int64) *types.RotationRulesType {
	return &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(days)}
}
