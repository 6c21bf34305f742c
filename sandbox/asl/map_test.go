package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// mapping makes a machine of one Map, with further fields, over a processor of
// a Wait and a Task.
func mapping(mode, fields string) string {
	config := ""
	if mode == "DISTRIBUTED" {
		config = `"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`
	}
	return one(`"Type":"Map",` + fields + `"ItemProcessor":{` + config + `"StartAt":"W","States":{
	  "W":{"Type":"Wait","Seconds":10,"Next":"T"},
	  "T":{"Type":"Task","Resource":"${F}","End":true}}},"End":true},"C":{"Type":"Succeed"`)
}

// caught adds a way to C.
const caught = `"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],`

// uncaught is the same with a name that nothing has, so that C can be reached.
const uncaught = `"Catch":[{"ErrorEquals":["Nothing"],"Next":"C"}],`

var modes = []string{"INLINE", "DISTRIBUTED"}

// doubling fails for the numbers that are to fail, and doubles the others.
func doubling(fails ...string) asl.TaskFunc {
	return func(_ context.Context, task asl.Task) (json.RawMessage, error) {
		if in := string(task.Input); slices.Contains(fails, in) {
			return nil, &asl.Failure{Name: "Odd", Cause: in}
		}
		return json.RawMessage(fmt.Sprintf("[%s,%s]", task.Input, task.Input)), nil
	}
}

func TestMapData(t *testing.T) {
	for _, tc := range []struct{ name, fields, input, want string }{
		{"items", caught, `[1,2,3]`, `[[1,1],[2,2],[3,3]]`},
		{"no items", caught, `[]`, `[]`},
		{"items path", caught + `"ItemsPath":"$.a.b",`, `{"a":{"b":[1]}}`, `[[1,1]]`},
		{"items of the input path", caught + `"InputPath":"$.a","ItemsPath":"$.b",`, `{"a":{"b":[1]}}`, `[[1,1]]`},
		{
			"item selector", caught + `"ItemsPath":"$.items","ItemSelector":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value.x","all.$":"$.k"},`,
			`{"items":[{"x":"a"},{"x":"b"}],"k":7}`, `[[{"i":0,"v":"a","all":7},{"i":0,"v":"a","all":7}],[{"i":1,"v":"b","all":7},{"i":1,"v":"b","all":7}]]`,
		},
		{"result path", caught + `"ItemsPath":"$.i","ResultPath":"$.o",`, `{"i":[1]}`, `{"i":[1],"o":[[1,1]]}`},
		{"result selector", caught + `"ResultSelector":{"n.$":"States.ArrayLength($)"},`, `[1,2]`, `{"n":2}`},
		{"result dropped", caught + `"ResultPath":null,`, `[1,2]`, `[1,2]`},
		{"one at a time", caught + `"MaxConcurrency":1,`, `[1,2,3]`, `[[1,1],[2,2],[3,3]]`},
		{"a runtime error is not caught", caught + `"ItemsPath":"$.a",`, `{}`, `States.Runtime`},
		{"items are no array", caught, `{}`, `States.Runtime`},
		{"an item cannot be selected", caught + `"ItemSelector":{"x.$":"$$.Map.Item.Value.y"},`, `[{"x":1}]`, `States.Runtime`},
		{"concurrency path", caught + `"ItemsPath":"$.i","MaxConcurrencyPath":"$.c",`, `{"i":[1],"c":2}`, `[[1,1]]`},
		{"concurrency is no number", caught + `"ItemsPath":"$.i","MaxConcurrencyPath":"$.c",`, `{"i":[1],"c":"2"}`, `States.Runtime`},
		{"too much comes back", caught, `["` + strings.Repeat("x", asl.MaxPayload/3) + `","` + strings.Repeat("y", asl.MaxPayload/3) + `"]`, `States.DataLimitExceeded`},
	} {
		for _, mode := range modes {
			t.Run(tc.name+" "+mode, func(t *testing.T) {
				r := load(t, mapping(mode, tc.fields)).Run(t.Context(), asl.Run{
					Input: json.RawMessage(tc.input), Clock: asl.NewVirtualClock(epoch), Task: doubling(),
				})
				got := string(r.Output)
				if r.Status == asl.Failed {
					got = r.Error
				}
				if got != tc.want {
					t.Errorf("got %.200s (%.300s), want %s", got, r.Cause, tc.want)
				}
			})
		}
	}
}

// What fails a Map, by what name, and whether the others still run.
func TestMapFailures(t *testing.T) {
	const five = `[0,1,2,3,4]`
	for _, tc := range []struct {
		mode, fields string
		fails        []string
		want         string // error, or the number of outputs
		calls        int64
	}{
		{"INLINE", `"MaxConcurrency":1,`, []string{"1"}, "Odd", 2},
		{"DISTRIBUTED", `"MaxConcurrency":1,`, []string{"1"}, asl.ErrorTolerance, 2},
		{"DISTRIBUTED", `"MaxConcurrency":1,"ToleratedFailureCount":1,`, []string{"1"}, "4", 5},
		{"DISTRIBUTED", `"MaxConcurrency":1,"ToleratedFailureCount":1,`, []string{"1", "2"}, asl.ErrorTolerance, 3},
		{"DISTRIBUTED", `"MaxConcurrency":1,"ToleratedFailurePercentage":40,`, []string{"0", "1"}, "3", 5},
		{"DISTRIBUTED", `"MaxConcurrency":1,"ToleratedFailurePercentage":39.9,`, []string{"0", "1"}, asl.ErrorTolerance, 2},
		{"DISTRIBUTED", `"MaxConcurrency":1,"ToleratedFailurePercentage":100,"ToleratedFailureCount":0,`, []string{"4"}, asl.ErrorTolerance, 5},
		{"DISTRIBUTED", `"ToleratedFailurePercentage":100,`, []string{"0", "1", "2", "3", "4"}, "0", 5},
	} {
		t.Run(tc.mode+tc.fields, func(t *testing.T) {
			var calls atomic.Int64
			task := doubling(tc.fails...)
			r := load(t, mapping(tc.mode, tc.fields+caught)).Run(t.Context(), asl.Run{
				Input: json.RawMessage(five), Clock: asl.NewVirtualClock(epoch),
				Task: func(ctx context.Context, t asl.Task) (json.RawMessage, error) {
					calls.Add(1)
					return task(ctx, t)
				},
			})
			var (
				failure struct{ Error string }
				outputs []json.RawMessage
			)
			got := ""
			if json.Unmarshal(r.Output, &outputs) == nil {
				got = fmt.Sprint(len(outputs))
			} else if json.Unmarshal(r.Output, &failure) == nil {
				got = failure.Error
			}
			if got != tc.want || calls.Load() != tc.calls {
				t.Errorf("got %s after %d calls (%s: %s), want %s after %d", got, calls.Load(), r.Error, r.Cause, tc.want, tc.calls)
			}
		})
	}
}

// Ten items of ten seconds take as long as the concurrency allows, on a clock
// that jumps.
func TestMapConcurrency(t *testing.T) {
	for _, mode := range modes {
		for most, want := range map[int]time.Duration{1: 100, 3: 40, 10: 10, 0: 10} {
			var now, peak atomic.Int64
			clock := asl.NewVirtualClock(epoch)
			m := load(t, strings.Replace(mapping(mode, fmt.Sprintf(`"MaxConcurrency":%d,`, most)+uncaught), `"Seconds":10`, `"Seconds":0`, 1))
			r := m.Run(t.Context(), asl.Run{
				Input: json.RawMessage(`[0,1,2,3,4,5,6,7,8,9]`), Clock: clock,
				Task: func(ctx context.Context, _ asl.Task) (json.RawMessage, error) {
					n := now.Add(1)
					defer now.Add(-1)
					for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
					}
					return nil, clock.Sleep(ctx, 10*time.Second)
				},
			})
			if took := clock.Now().Sub(epoch); r.Status != asl.Succeeded || took != want*time.Second || most > 0 && peak.Load() != int64(most) {
				t.Errorf("%s, concurrency %d: %s after %s with %d at once, want %ds", mode, most, r.Status, took, peak.Load(), want)
			}
		}
	}
}

func TestMapEvents(t *testing.T) {
	var h history
	r := load(t, mapping("INLINE", uncaught+`"MaxConcurrency":1,`)).Run(t.Context(), asl.Run{
		Input: json.RawMessage(`[0,1]`), Clock: asl.NewVirtualClock(epoch), Task: doubling("1"), Observe: h.observe,
	})
	want := history{
		"1<-0 ExecutionStarted", "2<-0 MapStateEntered S", "3<-2 MapStateStarted S",
		"4<-3 MapIterationStarted S", "5<-4 WaitStateEntered W", "6<-5 WaitStateExited W", "7<-6 TaskStateEntered T",
		"8<-7 LambdaFunctionScheduled T", "9<-8 LambdaFunctionStarted T", "10<-9 LambdaFunctionSucceeded T", "11<-10 TaskStateExited T", "12<-11 MapIterationSucceeded S",
		"13<-3 MapIterationStarted S", "14<-13 WaitStateEntered W", "15<-14 WaitStateExited W", "16<-15 TaskStateEntered T",
		"17<-16 LambdaFunctionScheduled T", "18<-17 LambdaFunctionStarted T", "19<-18 LambdaFunctionFailed T", "20<-19 MapIterationFailed S",
		"21<-20 MapStateFailed S", "22<-21 ExecutionFailed",
	}
	if diff := cmp.Diff(want, h); diff != "" || r.Error != "Odd" {
		t.Error(r.Error, diff)
	}
	if diff := cmp.Diff([]string{"S", "W", "T", "W", "T"}, r.Path); diff != "" {
		t.Error(diff)
	}
}

// Child executions have a name, a history and a context of their own; the Map
// Run counts them.
func TestDistributedMapIsObservable(t *testing.T) {
	var (
		mu       sync.Mutex
		h        history
		children = map[string]*history{}
		counts   []string
	)
	const arn = "arn:aws:states:eu-central-1:123456789012:execution:machine:run"
	m := load(t, strings.Replace(mapping("DISTRIBUTED", uncaught+`"MaxConcurrency":1,"Label":"Wave","ToleratedFailureCount":5,`), `"Resource":"${F}"`, `"Resource":"${F}","Parameters":{"n.$":"$","id.$":"$$.Execution.Id","machine.$":"$$.StateMachine.Name"}`, 1))
	r := m.Run(t.Context(), asl.Run{
		Input: json.RawMessage(`[0,1]`), Clock: asl.NewVirtualClock(epoch), Observe: h.observe,
		Execution: asl.Execution{ARN: arn, Name: "run"}, StateMachine: asl.StateMachine{ARN: "arn:machine", Name: "machine"},
		Task: func(_ context.Context, task asl.Task) (json.RawMessage, error) {
			var in struct{ ID, Machine string }
			if json.Unmarshal(task.Input, &in) != nil || in.ID != task.Execution.ARN || in.Machine != "machine/Wave" {
				t.Errorf("the context says %s", task.Input)
			}
			if strings.Contains(string(task.Input), `"n":1`) {
				return nil, errors.New("no")
			}
			return task.Input, nil
		},
		Child: func(e asl.Execution) func(asl.Event) {
			mu.Lock()
			defer mu.Unlock()
			children[e.ARN] = &history{}
			return children[e.ARN].observe
		},
		MapRun: func(m asl.MapRun) {
			counts = append(counts, fmt.Sprintf("%s %d+%d+%d+%d", m.Status, m.Pending, m.Running, m.Succeeded, m.Failed))
			if !strings.HasPrefix(m.ARN, "arn:aws:states:eu-central-1:123456789012:mapRun:machine/Wave:") || m.Total != 2 || m.Execution.ARN != arn {
				t.Errorf("%+v", m)
			}
		},
	})
	if r.Status != asl.Succeeded || len(children) != 2 {
		t.Fatalf("%+v, %d children", r, len(children))
	}
	for child, events := range children {
		if !strings.HasPrefix(child, "arn:aws:states:eu-central-1:123456789012:execution:machine/Wave:") || len(*events) < 8 || (*events)[0] != "1<-0 ExecutionStarted" {
			t.Errorf("%s: %v", child, *events)
		}
	}
	want := history{"1<-0 ExecutionStarted", "2<-0 MapStateEntered S", "3<-2 MapStateStarted S", "4<-3 MapRunStarted S", "5<-4 MapRunSucceeded S", "6<-5 MapStateSucceeded S", "7<-6 MapStateExited S", "8<-7 ExecutionSucceeded"}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	wantCounts := []string{"RUNNING 2+0+0+0", "RUNNING 1+1+0+0", "RUNNING 1+0+1+0", "RUNNING 0+1+1+0", "RUNNING 0+0+1+1", "SUCCEEDED 0+0+1+1"}
	if diff := cmp.Diff(wantCounts, counts); diff != "" {
		t.Error(diff)
	}
}

// A redrive runs the items that did not succeed, from where they failed.
func TestRedriveOfMap(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			var mu sync.Mutex
			calls := map[string]int{}
			broken := true
			clock := asl.NewVirtualClock(epoch)
			run := asl.Run{
				Input: json.RawMessage(`[0,1,2]`), Clock: clock,
				Task: func(_ context.Context, task asl.Task) (json.RawMessage, error) {
					mu.Lock()
					defer mu.Unlock()
					calls[string(task.Input)]++
					if broken && string(task.Input) == "1" {
						return nil, &asl.Failure{Name: "Broken"}
					}
					return task.Input, nil
				},
			}
			m := load(t, mapping(mode, uncaught+`"MaxConcurrency":1,`))
			r := m.Run(t.Context(), run)
			if r.Status != asl.Failed || r.Checkpoint.State != "S" || len(r.Checkpoint.Items) != 3 {
				t.Fatalf("%+v", r)
			}
			broken = false
			run.ResumeFrom = r.Checkpoint
			before := clock.Now()
			r = m.Run(t.Context(), run)
			if string(r.Output) != `[0,1,2]` || !cmp.Equal(calls, map[string]int{"0": 1, "1": 2, "2": 1}) {
				t.Errorf("%+v %v", r, calls)
			}
			if took := clock.Now().Sub(before); took != 10*time.Second {
				t.Errorf("took %s: an item began anew", took)
			}
		})
	}
}

func TestMapIsAborted(t *testing.T) {
	for _, mode := range modes {
		ctx, stop := context.WithCancelCause(t.Context())
		r := load(t, mapping(mode, caught)).Run(ctx, asl.Run{
			Input: json.RawMessage(`[0,1]`), Clock: asl.NewVirtualClock(epoch),
			Task: func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
				stop(&asl.Failure{Name: "Enough"})
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		if r.Status != asl.Aborted || r.Error != "Enough" || r.Checkpoint.State != "S" {
			t.Errorf("%s: %+v", mode, r)
		}
	}
}

// A retry runs every item again.
func TestMapRetries(t *testing.T) {
	for _, mode := range modes {
		var calls atomic.Int64
		r := load(t, mapping(mode, uncaught+`"MaxConcurrency":1,"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":1}],`)).Run(t.Context(), asl.Run{
			Input: json.RawMessage(`[0,1]`), Clock: asl.NewVirtualClock(epoch),
			Task: func(context.Context, asl.Task) (json.RawMessage, error) {
				if calls.Add(1) == 2 {
					return nil, errors.New("once")
				}
				return nil, nil
			},
		})
		if r.Status != asl.Succeeded || calls.Load() != 4 {
			t.Errorf("%s: %+v after %d calls", mode, r, calls.Load())
		}
	}
}

func TestLoadRefusesMaps(t *testing.T) {
	states := `"StartAt":"T","States":{"T":{"Type":"Pass","End":true}}`
	processor := `"ItemProcessor":{` + states + `}`
	distributed := `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},` + states + `}`
	for _, tc := range []struct{ name, fields, want string }{
		{"no processor", ``, `ItemProcessor: is missing`},
		{"empty processor", `"ItemProcessor":{"StartAt":"T"}`, `ItemProcessor.States: is missing`},
		{"unknown field", processor + `,"ItemBatcher":{}`, `ItemBatcher: {}: is not supported here`},
		{"unknown field of the processor", `"ItemProcessor":{` + states + `,"TimeoutSeconds":1}`, `ItemProcessor.TimeoutSeconds: 1: is not a field here`},
		{"mode", `"ItemProcessor":{"ProcessorConfig":{"Mode":"FAST"},` + states + `}`, `Mode: "FAST": is not a mode`},
		{"express", `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},` + states + `}`, `ExecutionType: "EXPRESS": is not supported: give STANDARD`},
		{"no execution type", `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED"},` + states + `}`, `ExecutionType: is missing`},
		{"inline with execution type", `"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE","ExecutionType":"STANDARD"},` + states + `}`, `is for mode DISTRIBUTED only`},
		{"inline with tolerance", processor + `,"ToleratedFailureCount":1`, `one failed item fails an INLINE Map`},
		{"inline with label", processor + `,"Label":"x"`, `Label: "x": is for mode DISTRIBUTED only`},
		{"label", distributed + `,"Label":"a b"`, `cannot be part of an ARN`},
		{"percentage", distributed + `,"ToleratedFailurePercentage":101`, `is more than all`},
		{"concurrency", processor + `,"MaxConcurrency":-1`, `MaxConcurrency: -1: is not in range`},
		{"both concurrencies", processor + `,"MaxConcurrency":1,"MaxConcurrencyPath":"$.c"`, `MaxConcurrency is there as well`},
		{"dangling start", `"ItemProcessor":{"StartAt":"X","States":{"T":{"Type":"Pass","End":true}}}`, `state "S": StartAt: "X": there is no such state`},
		{"leaving the processor", `"ItemProcessor":{"StartAt":"T","States":{"T":{"Type":"Pass","Next":"S"}}}`, `state "T": Next: "S": there is no such state`},
		{"same name inside", `"ItemProcessor":{"StartAt":"S","States":{"S":{"Type":"Pass","End":true}}}`, `is the name of another state`},
		{"map item elsewhere", processor + `,"ItemsPath":"$$.Map.Item.Value"`, `known in an ItemSelector only`},
		{"map item inside", `"ItemProcessor":{"StartAt":"T","States":{"T":{"Type":"Pass","Parameters":{"a":[{"b.$":"States.Array($$.Map.Item.Index)"}]},"End":true}}}`, `state "T": Parameters: `},
		{"map item of nothing", processor + `,"ItemSelector":{"a.$":"$$.Map.Item.Key"}`, `has Item.Index and Item.Value only`},
		{"dangling catch", processor + `,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"X"}]`, `"X": there is no such state`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := tc.fields
			if fields != "" {
				fields += ","
			}
			_, err := asl.Load([]byte(one(`"Type":"Map",`+fields+`"End":true`)), map[string]string{"F": lambda})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

// One execution waits for another on the same clock: the time goes on for the
// other, and stands still between its end and the first one's going on.
func TestLatch(t *testing.T) {
	clock := asl.NewVirtualClock(epoch)
	child := load(t, one(`"Type":"Wait","Seconds":60,"End":true`))
	parent := load(t, one(`"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","TimeoutSecondsPath":"$.t","End":true`))
	for limit, want := range map[int]time.Duration{100: 60 * time.Second, 10: 10 * time.Second} {
		began := clock.Now()
		latch := asl.NewLatch(clock)
		var (
			wg    sync.WaitGroup
			ended time.Time
		)
		r := parent.Run(t.Context(), asl.Run{
			Input: json.RawMessage(fmt.Sprintf(`{"t":%d}`, limit)), Clock: clock,
			Observe: func(e asl.Event) { ended = e.Time },
			Task: func(ctx context.Context, _ asl.Task) (json.RawMessage, error) {
				release := clock.Hold()
				wg.Go(func() {
					defer release()
					child.Run(t.Context(), asl.Run{Clock: clock, Held: true})
					latch.Open()
				})
				return nil, latch.Wait(ctx)
			},
		})
		if took := ended.Sub(began); took != want || (r.Status == asl.Succeeded) != (limit == 100) {
			t.Errorf("limit %d: %s after %s, want %s", limit, r.Status, took, want)
		}
		wg.Wait()
	}
}
