package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// history collects "id<-previous type state" of events.
type history []string

func (h *history) observe(e asl.Event) {
	*h = append(*h, strings.TrimSpace(fmt.Sprintf("%d<-%d %s %s", e.ID, e.PreviousID, e.Type, e.State)))
}

func TestEvents(t *testing.T) {
	var h history
	attempts := 0
	r := load(t, retrying).Run(t.Context(), asl.Run{
		Clock: asl.NewVirtualClock(epoch), Observe: h.observe,
		Task: func(context.Context, asl.Task) (json.RawMessage, error) {
			if attempts++; attempts == 1 {
				return nil, &asl.Failure{Name: "A"}
			}
			return nil, &asl.Failure{Name: "B"}
		},
	})
	want := history{
		"1<-0 ExecutionStarted",
		"2<-0 TaskStateEntered S",
		"3<-2 LambdaFunctionScheduled S", "4<-3 LambdaFunctionStarted S", "5<-4 LambdaFunctionFailed S",
		"6<-5 LambdaFunctionScheduled S", "7<-6 LambdaFunctionStarted S", "8<-7 LambdaFunctionFailed S",
		"9<-8 TaskStateExited S",
		"10<-9 SucceedStateEntered Caught", "11<-10 SucceedStateExited Caught",
		"12<-11 ExecutionSucceeded",
	}
	if diff := cmp.Diff(want, h); diff != "" || r.Status != asl.Succeeded {
		t.Error(r.Status, diff)
	}
}

const waiting = `{"StartAt":"First","TimeoutSeconds":100,"States":{
  "First":{"Type":"Task","Resource":"${F}","ResultPath":"$.first","Next":"Second"},
  "Second":{"Type":"Task","Resource":"${F}","ResultPath":"$.second","Retry":[{"ErrorEquals":["A"],"MaxAttempts":2}],"Next":"Rest"},
  "Rest":{"Type":"Wait","SecondsPath":"$.wait","Next":"End"},
  "End":{"Type":"Pass","Parameters":{"redrives.$":"$$.Execution.RedriveCount","input.$":"$$.Execution.Input","first.$":"$.first","started.$":"$$.Execution.StartTime"},"End":true}}}`

func TestRedrive(t *testing.T) {
	var h history
	clock := asl.NewVirtualClock(epoch)
	calls := map[string]int{}
	broken := true
	run := asl.Run{
		Clock: clock, Observe: h.observe, Input: json.RawMessage(`{"wait":150}`),
		Execution: asl.Execution{ARN: "arn", Name: "n", StartTime: epoch},
		Task: func(_ context.Context, task asl.Task) (json.RawMessage, error) {
			calls[task.State]++
			if task.State == "Second" && broken {
				return nil, &asl.Failure{Name: "A", Cause: "broken"}
			}
			return json.RawMessage("7"), nil
		},
	}
	m := load(t, waiting)
	r := m.Run(t.Context(), run)
	if r.Status != asl.Failed || r.Error != "A" || calls["Second"] != 3 || r.Checkpoint.State != "Second" || string(r.Checkpoint.Input) != `{"wait":150,"first":7}` {
		t.Fatalf("%+v %v", r, calls)
	}
	// Still broken: the retries begin anew.
	run.ResumeFrom = r.Checkpoint
	if r = m.Run(t.Context(), run); calls["Second"] != 6 || calls["First"] != 1 {
		t.Fatalf("%+v %v", r, calls)
	}
	// The machine's timeout begins anew as well, but 150 seconds are too long.
	broken = false
	run.ResumeFrom = r.Checkpoint
	if r = m.Run(t.Context(), run); r.Status != asl.TimedOut || r.Error != "" || r.Checkpoint.State != "Rest" {
		t.Fatalf("%+v", r)
	}
	r.Checkpoint.Input = json.RawMessage(`{"wait":99,"first":7}`)
	run.ResumeFrom = r.Checkpoint
	h = nil
	r = m.Run(t.Context(), run)
	const want = `{"redrives":3,"input":{"wait":150},"first":7,"started":"2026-03-01T12:00:00.000Z"}`
	if r.Status != asl.Succeeded || string(r.Output) != want {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"Rest", "End"}, r.Path); diff != "" {
		t.Error(diff)
	}
	last := run.ResumeFrom.LastEvent
	if want := fmt.Sprintf("%d<-%d ExecutionRedriven", last+1, last); h[0] != want || !strings.HasSuffix(h[1], "WaitStateEntered Rest") {
		t.Errorf("%v, want %s", h, want)
	}
}

func TestRedriveOfFailState(t *testing.T) {
	m := load(t, one(`"Type":"Fail","Error":"E"`))
	run := asl.Run{Clock: asl.NewVirtualClock(epoch)}
	r := m.Run(t.Context(), run)
	run.ResumeFrom = r.Checkpoint
	if r = m.Run(t.Context(), run); r.Status != asl.Failed || r.Error != "E" || r.Checkpoint.RedriveCount != 1 {
		t.Errorf("%+v", r)
	}
	run.ResumeFrom.State = "X"
	if r = m.Run(t.Context(), run); r.Error != asl.ErrorRuntime {
		t.Errorf("%+v", r)
	}
}

func TestAbort(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cause error
		err   string
	}{
		{"with an error", &asl.Failure{Name: "Enough", Cause: "by hand"}, "Enough"},
		{"without", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			var h history
			r := load(t, waiting).Run(ctx, asl.Run{
				Observe: h.observe, Input: json.RawMessage(`{"wait":1}`),
				Task: func(ctx context.Context, _ asl.Task) (json.RawMessage, error) {
					stop(tc.cause)
					<-ctx.Done()
					return nil, ctx.Err()
				},
			})
			if r.Status != asl.Aborted || r.Error != tc.err || r.Checkpoint.State != "First" {
				t.Errorf("%+v", r)
			}
			if got := h[len(h)-1]; got != "5<-0 ExecutionAborted" {
				t.Error(got)
			}
		})
	}
}

// A handler that does not heed its context is left behind, on either clock.
func TestStubbornTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := load(t, one(`"Type":"Task","Resource":"${F}","TimeoutSeconds":10,"End":true`)).Run(t.Context(), asl.Run{
			Task: func(context.Context, asl.Task) (json.RawMessage, error) {
				<-release
				return nil, nil
			},
		})
		if r.Status != asl.Failed || r.Error != asl.ErrorTimeout {
			t.Errorf("%+v", r)
		}
		close(release)
	})
}

func TestTimeoutSecondsPath(t *testing.T) {
	clock := asl.NewVirtualClock(epoch)
	m := load(t, one(`"Type":"Task","Resource":"${F}","TimeoutSecondsPath":"$.t","End":true`))
	run := asl.Run{Clock: clock, Input: json.RawMessage(`{"t":7}`), Task: func(ctx context.Context, _ asl.Task) (json.RawMessage, error) {
		return nil, clock.Sleep(ctx, time.Hour)
	}}
	if r := m.Run(t.Context(), run); r.Error != asl.ErrorTimeout || clock.Now().Sub(epoch) != 7*time.Second {
		t.Errorf("%+v after %s", r, clock.Now().Sub(epoch))
	}
	run.Input = json.RawMessage(`{"t":"7"}`)
	if r := m.Run(t.Context(), run); r.Error != asl.ErrorRuntime {
		t.Errorf("%+v", r)
	}
}

func TestMaxEvents(t *testing.T) {
	last := asl.Event{}
	r := load(t, one(`"Type":"Pass","Next":"T"},"T":{"Type":"Choice","Choices":[{"Variable":"$$.State.Name","StringEquals":"x","Next":"U"}],"Default":"S"},"U":{"Type":"Succeed"`)).
		Run(t.Context(), asl.Run{Clock: asl.NewVirtualClock(epoch), Observe: func(e asl.Event) {
			if e.ID != last.ID+1 {
				t.Errorf("%d follows %d", e.ID, last.ID)
			}
			last = e
		}})
	if r.Error != asl.ErrorRuntime || last.ID != asl.MaxEvents || last.Type != asl.ExecutionFailed {
		t.Errorf("%s %s, last %+v", r.Error, r.Cause, last)
	}
}

// Several executions share a virtual clock: it goes on only when all wait.
func TestVirtualClockIsShared(t *testing.T) {
	m := load(t, `{"StartAt":"B","States":{"B":{"Type":"Task","Resource":"${F}","ResultPath":null,"Next":"S"},
		"S":{"Type":"Wait","SecondsPath":"$.n","Next":"T"},"T":{"Type":"Task","Resource":"${F}","End":true}}}`)
	clock := asl.NewVirtualClock(epoch)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		order []string
	)
	var begun sync.WaitGroup
	begun.Add(5)
	release := clock.Hold() // until all have begun
	for i := 5; i > 0; i-- {
		wg.Go(func() {
			m.Run(t.Context(), asl.Run{Clock: clock, Input: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i*86400)), Task: func(_ context.Context, task asl.Task) (json.RawMessage, error) {
				if task.State == "B" {
					begun.Done()
					return nil, nil
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprintf("%s at %s", task.Input, clock.Now().Sub(epoch)))
				return nil, nil
			}})
		})
	}
	begun.Wait()
	release()
	wg.Wait()
	want := []string{`{"n":86400} at 24h0m0s`, `{"n":172800} at 48h0m0s`, `{"n":259200} at 72h0m0s`, `{"n":345600} at 96h0m0s`, `{"n":432000} at 120h0m0s`}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
}

func TestClocks(t *testing.T) {
	for name, clock := range map[string]asl.Clock{"real": asl.RealClock{}, "virtual": asl.NewVirtualClock(epoch)} {
		t.Run(name, func(t *testing.T) {
			const timeout = 500 * time.Millisecond
			before := clock.Now()
			ctx, cancel := clock.WithTimeout(t.Context(), timeout)
			defer cancel()
			if err := clock.Sleep(ctx, time.Millisecond); err != nil {
				t.Error(err)
			}
			if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
				t.Error(err)
			}
			if d := clock.Now().Sub(before); d < timeout || d > time.Minute {
				t.Error(d)
			}
			if err := clock.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			stopped, stop := context.WithCancelCause(t.Context())
			stop(errors.New("stopped"))
			if err := clock.Sleep(stopped, time.Hour); err == nil || err.Error() != "stopped" {
				t.Error(err)
			}
		})
	}
}

// The delay grows up to the cap, jitter only shortens it, and nothing overflows.
func TestDelayProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.IntRange(1, 1000).Draw(t, "interval")
		maxDelay := rapid.IntRange(interval+1, 31_622_399).Draw(t, "cap")
		rate := rapid.Float64Range(1, 100).Draw(t, "rate")
		full := rapid.Bool().Draw(t, "full")
		strategy := "NONE"
		if full {
			strategy = "FULL"
		}
		m, err := asl.Load([]byte(task(fmt.Sprintf(
			`"Retry":[{"ErrorEquals":["A"],"IntervalSeconds":%d,"BackoffRate":%g,"MaxDelaySeconds":%d,"JitterStrategy":"%s"}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}]`,
			interval, rate, maxDelay, strategy,
		))), map[string]string{"F": lambda})
		if err != nil {
			t.Fatal(err)
		}
		delay := m.States()[0].Retry[0].Delay
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		u := rapid.Float64Range(0, 1).Draw(t, "jitter")
		whole, least := delay(n, 1), delay(1, 1)
		if least != time.Duration(interval)*time.Second || whole < least || whole > time.Duration(maxDelay)*time.Second || whole > delay(n+1, 1) {
			t.Fatalf("delay %s after %s", whole, least)
		}
		switch got := delay(n, u); {
		case !full && got != whole:
			t.Fatalf("%s differs from %s without jitter", got, whole)
		case full && (got < 0 || got > whole || u == 0 && got != 0):
			t.Fatalf("%s of %s with jitter %g", got, whole, u)
		}
	})
}
