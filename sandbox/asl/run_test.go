package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const lambda = "arn:aws:lambda:eu-central-1:123456789012:function:f"

func load(t *testing.T, definition string) *asl.Machine {
	t.Helper()
	m, err := asl.Load([]byte(definition), map[string]string{"F": lambda})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// one makes a machine of one state, whose fields are given, and an end.
func one(fields string) string {
	return `{"StartAt":"S","States":{"S":{` + fields + `}}}`
}

func TestDataFlow(t *testing.T) {
	echo := func(_ context.Context, task asl.Task) (json.RawMessage, error) { return task.Input, nil }
	for _, tc := range []struct{ name, state, input, want string }{
		{"pass", `"Type":"Pass","End":true`, `{"a":1.50}`, `{"a":1.50}`},
		{"pass result", `"Type":"Pass","Result":{"x":[1e2]},"ResultPath":"$.r.s","End":true`, `{"a":1}`, `{"a":1,"r":{"s":{"x":[1e2]}}}`},
		{"result path null", `"Type":"Pass","Result":1,"ResultPath":null,"End":true`, `{"a":1}`, `{"a":1}`},
		{"input path", `"Type":"Pass","InputPath":"$.a[1]['b c']","End":true`, `{"a":[0,{"b c":"x"}]}`, `"x"`},
		{"input path null", `"Type":"Pass","InputPath":null,"End":true`, `{"a":1}`, `{}`},
		{"input path of the context", `"Type":"Pass","InputPath":"$$.Execution.Name","End":true`, `{}`, `"run"`},
		{"output path", `"Type":"Succeed","OutputPath":"$.a"`, `{"a":{"b":null}}`, `{"b":null}`},
		{"output path null", `"Type":"Succeed","OutputPath":null`, `{"a":1}`, `{}`},
		{
			"parameters", `"Type":"Pass","Parameters":{"k":"$.a","a.$":"$.a","list":[{"b.$":"$$.State.Name"}],"e.$":"$$.Execution.Input.a"},"End":true`,
			`{"a":{"z":1,"b":2}}`, `{"k":"$.a","a":{"z":1,"b":2},"list":[{"b":"S"}],"e":{"z":1,"b":2}}`,
		},
		{
			"context", `"Type":"Pass","Parameters":{"e.$":"$$.Execution","s.$":"$$.State","m.$":"$$.StateMachine"},"End":true`, `{}`,
			`{"e":{"Id":"arn:run","Input":{},"Name":"run","StartTime":"2026-03-01T12:00:00.000Z","RedriveCount":0},` +
				`"s":{"Name":"S","EnteredTime":"2026-03-01T12:00:00.000Z","RetryCount":0},"m":{"Id":"arn:machine","Name":"machine"}}`,
		},
		{
			"task", `"Type":"Task","Resource":"${F}","InputPath":"$.in","Parameters":{"p.$":"$.x"},"ResultSelector":{"r.$":"$.p","n.$":"$$.State.RetryCount"},"ResultPath":"$.out","OutputPath":"$.out","End":true`,
			`{"in":{"x":7}}`, `{"r":7,"n":0}`,
		},
		{"wait", `"Type":"Wait","SecondsPath":"$.n","End":true`, `{"n":5}`, `{"n":5}`},
		{"html is not escaped", `"Type":"Pass","Parameters":{"s.$":"States.JsonToString($)"},"End":true`, `{"a":"<&>"}`, `{"s":"{\"a\":\"<&>\"}"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result := load(t, one(tc.state)).Run(t.Context(), asl.Run{
				Input: json.RawMessage(tc.input), Task: echo, Clock: asl.NewVirtualClock(epoch),
				Execution: asl.Execution{ARN: "arn:run", Name: "run"}, StateMachine: asl.StateMachine{ARN: "arn:machine", Name: "machine"},
			})
			if result.Status != asl.Succeeded || string(result.Output) != tc.want {
				t.Errorf("got %s %s %s %s, want %s", result.Status, result.Output, result.Error, result.Cause, tc.want)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const any = `"Type":"Task","Resource":"${F}","Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"Next":"C"`
	task := func(_ context.Context, task asl.Task) (json.RawMessage, error) {
		switch in := string(task.Input); in {
		case `"fail"`:
			return nil, &asl.Failure{Name: "Broken", Cause: "by hand"}
		case `"wrapped"`:
			return nil, errors.Join(&asl.Failure{Name: "Broken", Cause: "by hand"})
		case `"other"`:
			return nil, errors.New("some error")
		case `"panic"`:
			panic("hunter2")
		case `"big"`:
			return json.RawMessage(`"` + strings.Repeat("x", asl.MaxPayload) + `"`), nil
		case `"bad"`:
			return json.RawMessage(`{`), nil
		case `"runtime"`:
			return nil, &asl.Failure{Name: asl.ErrorRuntime, Cause: "by hand"}
		default:
			return json.RawMessage(in), nil
		}
	}
	for _, tc := range []struct {
		name, state, input, status, err, cause string // cause is a part of it
	}{
		{"fail", `"Type":"Fail","Error":"E","Cause":"C"`, `{}`, "FAILED", "E", "C"},
		{"fail without a word", `"Type":"Fail"`, `{}`, "FAILED", "", ""},
		{"fail by path", `"Type":"Fail","ErrorPath":"$.e","CausePath":"States.Format('{}!', $.c)"`, `{"e":"E","c":"C"}`, "FAILED", "E", "C!"},
		{"fail as a runtime error", `"Type":"Fail","ErrorPath":"$.e"`, `{"e":"States.Runtime"}`, "FAILED", "States.Runtime", ""},
		{"fail path missing", `"Type":"Fail","ErrorPath":"$.e"`, `{}`, "FAILED", "States.Runtime", "'S' (entered at the event id #2)"},
		{"fail path not text", `"Type":"Fail","ErrorPath":"$.e"`, `{"e":1}`, "FAILED", "States.Runtime", "ErrorPath"},
		{"input path", `"Type":"Pass","InputPath":"$.x","End":true`, `{}`, "FAILED", "States.Runtime", "$.x"},
		{"output path", `"Type":"Pass","OutputPath":"$.x","End":true`, `{}`, "FAILED", "States.Runtime", "$.x"},
		{"parameters", `"Type":"Pass","Parameters":{"a.$":"$.x"},"End":true`, `{}`, "FAILED", "States.Runtime", "'a.$'"},
		{"intrinsic", `"Type":"Pass","Parameters":{"a.$":"States.StringToJson($.x)"},"End":true`, `{"x":"{"}`, "FAILED", "States.Runtime", "States.StringToJson"},
		{"result path", `"Type":"Pass","Result":1,"ResultPath":"$.a.b","End":true`, `{"a":1}`, "FAILED", "States.ResultPathMatchFailure", "$.a.b"},
		{"choice without a match", `"Type":"Choice","Choices":[{"Variable":"$.a","StringEquals":"x","Next":"T"}]},"T":{"Type":"Succeed"`, `{"a":"y"}`, "FAILED", "States.NoChoiceMatched", "'S'"},
		{"choice without the value", `"Type":"Choice","Choices":[{"Variable":"$.a","StringEquals":"x","Next":"T"}],"Default":"T"},"T":{"Type":"Succeed"`, `{}`, "FAILED", "States.Runtime", "Invalid path '$.a'"},
		{"wait timestamp", `"Type":"Wait","TimestampPath":"$.t","End":true`, `{"t":"tomorrow"}`, "FAILED", "States.Runtime", "TimestampPath"},
		{"wait seconds", `"Type":"Wait","SecondsPath":"$.t","End":true`, `{"t":-1}`, "FAILED", "States.Runtime", "SecondsPath"},
		{"task", any + `},"C":{"Type":"Succeed"`, `"fail"`, "SUCCEEDED", `{"Error":"Broken","Cause":"by hand"}`, ""},
		{"task, wrapped", any + `},"C":{"Type":"Succeed"`, `"wrapped"`, "SUCCEEDED", `{"Error":"Broken","Cause":"by hand"}`, ""},
		{"task, other error", any + `},"C":{"Type":"Succeed"`, `"other"`, "SUCCEEDED", `{"Error":"States.TaskFailed","Cause":"some error"}`, ""},
		{"task result is no JSON", any + `},"C":{"Type":"Succeed"`, `"bad"`, "SUCCEEDED", `{"Error":"States.TaskFailed","Cause":"The result is not JSON: unexpected end of JSON input"}`, ""},
		{"task panics", `"Type":"Task","Resource":"${F}","End":true`, `"panic"`, "FAILED", "Runtime.ExitError", "panicked with a string"},
		{"runtime is not caught", any + `},"C":{"Type":"Succeed"`, `"runtime"`, "FAILED", "States.Runtime", "by hand"},
		{"data limit is not caught by ALL", any + `},"C":{"Type":"Succeed"`, `"big"`, "FAILED", "States.DataLimitExceeded", "'S'"},
		{"data limit is caught by name", `"Type":"Task","Resource":"${F}","Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"ResultPath":null,"Next":"C"}],"Next":"C"},"C":{"Type":"Succeed"`, `"big"`, "SUCCEEDED", `"big"`, ""},
		{"result path failure is caught", `"Type":"Task","Resource":"${F}","ResultPath":"$.a","Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"C"}],"Next":"C"},"C":{"Type":"Succeed"`, `1`, "SUCCEEDED", `1`, ""},
		{"path failure is not caught", `"Type":"Task","Resource":"${F}","Parameters":{"a.$":"$.x"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"Next":"C"},"C":{"Type":"Succeed"`, `{}`, "FAILED", "States.Runtime", "'a.$'"},
		{"input too large", `"Type":"Pass","End":true`, `"` + strings.Repeat("x", asl.MaxPayload) + `"`, "FAILED", "States.DataLimitExceeded", ""},
		{"output too large", `"Type":"Pass","Parameters":{"a.$":"$","b.$":"$"},"End":true`, `"` + strings.Repeat("x", asl.MaxPayload/2) + `"`, "FAILED", "States.DataLimitExceeded", "'S'"},
		{"task input too large", `"Type":"Task","Resource":"${F}","Parameters":{"a.$":"$","b.$":"$"},"End":true`, `"` + strings.Repeat("x", asl.MaxPayload/2) + `"`, "FAILED", "States.DataLimitExceeded", "'S'"},
		{"input is no JSON", `"Type":"Pass","End":true`, `{`, "FAILED", "States.Runtime", "not JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := load(t, one(tc.state)).Run(t.Context(), asl.Run{Input: json.RawMessage(tc.input), Task: task, Clock: asl.NewVirtualClock(epoch)})
			got := r.Error
			if r.Status == asl.Succeeded {
				got = string(r.Output)
			}
			if string(r.Status) != tc.status || got != tc.err || !strings.Contains(r.Cause, tc.cause) {
				t.Errorf("got %s %q %q", r.Status, got, r.Cause)
			}
			if strings.Contains(r.Cause, "hunter2") {
				t.Errorf("the cause tells a panic's value: %s", r.Cause)
			}
			if (r.Checkpoint == nil) != (r.Status == asl.Succeeded) {
				t.Errorf("checkpoint %v", r.Checkpoint)
			}
		})
	}
}

const retrying = `{"StartAt":"S","TimeoutSeconds":1000,"States":{"S":{"Type":"Task","Resource":"${F}","TimeoutSeconds":10,
  "Retry":[
    {"ErrorEquals":["A"],"IntervalSeconds":1,"BackoffRate":3,"MaxDelaySeconds":5,"MaxAttempts":4,"JitterStrategy":"FULL"},
    {"ErrorEquals":["States.Timeout"],"MaxAttempts":1},
    {"ErrorEquals":["States.TaskFailed"],"MaxAttempts":0}],
  "Catch":[{"ErrorEquals":["States.Timeout"],"ResultPath":"$.late","Next":"Late"},{"ErrorEquals":["States.TaskFailed"],"ResultPath":"$.error","Next":"Caught"}],
  "ResultPath":"$.r","End":true},
  "Late":{"Type":"Succeed"},"Caught":{"Type":"Succeed"}}}`

func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		name   string
		errors []string // one per attempt; "" succeeds, "late" takes too long
		jitter float64
		path   []string
		took   time.Duration
		output string
	}{
		{"success", []string{""}, 1, []string{"S"}, 0, `{"r":1}`},
		{"back-off with a cap", []string{"A", "A", "A", ""}, 1, []string{"S"}, 9 * time.Second, `{"r":1}`},
		{"jitter at zero", []string{"A", "A", "A", ""}, 0, []string{"S"}, 0, `{"r":1}`},
		{"jitter in between", []string{"A", "A", ""}, 0.5, []string{"S"}, 2 * time.Second, `{"r":1}`},
		{"used up", []string{"A", "A", "A", "A", "A"}, 1, []string{"S", "Caught"}, 14 * time.Second, `{"error":{"Error":"A","Cause":"attempt 4"}}`},
		{"timeout", []string{"late", ""}, 1, []string{"S"}, 11 * time.Second, `{"r":1}`},
		{"timeouts", []string{"late", "late"}, 1, []string{"S", "Late"}, 21 * time.Second, `{"late":{"Error":"States.Timeout","Cause":""}}`},
		{"each retrier counts for itself", []string{"A", "late", "A", "A", ""}, 1, []string{"S"}, 20 * time.Second, `{"r":1}`},
		{"no attempts", []string{"B"}, 1, []string{"S", "Caught"}, 0, `{"error":{"Error":"B","Cause":"attempt 0"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock := asl.NewVirtualClock(epoch)
			attempts := 0
			r := load(t, retrying).Run(t.Context(), asl.Run{
				Clock: clock, Jitter: func() float64 { return tc.jitter },
				Task: func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
					name := tc.errors[attempts]
					if task.Retry != attempts {
						t.Errorf("retry %d in attempt %d", task.Retry, attempts)
					}
					attempts++
					switch name {
					case "":
						return json.RawMessage("1"), nil
					case "late":
						if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("woken with %v", err)
						}
						return json.RawMessage("2"), nil
					}
					return nil, &asl.Failure{Name: name, Cause: "attempt " + string(rune('0'+task.Retry))}
				},
			})
			if took := clock.Now().Sub(epoch); took != tc.took || attempts != len(tc.errors) {
				t.Errorf("took %s with %d attempts, want %s with %d", took, attempts, tc.took, len(tc.errors))
			}
			if string(r.Output) != tc.output {
				t.Errorf("output %s, want %s", r.Output, tc.output)
			}
			if diff := cmp.Diff(tc.path, r.Path); diff != "" {
				t.Error(diff)
			}
		})
	}
}
