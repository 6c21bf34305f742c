package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/window"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type input = sdk.CreateScheduleInput

func TestFires(t *testing.T) {
	date := func(s string) *time.Time {
		at, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return &at
	}
	for name, tt := range map[string]struct {
		expression string
		edit       func(*input)
		pass       time.Duration
		want       []string
	}{
		"rate, at once and then regularly": {"rate(1 hour)", nil, 150 * time.Minute, []string{"04 05:30:00", "04 06:30:00", "04 07:30:00"}},
		"rate from a start date": {
			"rate(20 minutes)", func(in *input) { in.StartDate = date("2026-03-04 06:00:00") },
			time.Hour,
			[]string{"04 06:00:00", "04 06:20:00"},
		},
		"rate until an end date": {
			"rate(1 day)", func(in *input) { in.EndDate = date("2026-03-05 05:30:00") },
			100 * time.Hour,
			[]string{"04 05:30:00", "05 05:30:00"},
		},
		"cron":              {"cron(15 6,18 * * ? *)", nil, 26 * time.Hour, []string{"04 06:15:00", "04 18:15:00", "05 06:15:00"}},
		"cron, not at once": {"cron(30 5 * * ? *)", nil, 25 * time.Hour, []string{"05 05:30:00"}},
		"cron between dates": {
			"cron(0 * * * ? *)", func(in *input) {
				in.StartDate, in.EndDate = date("2026-03-04 07:00:01"), date("2026-03-04 09:00:00")
			}, 24 * time.Hour, []string{"04 08:00:00", "04 09:00:00"},
		},
		"cron of a year that is over":      {"cron(0 0 * * ? 2025)", nil, 1000 * time.Hour, nil},
		"cron of a day that does not come": {"cron(0 0 30 2 ? *)", nil, 1000 * time.Hour, nil},
		"at":                               {"at(2026-03-04T07:08:09)", nil, 1000 * time.Hour, []string{"04 07:08:09"}},
		"at, dates ignored": {
			"at(2026-03-04T07:08:09)", func(in *input) { in.StartDate = date("2027-01-01 00:00:00") },
			1000 * time.Hour,
			[]string{"04 07:08:09"},
		},
		"at in the past": {"at(2026-03-04T05:29:59)", nil, 1000 * time.Hour, nil},
		"disabled":       {"rate(1 hour)", func(in *input) { in.State = types.ScheduleStateDisabled }, 1000 * time.Hour, nil},
		"flexible": {"cron(0 6 * * ? *)", func(in *input) {
			in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(60)}
		}, 25 * time.Hour, []string{"04 06:15:00", "05 06:15:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, scheduler.Config{Random: func() float64 { return 0.25 }})
			if tt.edit == nil {
				tt.edit = func(*input) {}
			}
			e.create(tt.expression, tt.edit)
			e.pass(tt.pass)
			if diff := cmp.Diff(tt.want, e.times()); diff != "" {
				t.Errorf("fired (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInput(t *testing.T) {
	e := newEnv(t, scheduler.Config{Random: func() float64 { return 0.5 }})
	e.create("cron(0 6 * * ? *)", func(in *input) {
		in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(30)}
		in.Target.Input = aws.String(`{"at":"<aws.scheduler.scheduled-time>","id":"<aws.scheduler.execution-id>",` +
			`"n":"<aws.scheduler.attempt-number>","arn":"<aws.scheduler.schedule-arn>","other":"<aws.scheduler.other>"}`)
	})
	e.pass(time.Hour)
	starts := e.started()
	if len(starts) != 1 || starts[0].target != machine {
		t.Fatalf("started %+v", starts)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(starts[0].input), &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := got["id"].(string); len(id) != 16 {
		t.Errorf("execution id %q", got["id"])
	}
	delete(got, "id")
	want := map[string]any{
		"at": "2026-03-04T06:00:00Z", // what was scheduled, and not when it came
		"n":  "1", "arn": "arn:aws:scheduler:eu-north-1:123456789012:schedule/default/s", "other": "<aws.scheduler.other>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTumblersExpressions: what the deployment makes of a schedule fires at each
// opening of its windows, by an evaluator that shares no code with package window.
func TestTumblersExpressions(t *testing.T) {
	for _, expression := range []string{
		"rate(4 hours)", "rate(5 hours)", "rate(1 day)", "rate(10 days)", "cron(0 /8 * * ? *)", "cron(0 8/8 * * ? *)",
		"cron(0 2/10 * * ? *)", "cron(0 10 * * ? *)", "cron(0 18 ? * SAT *)", "cron(0 8 1 * ? *)", "cron(0 1 ? 1/3 SUN#1 *)",
		"cron(0 17 L * ? *)", "cron(0 8 ? * MON-FRI *)", "cron(0 16 1,15 * ? *)", "cron(0 0 ? * SUN#1 *)", "cron(0 0 ? 1/11 2#1 *)",
		"cron(0 3 ? * FRIL *)",
	} {
		t.Run(expression, func(t *testing.T) {
			schedule, err := window.Parse(expression, "")
			if err != nil {
				t.Fatal(err)
			}
			schedule.Anchor = begin.AddDate(0, 0, 1)
			e := newEnv(t, scheduler.Config{})
			first := schedule.Next(begin).OpensAt
			e.create(schedule.Scheduler(), func(in *input) {
				if schedule.ByAnchor() {
					in.StartDate = &first
				}
			})
			e.pass(800 * 24 * time.Hour)
			var got, want []time.Time
			for _, s := range e.started() {
				got = append(got, s.at)
			}
			for w := range schedule.Windows(begin) {
				if w.OpensAt.After(e.clock.Now()) {
					break
				}
				want = append(want, w.OpensAt)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s fires differently:\n%s", schedule.Scheduler(), diff)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	e.create("cron(0 * * * ? *)")
	e.pass(time.Hour) // 06:30
	_, err := e.UpdateSchedule(t.Context(), &sdk.UpdateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: aws.String("cron(15 * * * ? *)"),
		FlexibleTimeWindow: valid("").FlexibleTimeWindow, Target: valid("").Target,
	})
	e.check(err)
	e.pass(time.Hour) // 07:30
	_, err = e.DeleteSchedule(t.Context(), &sdk.DeleteScheduleInput{Name: aws.String("s")})
	e.check(err)
	e.pass(5 * time.Hour)
	if diff := cmp.Diff([]string{"04 06:00:00", "04 07:15:00"}, e.times()); diff != "" {
		t.Error(diff)
	}
	e.create("rate(1 hour)")
	e.service.Close()
	e.started()
	e.pass(5 * time.Hour)
	if got := e.times(); got != nil {
		t.Errorf("fired after Close: %v", got)
	}
}

func TestActionAfterCompletion(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	e.create("at(2026-03-04T06:00:00)", func(in *input) { in.ActionAfterCompletion = types.ActionAfterCompletionDelete })
	e.create("at(2026-03-04T06:00:00)", func(in *input) { in.Name = aws.String("kept") })
	// The last invocation is tried again although its schedule is gone.
	e.fail = func(n int) error {
		if n <= 2 {
			return errors.New("not now")
		}
		return nil
	}
	e.pass(time.Hour)
	out, err := e.ListSchedules(t.Context(), &sdk.ListSchedulesInput{})
	e.check(err)
	if len(out.Schedules) != 1 || *out.Schedules[0].Name != "kept" {
		t.Errorf("there are %d schedules", len(out.Schedules))
	}
	if got := len(e.started()); got != 4 {
		t.Errorf("%d attempts, want 2 failures and 2 successes", got)
	}
}

func TestRetries(t *testing.T) {
	const queue = "arn:aws:sqs:eu-north-1:123456789012:undelivered"
	unavailable := &wire.Error{Code: "ServiceUnavailable", Message: "later", Status: 503}
	for name, tt := range map[string]struct {
		attempts, age int32
		fail          func(n int) error
		want          []string
		letter        *scheduler.DeadLetter
	}{
		"heals": {185, 86400, func(n int) error {
			if n < 4 {
				return unavailable
			}
			return nil
		}, []string{"04 06:00:00", "04 06:00:01", "04 06:00:03", "04 06:00:07"}, nil},
		"too many attempts": {
			2, 86400, func(int) error { return unavailable },
			[]string{"04 06:00:00", "04 06:00:01", "04 06:00:03"},
			&scheduler.DeadLetter{Attempts: 3, ErrorCode: "ServiceUnavailable", ErrorMessage: "later", ExhaustedBy: "MaximumRetryAttempts"},
		},
		"too old": {
			185, 60, func(int) error { return unavailable },
			[]string{"04 06:00:00", "04 06:00:01", "04 06:00:03", "04 06:00:07", "04 06:00:15", "04 06:00:31"},
			&scheduler.DeadLetter{Attempts: 6, ErrorCode: "ServiceUnavailable", ErrorMessage: "later", ExhaustedBy: "MaximumEventAgeInSeconds"},
		},
		"hopeless": {
			185, 86400, func(int) error { return wire.Errorf("StateMachineDoesNotExist", "gone") },
			[]string{"04 06:00:00"},
			&scheduler.DeadLetter{Attempts: 1, ErrorCode: "StateMachineDoesNotExist", ErrorMessage: "gone"},
		},
		"an error whose text is not known": {
			0, 86400, func(int) error { return errors.New("canary-secret") },
			[]string{"04 06:00:00"},
			&scheduler.DeadLetter{Attempts: 1, ErrorCode: "InternalError", ErrorMessage: "The target could not be started.", ExhaustedBy: "MaximumRetryAttempts"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := 0
			e := newEnv(t, scheduler.Config{OnDeadLetter: func(scheduler.DeadLetter) { told++ }})
			e.fail = tt.fail
			e.create("at(2026-03-04T06:00:00)", func(in *input) {
				in.Target.Input = aws.String(`{"at":"<aws.scheduler.scheduled-time>"}`)
				in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: &tt.attempts, MaximumEventAgeInSeconds: &tt.age}
				in.Target.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String(queue)}
			})
			e.pass(48 * time.Hour)
			if diff := cmp.Diff(tt.want, e.times()); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
			letters := e.service.DeadLetters()
			if tt.letter == nil {
				if letters != nil || told != 0 {
					t.Errorf("dead letters %+v", letters)
				}
				return
			}
			if len(letters) != 1 || told != 1 {
				t.Fatalf("dead letters %+v, told of %d", letters, told)
			}
			want := *tt.letter
			want.ScheduleARN, want.TargetARN, want.QueueARN = "arn:aws:scheduler:eu-north-1:123456789012:schedule/default/s", machine, queue
			want.ScheduledAt = time.Date(2026, 3, 4, 6, 0, 0, 0, time.UTC)
			want.Input, want.ExecutionID = `{"at":"2026-03-04T06:00:00Z"}`, letters[0].ExecutionID
			if diff := cmp.Diff(want, letters[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// sleepyClock is that of a machine which is asleep for ten hours the first time
// somebody waits.
type sleepyClock struct {
	asl.RealClock
	mu    sync.Mutex
	now   time.Time
	slept bool
}

func (c *sleepyClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *sleepyClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
	if d > 0 && !c.slept {
		c.now, c.slept = c.now.Add(10*time.Hour), true
	}
	return ctx.Err()
}

// TestMissedIsLeftOut: what was due while the machine was asleep does not start
// all at once.
func TestMissedIsLeftOut(t *testing.T) {
	clock := &sleepyClock{now: begin}
	var mu sync.Mutex
	var got []string
	s := scheduler.New(scheduler.Config{Clock: clock, Start: func(_ context.Context, _ string, input json.RawMessage) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(input))
		return nil
	}})
	h, err := wire.New(wire.Config{}, s)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{T: t, handler: h}
	e.Client = e.client("eu-north-1")
	end := begin.Add(13 * time.Hour)
	e.create("rate(1 hour)", func(in *input) {
		in.EndDate, in.ActionAfterCompletion = &end, types.ActionAfterCompletionDelete
		in.Target.Input = aws.String(`"<aws.scheduler.scheduled-time>"`)
	})
	for {
		out, err := e.ListSchedules(t.Context(), &sdk.ListSchedulesInput{})
		e.check(err)
		if len(out.Schedules) == 0 {
			break
		}
	}
	s.Close()
	slices.Sort(got)
	want := []string{`"2026-03-04T05:30:00Z"`, `"2026-03-04T06:30:00Z"`, `"2026-03-04T16:30:00Z"`, `"2026-03-04T17:30:00Z"`, `"2026-03-04T18:30:00Z"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
