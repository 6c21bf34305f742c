package executions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// setup starts a sandbox whose executions stand still in their first function
// when their request says so.
func setup(t *testing.T) (*sandbox.Sandbox, aws.Config) {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Config{Task: func(next asl.TaskFunc) asl.TaskFunc {
		return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
			if strings.Contains(string(task.Input), "stand still") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return next(ctx, task)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	cfg := box.AWS("test")
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return box, cfg
}

// Only what runs is listed, of this state machine, on however many pages.
func TestRunning(t *testing.T) {
	box, cfg := setup(t)
	api := sfn.NewFromConfig(cfg)
	start := func(name, secret string) string {
		out, err := api.StartExecution(t.Context(), &sfn.StartExecutionInput{
			StateMachineArn: &box.StateMachineARN, Name: &name, Input: aws.String(`{"secretId":"` + secret + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.ExecutionArn)
	}
	ended := start("ended", "prod/none")
	for {
		about, err := api.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &ended})
		if err != nil {
			t.Fatal(err)
		}
		if about.Status != "RUNNING" {
			break
		}
	}
	var want []string
	for i := range 3 {
		want = append(want, start(fmt.Sprintf("running-%d", i), "stand still"))
	}
	got, err := executions.New(api).Running(t.Context(), ended)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestClassification(t *testing.T) {
	box, cfg := setup(t)
	self := strings.Replace(box.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":self"
	client := executions.New(sfn.NewFromConfig(cfg))
	for _, tc := range []struct {
		failure wire.Failure
		want    fault.Code
		says    string
	}{
		{wire.Failure{Err: wire.Errorf("AccessDeniedException", "c4nary")}, fault.AccessDenied, "states:ListExecutions"},
		{wire.Failure{Err: wire.Errorf("ThrottlingException", "c4nary")}, fault.Throttled, "heals by itself"},
		{wire.Failure{Err: wire.Errorf("ThrottledException", "c4nary")}, fault.Throttled, "heals by itself"},
		{wire.Failure{Err: wire.Errorf("TooManyRequestsException", "c4nary")}, fault.Throttled, "heals by itself"},
		{wire.Failure{Err: &wire.Error{Code: "InternalFailure", Message: "c4nary", Status: 500}}, fault.ServiceUnavailable, "heals by itself"},
		{wire.Failure{Err: &wire.Error{Code: "ServiceUnavailable", Message: "c4nary", Status: 503}}, fault.ServiceUnavailable, "heals by itself"},
		{wire.Failure{Err: wire.Errorf("StateMachineDoesNotExist", "c4nary")}, fault.Internal, "StateMachineDoesNotExist"},
		{wire.Failure{}, fault.ServiceUnavailable, "interface endpoint for Step Functions"},
	} {
		box.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
			if call.Operation == "ListExecutions" {
				return &tc.failure
			}
			return nil
		})
		_, err := client.Running(t.Context(), self)
		if fault.CodeOf(err) != tc.want || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%+v: got %v, want %s and %q", tc.failure.Err, err, tc.want, tc.says)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	cfg.BaseEndpoint = aws.String("http://" + l.Addr().String())
	if _, err := executions.New(sfn.NewFromConfig(cfg)).Running(t.Context(), self); fault.CodeOf(err) != fault.ServiceUnavailable {
		t.Errorf("nobody listens: got %v", err)
	}
}

// A function that somebody invokes by hand is told what it was meant for.
func TestNotAnExecution(t *testing.T) {
	_, cfg := setup(t)
	for _, arn := range []string{"", "prod", "arn:aws:states:us-east-1:123456789012:stateMachine:tumbler-rotation", "arn:aws:states:us-east-1:123456789012:express:tumbler-rotation:a:b"} {
		_, err := executions.New(sfn.NewFromConfig(cfg)).Running(t.Context(), arn)
		if fault.CodeOf(err) != fault.InvalidRequest || !strings.Contains(err.Error(), "execution.arn") {
			t.Errorf("%q: got %v", arn, err)
		}
	}
}

// One that Step Functions forgets between the list and the look at it is no failure of the
// others; and what a call was for is said as it is.
func TestForgottenMeanwhile(t *testing.T) {
	box, cfg := setup(t)
	api := sfn.NewFromConfig(cfg)
	var arns []string
	for _, name := range []string{"kept", "forgotten"} {
		out, err := api.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &box.StateMachineARN, Name: &name, Input: aws.String(`{"secretId":"stand still"}`)})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, aws.ToString(out.ExecutionArn))
	}
	var refused atomic.Bool
	box.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Operation == "DescribeExecution" && refused.CompareAndSwap(false, true) {
			return &wire.Failure{Err: wire.Errorf("ExecutionDoesNotExist", "no")}
		}
		return nil
	})
	list, err := executions.New(api).Outcomes(t.Context(), box.StateMachineARN)
	if err != nil || len(list) != 1 || !slices.Contains(arns, list[0].Execution) {
		t.Errorf("%+v, %v", list, err)
	}
	box.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
	})
	for purpose, ask := range map[string]func() error{
		"to see which rotations there were": func() error { _, err := executions.New(api).Outcomes(t.Context(), box.StateMachineARN); return err },
		"to see where a rotation is":        func() error { _, err := executions.New(api).Trace(t.Context(), arns[0]); return err },
		"whether another rotation is":       func() error { _, err := executions.New(api).RunningIn(t.Context(), box.StateMachineARN); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), purpose) {
			t.Errorf("%q: %v", purpose, err)
		}
	}
}
