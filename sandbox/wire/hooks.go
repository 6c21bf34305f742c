package wire

import (
	"context"
	"sync"
	"time"
)

// Record says how a call went, for an observer. It holds no content.
type Record struct {
	Call
	// Duration is from arrival until the answer was ready.
	Duration time.Duration
	// ErrorCode is the code of the error answered, [CodeDropped] when the
	// connection was dropped instead, or "" for success.
	ErrorCode string
	// Injected says that an interceptor made the call fail.
	Injected bool
}

// CodeDropped is the Record.ErrorCode of a call whose connection was dropped.
const CodeDropped = "ConnectionDropped"

// Observer is told of every call to a known operation, just before the answer
// is sent. Calls arrive concurrently.
type Observer func(Record)

// Interceptor is asked before each call whether it shall fail; nil lets it
// pass. It may also just take its time (ctx ends when the caller gives up). It
// is how chaos tests reach the endpoint. Calls arrive concurrently.
type Interceptor func(ctx context.Context, call Call) *Failure

// AfterFirst leaves the first call alone that next would fail: in a rotation, that with
// which a function shows before the change that it is ready.
func AfterFirst(next Interceptor) Interceptor {
	var first sync.Once
	return func(ctx context.Context, call Call) (failure *Failure) {
		if failure = next(ctx, call); failure != nil {
			first.Do(func() { failure = nil })
		}
		return failure
	}
}

// Failure is how an intercepted call fails.
type Failure struct {
	// AfterEffect lets the operation run first and loses its answer, so that
	// the caller cannot know whether it took effect. Otherwise the operation
	// does not run at all.
	AfterEffect bool
	// Err is the error to answer. Nil drops the connection without an answer.
	Err *Error
}
