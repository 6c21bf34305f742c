package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const machine = "arn:aws:states:eu-north-1:123456789012:stateMachine:tumbler-rotation"

// inProcess carries HTTP requests to a handler without a socket.
type inProcess struct{ h http.Handler }

func (t inProcess) Do(r *http.Request) (*http.Response, error) {
	r.Host = r.URL.Host // as the server side would see it
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// env is a service with a client, on a clock that moves only in pass.
type env struct {
	*testing.T
	*sdk.Client
	service *scheduler.Service
	handler http.Handler
	clock   *asl.VirtualClock

	mu     sync.Mutex
	starts []start
	fail   func(n int) error // of the n-th start
}

// start is what the service started.
type start struct {
	at     time.Time
	target string
	input  string
}

var begin = time.Date(2026, 3, 4, 5, 30, 0, 0, time.UTC) // a Wednesday

func newEnv(t *testing.T, cfg scheduler.Config) *env {
	e := &env{T: t, clock: asl.NewVirtualClock(begin)}
	cfg.Clock = e.clock
	cfg.Start = func(_ context.Context, target string, input json.RawMessage) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.starts = append(e.starts, start{e.clock.Now(), target, string(input)})
		if e.fail != nil {
			return e.fail(len(e.starts))
		}
		return nil
	}
	release := e.clock.Hold()
	e.service = scheduler.New(cfg)
	t.Cleanup(func() {
		e.service.Close()
		release()
	})
	h, err := wire.New(wire.Config{}, e.service)
	if err != nil {
		t.Fatal(err)
	}
	e.handler = h
	e.Client = e.client("eu-north-1")
	return e
}

func (e *env) client(region string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: inProcess{e.handler},
		Credentials: credentials.NewStaticCredentialsProvider("test", "secret", ""),
		Retryer:     aws.NopRetryer{},
	})
}

func (e *env) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// refused checks an error's code and message.
func (e *env) refused(err error, code, message string) {
	e.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || api.ErrorMessage() != message {
		e.Errorf("got  %v\nwant %s: %s", err, code, message)
	}
}

// pass lets time pass, to just after d from now.
func (e *env) pass(d time.Duration) {
	e.Helper()
	e.check(e.clock.Sleep(e.Context(), d))
}

// started returns and forgets what was started.
func (e *env) started() []start {
	e.mu.Lock()
	defer e.mu.Unlock()
	starts := e.starts
	e.starts = nil
	return starts
}

// times returns when something was started, and forgets it.
func (e *env) times() []string {
	var times []string
	for _, s := range e.started() {
		times = append(times, s.at.Format("02 15:04:05"))
	}
	return times
}

// create makes a schedule, which edit may change before.
func (e *env) create(expression string, edit ...func(*sdk.CreateScheduleInput)) {
	e.Helper()
	_, err := e.CreateSchedule(e.Context(), valid(expression, edit...))
	e.check(err)
}

func valid(expression string, edit ...func(*sdk.CreateScheduleInput)) *sdk.CreateScheduleInput {
	in := &sdk.CreateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: &expression,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{
			Arn: aws.String(machine), RoleArn: aws.String("arn:aws:iam::123456789012:role/scheduler"),
			Input: aws.String(`{"secretId":"prod/app"}`),
		},
	}
	for _, f := range edit {
		f(in)
	}
	return in
}
