package stepfunctions_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/stepfunctions"
)

func TestStop(t *testing.T) {
	f := setUp(t, stepfunctions.Config{Clock: asl.RealClock{}})
	arn := f.start(t, "one", `{"hold":1,"wait":0}`, false)
	stopped, err := f.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn, Error: aws.String("Enough"), Cause: aws.String("by hand")})
	if err != nil {
		t.Fatal(err)
	}
	out := f.describe(t, arn)
	if out.Status != types.ExecutionStatusAborted || *out.Error != "Enough" || *out.Cause != "by hand" || !out.StopDate.Equal(*stopped.StopDate) {
		t.Errorf("%+v", out)
	}
	again, err := f.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
	if err != nil || !again.StopDate.Equal(*stopped.StopDate) {
		t.Errorf("stopping again: %v %v", again, err)
	}
}

func TestRedrive(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	broken := true
	f.answer = func(_ context.Context, task asl.Task) (json.RawMessage, error) {
		if task.State == "Publish" && broken {
			return nil, &asl.Failure{Name: "SNS.AuthorizationErrorException"}
		}
		return json.RawMessage(`42`), nil
	}
	arn := f.start(t, "one", `{"wait":5}`, true)
	broken = false
	token := aws.String("token")
	first, err := f.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.svc.Wait(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	out := f.describe(t, arn)
	if out.Status != types.ExecutionStatusSucceeded || aws.ToInt32(out.RedriveCount) != 1 || !out.RedriveDate.Equal(*first.RedriveDate) || out.Error != nil {
		t.Errorf("%+v", out)
	}
	want := []string{
		"9<-8 TaskStarted", "10<-9 TaskFailed", "11<-10 ExecutionFailed",
		"12<-11 ExecutionRedriven",
		"13<-12 TaskStateEntered Publish", "14<-13 TaskScheduled",
	}
	if diff := cmp.Diff(want, f.history(t, arn)[8:14]); diff != "" {
		t.Error(diff)
	}
	again, err := f.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: token})
	if err != nil || !again.RedriveDate.Equal(*first.RedriveDate) {
		t.Errorf("the same token: %v %v", again, err)
	}
	_, err = f.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn})
	if code(err) != "ExecutionNotRedrivable" {
		t.Errorf("after success: %v", err)
	}
}

func TestRedriveOfFailState(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	arn := f.start(t, "one", `{"wait":5,"wrong":1}`, true)
	if _, err := f.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.svc.Wait(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	if out := f.describe(t, arn); out.Status != types.ExecutionStatusFailed || *out.Error != "Sorry" {
		t.Errorf("%+v", out)
	}
	h := f.history(t, arn)
	if got := h[len(h)-3:]; !slices.Equal(got, []string{"9<-8 ExecutionRedriven", "10<-9 FailStateEntered Sorry", "11<-10 ExecutionFailed"}) {
		t.Errorf("%v", got)
	}
}

func TestRedriveWindow(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	arn := f.start(t, "one", `{"wait":5,"wrong":1}`, true)
	if err := f.clock.Sleep(t.Context(), 14*24*time.Hour+time.Second); err != nil {
		t.Fatal(err)
	}
	_, err := f.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn})
	if code(err) != "ExecutionNotRedrivable" {
		t.Errorf("%v", err)
	}
	if out := f.describe(t, arn); *out.RedriveStatusReason != "Execution redrivable period exceeded" {
		t.Errorf("%+v", out)
	}
}

func TestClose(t *testing.T) {
	f := setUp(t, stepfunctions.Config{Clock: asl.RealClock{}})
	arn := f.start(t, "one", `{"hold":1,"wait":0}`, false)
	f.svc.Close()
	if out := f.describe(t, arn); out.Status != types.ExecutionStatusAborted || *out.Error != "Sandbox.Closed" {
		t.Errorf("%+v", out)
	}
	if _, err := f.svc.Start(f.machine, "two", nil); err == nil {
		t.Error("started after Close")
	}
	f.svc.Close() // again does no harm
}

func TestListExecutions(t *testing.T) {
	f := setUp(t, stepfunctions.Config{Keep: 4})
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		input := `{"wait":1}`
		if name == "d" {
			input = `{"wait":1,"wrong":1}`
		}
		f.start(t, name, input, true)
	}
	list := func(size int32, status types.ExecutionStatus) (names []string) {
		pages := sfn.NewListExecutionsPaginator(f, &sfn.ListExecutionsInput{StateMachineArn: &f.machine, MaxResults: size, StatusFilter: status})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if size > 0 && len(page.Executions) > int(size) {
				t.Errorf("a page of %d", len(page.Executions))
			}
			for _, e := range page.Executions {
				names = append(names, *e.Name)
			}
		}
		return names
	}
	// The last start made room before "f" had ended, hence five.
	for _, size := range []int32{0, 1, 2, 5} {
		if got := list(size, ""); !slices.Equal(got, []string{"f", "e", "d", "c", "b"}) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	if got := list(1, types.ExecutionStatusFailed); !slices.Equal(got, []string{"d"}) {
		t.Errorf("failed: %v", got)
	}
	if got := list(0, types.ExecutionStatusRunning); got != nil {
		t.Errorf("running: %v", got)
	}
}

func TestStateMachines(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	m, err := asl.Load([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.svc.Register("rotation", m); err == nil {
		t.Error("registered twice")
	}
	if _, err := f.svc.Register("a b", m); err == nil {
		t.Error("registered a bad name")
	}
	if _, err := f.svc.Register("fleet", m); err != nil {
		t.Fatal(err)
	}
	var names []string
	pages := sfn.NewListStateMachinesPaginator(f, &sfn.ListStateMachinesInput{MaxResults: 1})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.StateMachines {
			names = append(names, *m.Name)
		}
	}
	if !slices.Equal(names, []string{"fleet", "rotation"}) {
		t.Errorf("%v", names)
	}
	elsewhere, err := f.client("eu-central-1").ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
	if err != nil || len(elsewhere.StateMachines) != 0 {
		t.Errorf("another Region: %v %v", elsewhere, err)
	}
	out, err := f.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: &f.machine})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != types.StateMachineStatusActive || out.Type != types.StateMachineTypeStandard || out.CreationDate == nil {
		t.Errorf("%+v", out)
	}
	if again, err := asl.Load([]byte(*out.Definition), nil); err != nil || len(again.States()) != 5 {
		t.Errorf("the definition does not load: %v", err)
	}
	arn := f.start(t, "", "", true)
	of, err := f.DescribeStateMachineForExecution(t.Context(), &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &arn, IncludedData: types.IncludedDataMetadataOnly})
	if err != nil || *of.Name != "rotation" || *of.Definition != "{}" || of.UpdateDate == nil {
		t.Errorf("%+v %v", of, err)
	}
}
