package stepfunctions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/stepfunctions"
)

// fleet runs the machine "rotation" for each item, two at a time.
const fleet = `{"StartAt":"Each","States":{"Each":{"Type":"Map","MaxConcurrency":2,"ToleratedFailureCount":1,"Label":"Each","ItemProcessor":{
  "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Run","States":{
  "Run":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"${Machine}","Name.$":"$.name","Input.$":"$.input"},"End":true}}},
  "End":true}}}`

// fleetOf starts the fleet for items and returns its execution.
func (f *fixture) fleetOf(t *testing.T, items string) string {
	t.Helper()
	ask := f.answer
	f.answer = func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
		if strings.Contains(task.Resource, "startExecution") {
			return f.svc.RunNested(ctx, task.Input)
		}
		return ask(ctx, task)
	}
	m, err := asl.Load([]byte(fleet), map[string]string{"Machine": f.machine})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := f.svc.Register("fleet", m)
	if err != nil {
		t.Fatal(err)
	}
	arn, err := f.svc.Start(machine, "", json.RawMessage(items))
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func TestNestedExecutions(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	began := f.clock.Now()
	arn := f.fleetOf(t, `[{"name":"a","input":{"wait":100}},{"name":"b","input":{"wait":100,"how":"wrong"}},{"name":"c","input":{"wait":100}},{"name":"d","input":{"wait":50}}]`)
	result, err := f.svc.Wait(t.Context(), arn)
	if err != nil || result.Status != asl.Succeeded {
		t.Fatalf("%+v %v", result, err)
	}
	var outputs []struct {
		ExecutionArn, Name, Status string
		Output                     struct{ Answer int }
	}
	if err := json.Unmarshal(result.Output, &outputs); err != nil || len(outputs) != 3 || outputs[0].Name != "a" || outputs[0].Output.Answer != 42 || outputs[0].Status != "SUCCEEDED" {
		t.Errorf("%v: %s", err, result.Output)
	}
	// a and c in turn; d beside c.
	if took := f.clock.Now().Sub(began); took != 150*time.Second {
		t.Errorf("took %s", took)
	}
	runs, err := f.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &arn})
	if err != nil || len(runs.MapRuns) != 1 {
		t.Fatal(runs, err)
	}
	if got := aws.ToString(runs.MapRuns[0].StateMachineArn); !strings.HasSuffix(got, ":stateMachine:fleet/Each") {
		t.Error(got)
	}
	run, err := f.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	if err != nil || run.ItemCounts.Succeeded != 3 || run.ItemCounts.Failed != 1 || run.ItemCounts.Total != 4 || run.Status != types.MapRunStatusSucceeded || run.ToleratedFailureCount != 1 {
		t.Errorf("%+v %v", run, err)
	}
}

// The cause of a nested failure is the description of the execution; a name that
// was used is refused; and an execution goes on when its parent is stopped.
func TestNestedFailures(t *testing.T) {
	f := setUp(t, stepfunctions.Config{Clock: asl.RealClock{}})
	var calls atomic.Int64
	for name, want := range map[string]string{
		`{"StateMachineArn":"MACHINE","Name":"x","Input":{"how":"wrong"}}`:    `States.TaskFailed: {"ExecutionArn":"arn:aws:states:us-east-1:123456789012:execution:rotation:x","Input":"{\"how\":\"wrong\"}"`,
		`{"StateMachineArn":"MACHINE","Name":"a b","Input":{}}`:               `StepFunctions.InvalidNameException`,
		`{"StateMachineArn":"MACHINEx","Name":"y","Input":{}}`:                `StepFunctions.StateMachineDoesNotExistException`,
		`{"StateMachineArn":"MACHINE","Name":{"no":"text"},"Input":{"a":{}}}`: `States.Runtime`,
	} {
		calls.Add(1)
		_, err := f.svc.RunNested(t.Context(), json.RawMessage(strings.Replace(name, "MACHINE", f.machine, 1)))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	again := json.RawMessage(fmt.Sprintf(`{"StateMachineArn":%q,"Name":"x","Input":{}}`, f.machine))
	if _, err := f.svc.RunNested(t.Context(), again); err == nil || !strings.HasPrefix(err.Error(), "StepFunctions.ExecutionAlreadyExistsException") {
		t.Error(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	went := make(chan error, 1)
	go func() {
		_, err := f.svc.RunNested(ctx, json.RawMessage(fmt.Sprintf(`{"StateMachineArn":%q,"Name":"held","Input":{"how":"hold","wait":0}}`, f.machine)))
		went <- err
	}()
	arn := strings.Replace(f.machine, "stateMachine", "execution", 1) + ":held"
	for {
		if d, err := f.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn}); err == nil && d.Status == types.ExecutionStatusRunning {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-went; err == nil {
		t.Error("the task did not end with its parent")
	}
	close(f.hold)
	if r, err := f.svc.Wait(t.Context(), arn); err != nil || r.Status != asl.Succeeded {
		t.Errorf("%+v %v: the nested execution must go on", r, err)
	}
}

func TestMapRunErrors(t *testing.T) {
	f := setUp(t, stepfunctions.Config{})
	for _, arn := range []string{f.machine, "arn:aws:states:us-east-1:123456789012:mapRun:fleet/Each:none"} {
		if _, err := f.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: &arn}); err == nil {
			t.Errorf("%s is described", arn)
		}
	}
}
