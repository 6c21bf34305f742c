package stepfunctions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/stepfunctions"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// definition asks a function once, then publishes, then waits as long as told.
const definition = `{"StartAt":"Ask","States":{
  "Ask":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:ask","ResultPath":"$.answer","TimeoutSeconds":30,
    "Catch":[{"ErrorEquals":["Wrong"],"ResultPath":"$.failure","Next":"Sorry"}],"Next":"Publish"},
  "Publish":{"Type":"Task","Resource":"arn:aws:states:::sns:publish","Parameters":{"Message":"hello"},"ResultPath":null,"TimeoutSeconds":30,"Next":"Rest"},
  "Rest":{"Type":"Wait","SecondsPath":"$.wait","Next":"Done"},
  "Sorry":{"Type":"Fail","Error":"Sorry","Cause":"It went wrong"},
  "Done":{"Type":"Succeed"}}}`

// fixture is a service with one machine, and a client to it.
type fixture struct {
	*sfn.Client
	svc     *stepfunctions.Service
	url     string
	machine string
	clock   *asl.VirtualClock
	answer  func(ctx context.Context, t asl.Task) (json.RawMessage, error)
	hold    chan struct{} // "Ask" waits for it when the input asks so
}

func setUp(t *testing.T, cfg stepfunctions.Config) *fixture {
	t.Helper()
	f := &fixture{hold: make(chan struct{})}
	f.answer = func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
		in := string(task.Input)
		if strings.Contains(in, `"hold"`) {
			select {
			case <-f.hold:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if strings.Contains(in, `"wrong"`) {
			return nil, &asl.Failure{Name: "Wrong", Cause: "asked to"}
		}
		return json.RawMessage(`42`), nil
	}
	cfg.Task = func(ctx context.Context, task asl.Task) (json.RawMessage, error) { return f.answer(ctx, task) }
	if cfg.Clock == nil {
		f.clock = asl.NewVirtualClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		cfg.Clock = f.clock
	}
	f.svc = stepfunctions.New(cfg)
	m, err := asl.Load([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.machine, err = f.svc.Register("rotation", m); err != nil {
		t.Fatal(err)
	}
	h, err := wire.New(wire.Config{}, f.svc)
	if err != nil {
		t.Fatal(err)
	}
	server, err := wire.Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	f.url = server.URL
	f.Client = f.client("us-east-1")
	t.Cleanup(func() {
		f.svc.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) client(region string) *sfn.Client {
	return sfn.New(sfn.Options{
		Region: region, BaseEndpoint: aws.String(f.url),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// start starts an execution and, if asked, waits for its end.
func (f *fixture) start(t *testing.T, name, input string, wait bool) string {
	t.Helper()
	out, err := f.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &f.machine, Name: optional(name), Input: optional(input),
	})
	if err != nil {
		t.Fatal(err)
	}
	if wait {
		if _, err := f.svc.Wait(t.Context(), *out.ExecutionArn); err != nil {
			t.Fatal(err)
		}
	}
	return *out.ExecutionArn
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (f *fixture) describe(t *testing.T, arn string) *sfn.DescribeExecutionOutput {
	t.Helper()
	out, err := f.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// history lists "id<-previous type name" of all events.
func (f *fixture) history(t *testing.T, arn string) []string {
	t.Helper()
	var lines []string
	pages := sfn.NewGetExecutionHistoryPaginator(f, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 4})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			line := fmt.Sprintf("%d<-%d %s", e.Id, e.PreviousEventId, e.Type)
			if e.StateEnteredEventDetails != nil {
				line += " " + *e.StateEnteredEventDetails.Name
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestExecutionSucceeds(t *testing.T) {
	var seen []asl.EventType
	f := setUp(t, stepfunctions.Config{Observe: func(e stepfunctions.Execution, event asl.Event) {
		if e.Name != "one" || !strings.HasSuffix(e.ARN, ":execution:rotation:one") {
			t.Errorf("observed %+v", e)
		}
		seen = append(seen, event.Type)
	}})
	arn := f.start(t, "one", `{"wait":86400}`, true)
	out := f.describe(t, arn)
	if out.Status != types.ExecutionStatusSucceeded || *out.Output != `{"wait":86400,"answer":42}` || *out.Input != `{"wait":86400}` ||
		out.StopDate.Sub(*out.StartDate) != 24*time.Hour || *out.StateMachineArn != f.machine || *out.Name != "one" ||
		out.RedriveStatus != types.ExecutionRedriveStatusNotRedrivable || *out.RedriveStatusReason != "Execution is SUCCEEDED and cannot be redriven" {
		t.Errorf("described as %+v", out)
	}
	want := []string{
		"1<-0 ExecutionStarted",
		"2<-0 TaskStateEntered Ask", "3<-2 LambdaFunctionScheduled", "4<-3 LambdaFunctionStarted", "5<-4 LambdaFunctionSucceeded", "6<-5 TaskStateExited",
		"7<-6 TaskStateEntered Publish", "8<-7 TaskScheduled", "9<-8 TaskStarted", "10<-9 TaskSucceeded", "11<-10 TaskStateExited",
		"12<-11 WaitStateEntered Rest", "13<-12 WaitStateExited",
		"14<-13 SucceedStateEntered Done", "15<-14 SucceedStateExited",
		"16<-15 ExecutionSucceeded",
	}
	if diff := cmp.Diff(want, f.history(t, arn)); diff != "" {
		t.Error(diff)
	}
	if len(seen) != len(want) {
		t.Errorf("observed %v", seen)
	}
}

func TestHistoryDetails(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	arn := f.start(t, "one", `{"wait":0}`, true)
	out, err := f.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	at := func(typ types.HistoryEventType) types.HistoryEvent {
		i := slices.IndexFunc(out.Events, func(e types.HistoryEvent) bool { return e.Type == typ })
		if i < 0 {
			t.Fatalf("no %s", typ)
		}
		return out.Events[i]
	}
	if d := at("ExecutionStarted").ExecutionStartedEventDetails; *d.Input != `{"wait":0}` || *d.RoleArn == "" {
		t.Errorf("%+v", d)
	}
	if d := at("LambdaFunctionScheduled").LambdaFunctionScheduledEventDetails; *d.Resource != "arn:aws:lambda:us-east-1:123456789012:function:ask" || *d.TimeoutInSeconds != 30 || *d.Input != `{"wait":0}` {
		t.Errorf("%+v", d)
	}
	if d := at("TaskScheduled").TaskScheduledEventDetails; *d.Resource != "publish" || *d.ResourceType != "sns" || *d.Region != "us-east-1" || *d.Parameters != `{"Message":"hello"}` {
		t.Errorf("%+v", d)
	}
	if d := at("ExecutionSucceeded").ExecutionSucceededEventDetails; *d.Output != `{"wait":0,"answer":42}` {
		t.Errorf("%+v", d)
	}
	// Without data.
	bare, err := f.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(false), ReverseOrder: true, MaxResults: 1})
	if err != nil {
		t.Fatal(err)
	}
	if e := bare.Events[0]; len(bare.Events) != 1 || e.Type != "ExecutionSucceeded" || e.ExecutionSucceededEventDetails.Output != nil || bare.NextToken == nil {
		t.Errorf("%+v", bare)
	}
	bare, err = f.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, ReverseOrder: true, MaxResults: 1000, NextToken: bare.NextToken})
	if err != nil || len(bare.Events) != len(out.Events)-1 || bare.Events[0].Id != int64(len(out.Events)-1) || bare.NextToken != nil {
		t.Errorf("%+v %v", bare, err)
	}
}

func TestExecutionFails(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	arn := f.start(t, "", `{"wait":0,"wrong":1}`, true)
	out := f.describe(t, arn)
	if out.Status != types.ExecutionStatusFailed || *out.Error != "Sorry" || *out.Cause != "It went wrong" || out.Output != nil || out.RedriveStatus != types.ExecutionRedriveStatusRedrivable {
		t.Errorf("%+v", out)
	}
	if h := f.history(t, arn); !slices.Contains(h, "5<-4 LambdaFunctionFailed") || !slices.Contains(h, "7<-6 FailStateEntered Sorry") || h[7] != "8<-7 ExecutionFailed" {
		t.Errorf("%v", h)
	}
}

func TestStartIsIdempotent(t *testing.T) {
	f := setUp(t, stepfunctions.Config{Clock: asl.RealClock{}})
	const input = `{"hold":1, "wait":0}`
	first := f.start(t, "one", input, false)
	if again := f.start(t, "one", `{"hold":1,"wait":0}`, false); again != first {
		t.Errorf("started %s and %s", first, again)
	}
	_, err := f.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &f.machine, Name: aws.String("one"), Input: aws.String(`{}`)})
	if code(err) != "ExecutionAlreadyExists" {
		t.Errorf("other input: %v", err)
	}
	close(f.hold)
	if _, err := f.svc.Wait(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	_, err = f.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &f.machine, Name: aws.String("one"), Input: aws.String(input)})
	if code(err) != "ExecutionAlreadyExists" {
		t.Errorf("after the end: %v", err)
	}
}

func TestErrors(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	arn := f.start(t, "one", `{"wait":0}`, true)
	start := func(machine, name, input string) error {
		_, err := f.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: &input})
		return err
	}
	describe := func(arn string) error {
		_, err := f.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		return err
	}
	list := func(in *sfn.ListExecutionsInput) error {
		_, err := f.ListExecutions(t.Context(), in)
		return err
	}
	_, elsewhere := f.client("eu-central-1").DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	_, badToken := f.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, NextToken: aws.String("x")})
	_, noMachine := f.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(f.machine + "x")})
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"name with a space", start(f.machine, "a b", "{}"), "InvalidName"},
		{"name with a slash", start(f.machine, "a/b", "{}"), "InvalidName"},
		{"long name", start(f.machine, strings.Repeat("x", 81), "{}"), "ValidationException"},
		{"input is no JSON", start(f.machine, "x", "{"), "InvalidExecutionInput"},
		{"large input", start(f.machine, "x", `"`+strings.Repeat("x", asl.MaxPayload)+`"`), "ValidationException"},
		{"no such machine", start(f.machine+"x", "x", "{}"), "StateMachineDoesNotExist"},
		{"version of a machine", start(f.machine+":1", "x", "{}"), "StateMachineDoesNotExist"},
		{"no ARN", start("rotation", "x", "{}"), "InvalidArn"},
		{"execution for a machine", start(arn, "x", "{}"), "InvalidArn"},
		{"no such execution", describe(arn + "x"), "ExecutionDoesNotExist"},
		{"machine for an execution", describe(f.machine), "InvalidArn"},
		{"another Region", elsewhere, "ExecutionDoesNotExist"},
		{"token", badToken, "InvalidToken"},
		{"describe no machine", noMachine, "StateMachineDoesNotExist"},
		{"status filter", list(&sfn.ListExecutionsInput{StateMachineArn: &f.machine, StatusFilter: "DONE"}), "ValidationException"},
		{"page size", list(&sfn.ListExecutionsInput{StateMachineArn: &f.machine, MaxResults: 1001}), "ValidationException"},
		{"map run", list(&sfn.ListExecutionsInput{MapRunArn: aws.String("x")}), "ValidationException"},
		{"list without a machine", list(&sfn.ListExecutionsInput{}), "ValidationException"},
	} {
		if got := code(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, tc.err, tc.want)
		}
	}
}
