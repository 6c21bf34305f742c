package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// good is what each state's function answers when nothing is wrong.
var good = map[string]string{
	"Plan": `{"decision":"rotate","secretArn":"arn","versionId":"v","headline":"h","giveUp":"g","applications":"at risk"}`, "CreateSecret": `{}`, "SetSecret": `{}`, "TestSecret": `{}`,
	"ReadyToTest": `{}`, "ReadyToFinish": `{}`, "ReadyToRestore": `{}`,
	"FinishSecret": ending("Rotated"), "Restore": ending("RestoredCleanly"),
}

func ending(outcome string) string {
	return `{"outcome":"` + outcome + `","severity":"info","error":"AccessDenied","cause":"not allowed","secret":"s","subject":"s","message":"m","detailType":"d","alert":` + strconv.FormatBool(outcome != "Rotated") + `,"event":{}}`
}

// world is the state machine with functions that do as they are told.
type world struct {
	*testing.T
	api     *sfn.Client
	machine string
	clock   *asl.VirtualClock

	mu    sync.Mutex
	tells map[string]func(ctx context.Context, attempt int) error // by state
	plan  string                                                  // what Plan answers. Default: as good has it.

	branches map[string][]string // what was shown of each branch's state
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: asl.NewVirtualClock(time.Now()), tells: map[string]func(context.Context, int) error{}}
	box, err := sandbox.Start(t.Context(), sandbox.Config{Clock: w.clock, Task: func(next asl.TaskFunc) asl.TaskFunc {
		return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
			answer, isFunction := good[task.State]
			if !isFunction {
				return next(ctx, task) // SNS and EventBridge
			}
			w.mu.Lock()
			if task.State == "Plan" && w.plan != "" {
				answer = w.plan
			}
			tell := w.tells[task.State]
			w.mu.Unlock()
			if tell != nil {
				if err := tell(ctx, task.Retry); err != nil {
					return nil, err
				}
			}
			return json.RawMessage(answer), nil
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	w.api, w.machine = sfn.NewFromConfig(box.AWS("test")), box.StateMachineARN
	return w
}

func (w *world) tell(state string, do func(ctx context.Context, attempt int) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tells[state] = do
}

// fails is what a Lambda function's error looks like to the state machine.
func fails(times int, name, message string) func(context.Context, int) error {
	return func(_ context.Context, attempt int) error {
		if attempt >= times {
			return nil
		}
		cause, _ := json.Marshal(map[string]string{"errorMessage": message, "errorType": name})
		return &asl.Failure{Name: name, Cause: string(cause)}
	}
}

const always = 1000

func (w *world) start() string {
	w.Helper()
	out, err := w.api.StartExecution(w.Context(), &sfn.StartExecutionInput{StateMachineArn: &w.machine, Input: aws.String(`{"secretId":"s"}`)})
	if err != nil {
		w.Fatal(err)
	}
	return aws.ToString(out.ExecutionArn)
}

// follow returns what was shown of the Task states, a word for each.
func (w *world) follow(arn string) ([]string, follow.Ending) {
	w.Helper()
	var shown []string
	w.branches = map[string][]string{}
	e, err := follow.Config{API: w.api, Interval: time.Millisecond, OnStep: func(s follow.Step) {
		if s.Type != "Task" && s.Type != "Fail" && s.Type != "Succeed" {
			return
		}
		kind := map[follow.Kind]string{follow.Entered: "○", follow.Left: "●", follow.Retried: "↻", follow.Failed: "✗"}[s.Kind]
		text := kind + s.State
		if s.Error != "" {
			text += " " + s.Error + ": " + s.Cause
		}
		if s.At.IsZero() || s.Took < 0 {
			w.Errorf("%s at %s after %s", text, s.At, s.Took)
		}
		if strings.HasPrefix(s.State, "ReadyTo") { // in any order
			w.branches[s.State] = append(w.branches[s.State], text)
			return
		}
		shown = append(shown, text)
	}}.Execution(w.Context(), arn)
	if err != nil {
		w.Fatal(err)
	}
	return shown, e
}

func (w *world) expect(shown []string, want string) {
	w.Helper()
	if diff := cmp.Diff(strings.Split(want, ", "), shown); diff != "" {
		w.Error(diff)
	}
}

func TestSuccess(t *testing.T) {
	w := newWorld(t)
	shown, e := w.follow(w.start())
	w.expect(shown, "○Plan, ●Plan, ○CreateSecret, ●CreateSecret, ○SetSecret, ●SetSecret, ○TestSecret, ●TestSecret, ○FinishSecret, ●FinishSecret, ○Announce, ●Announce, ○Rotated, ●Rotated")
	if e.Status != types.ExecutionStatusSucceeded || e.State != "Rotated" || e.Error != "" || e.Cause != "" || !strings.Contains(string(e.Output), `"Rotated"`) {
		t.Errorf("ending %+v", e)
	}
}

// Each attempt that failed is shown once, as a retry, and the state's success.
func TestRetries(t *testing.T) {
	w := newWorld(t)
	w.tell("SetSecret", fails(2, "DatabaseUnreachable", "no answer"))
	shown, e := w.follow(w.start())
	w.expect(shown[4:8], "○SetSecret, ↻SetSecret DatabaseUnreachable: no answer, ↻SetSecret DatabaseUnreachable: no answer, ●SetSecret")
	if e.State != "Rotated" {
		t.Errorf("ending %+v", e)
	}
}

// Attempts are numbered by the rule they fall under, with the pause that it foresees.
func TestAttempts(t *testing.T) {
	w := newWorld(t)
	w.tell("TestSecret", func(ctx context.Context, attempt int) error {
		switch attempt {
		case 0, 2:
			return fails(always, "LoginRefused", "no")(ctx, attempt)
		case 1:
			return fails(always, "DatabaseUnreachable", "no answer")(ctx, attempt)
		}
		return fails(always, "PrivilegesDiffer", "for good")(ctx, attempt)
	})
	var got []string
	_, err := follow.Config{API: w.api, Interval: time.Millisecond, OnStep: func(s follow.Step) {
		if s.Error != "" {
			got = append(got, fmt.Sprintf("%s %d of %d within %s", s.Error, s.Attempt, s.Of, s.Within))
		}
	}}.Execution(t.Context(), w.start())
	want := []string{"LoginRefused 1 of 5 within 1s", "DatabaseUnreachable 1 of 7 within 1s", "LoginRefused 2 of 5 within 2s", "PrivilegesDiffer 0 of 0 within 0s"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// What Plan has found of the window is told.
func TestWindow(t *testing.T) {
	w := newWorld(t)
	w.plan = strings.Replace(good["Plan"], "{", `{"window":{"opensAt":"2026-03-01T02:00:00Z","closesAt":"2026-03-01T05:00:00Z"},`, 1)
	var got []*follow.Window
	_, err := follow.Config{API: w.api, Interval: time.Millisecond, OnStep: func(s follow.Step) {
		if s.Window != nil {
			got = append(got, s.Window)
		}
	}}.Execution(t.Context(), w.start())
	if err != nil || len(got) != 1 || got[0].Waits || got[0].ClosesAt.Format(time.DateTime) != "2026-03-01 05:00:00" {
		t.Errorf("%+v, %v", got, err)
	}
}

// While the next attempt is waited for, that is told once, and time goes on.
func TestPauses(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	w.tell("SetSecret", func(ctx context.Context, attempt int) error {
		if attempt == 1 {
			<-hold // the pause itself takes no time on this clock
		}
		return fails(1, "Throttled", "later")(ctx, attempt)
	})
	arn := w.start()
	seconds, kinds := 0, ""
	_, err := follow.Config{
		API: w.api, Interval: time.Millisecond,
		OnStep: func(s follow.Step) {
			if s.Error != "" {
				kinds += map[follow.Kind]string{follow.Paused: "p", follow.Retried: "r"}[s.Kind]
			}
		},
		OnSecond: func() {
			if seconds++; seconds == 3 {
				close(hold)
			}
		},
	}.Execution(t.Context(), arn)
	if err != nil || seconds < 3 || kinds != "r" && kinds != "pr" {
		t.Errorf("%d seconds, %q, %v", seconds, kinds, err)
	}
}

// An attempt that Lambda gave up on has no cause of its own.
func TestTimeout(t *testing.T) {
	w := newWorld(t)
	w.tell("TestSecret", func(ctx context.Context, attempt int) error {
		if attempt > 0 {
			return nil
		}
		return w.clock.Sleep(ctx, time.Hour)
	})
	shown, _ := w.follow(w.start())
	w.expect(shown[6:9], "○TestSecret, ↻TestSecret States.Timeout: no cause was given, ●TestSecret")
}

// What happens in a branch is shown as its own, whatever happens beside it.
func TestBranches(t *testing.T) {
	w := newWorld(t)
	w.tell("ReadyToTest", fails(2, "DatabaseUnreachable", "no answer"))
	w.follow(w.start())
	retry := "↻ReadyToTest DatabaseUnreachable: no answer"
	w.expect(w.branches["ReadyToTest"], "○ReadyToTest, "+retry+", "+retry+", ●ReadyToTest")
	w.expect(w.branches["ReadyToFinish"], "○ReadyToFinish, ●ReadyToFinish")
	w.expect(w.branches["ReadyToRestore"], "○ReadyToRestore, ●ReadyToRestore")

	w.tell("ReadyToTest", fails(always, "CertificateRejected", "who is that"))
	shown, e := w.follow(w.start())
	w.expect(w.branches["ReadyToTest"], "○ReadyToTest, ✗ReadyToTest CertificateRejected: who is that")
	w.expect(shown, "○Plan, ●Plan, ○CreateSecret, ●CreateSecret, ○Restore, ●Restore, ○SendAlert, ●SendAlert, ○Announce, ●Announce, ○RestoredCleanly")
	if e.State != "RestoredCleanly" {
		t.Errorf("ending %+v", e)
	}
}

// The last failure is shown once, as such, although a Catch leaves the state.
func TestCaught(t *testing.T) {
	w := newWorld(t)
	w.tell("TestSecret", fails(always, "LoginRefused", "the password is not accepted"))
	shown, e := w.follow(w.start())
	refused := "TestSecret LoginRefused: the password is not accepted"
	w.expect(shown[6:], "○TestSecret, "+strings.Repeat("↻"+refused+", ", 4)+"✗"+refused+
		", ○Restore, ●Restore, ○SendAlert, ●SendAlert, ○Announce, ●Announce, ○RestoredCleanly")
	if e.Status != types.ExecutionStatusFailed || e.State != "RestoredCleanly" || e.Error != "AccessDenied" || e.Cause != "not allowed" || e.Output != nil {
		t.Errorf("ending %+v", e)
	}
	if e.Took < time.Second {
		t.Errorf("took %s, with the pauses between the attempts", e.Took)
	}
}

// Where the restore failed, too, the cause holds both failures, in words.
func TestBothFailures(t *testing.T) {
	w := newWorld(t)
	w.tell("SetSecret", fails(always, "PrivilegeMissing", `not "allowed"`))
	w.tell("Restore", fails(always, "KeyUnusable", "the key is disabled"))
	shown, e := w.follow(w.start())
	w.expect(shown[5:8], `✗SetSecret PrivilegeMissing: not "allowed", ○Restore, ✗Restore KeyUnusable: the key is disabled`)
	for _, says := range []string{`not "allowed"`, "the key is disabled", "Then restoring failed with KeyUnusable"} {
		if !strings.Contains(e.Cause, says) {
			t.Errorf("the cause does not say %q: %s", says, e.Cause)
		}
	}
	if strings.Contains(e.Cause, "errorMessage") || e.State != "NeedsAttention" {
		t.Errorf("ending %+v", e)
	}
}

// An execution that was stopped ends where it was. Redriven, it goes on there,
// and who looks at it from its start sees both.
func TestAbortedAndRedriven(t *testing.T) {
	w := newWorld(t)
	reached := make(chan struct{}, 1)
	w.tell("SetSecret", func(ctx context.Context, _ int) error {
		reached <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	arn := w.start()
	<-reached
	_, err := w.api.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn, Error: aws.String("Maintenance"), Cause: aws.String("the database is moved")})
	if err != nil {
		t.Fatal(err)
	}
	before := "○Plan, ●Plan, ○CreateSecret, ●CreateSecret, ○SetSecret"
	shown, e := w.follow(arn)
	w.expect(shown, before)
	if e.Status != types.ExecutionStatusAborted || e.State != "SetSecret" || e.Error != "Maintenance" || e.Cause != "the database is moved" {
		t.Errorf("ending %+v", e)
	}

	w.tell("SetSecret", nil)
	if _, err := w.api.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn}); err != nil {
		t.Fatal(err)
	}
	shown, e = w.follow(arn)
	w.expect(shown, before+", ○SetSecret, ●SetSecret, ○TestSecret, ●TestSecret, ○FinishSecret, ●FinishSecret, ○Announce, ●Announce, ○Rotated, ●Rotated")
	if e.Status != types.ExecutionStatusSucceeded || e.State != "Rotated" || e.Cause != "" {
		t.Errorf("ending %+v", e)
	}
}

// Whoever stops looking is let go at once, and the execution goes on.
func TestStopLooking(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.tell("SetSecret", func(ctx context.Context, _ int) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	arn := w.start()
	ctx, stop := context.WithCancel(t.Context())
	_, err := follow.Config{API: w.api, Interval: time.Hour, OnStep: func(s follow.Step) { stop() }}.Execution(ctx, arn)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if _, e := w.follow(arn); e.State != "Rotated" {
		t.Errorf("ending %+v", e)
	}
}

func TestNoSuchExecution(t *testing.T) {
	w := newWorld(t)
	arn := strings.Replace(w.machine, ":stateMachine:", ":execution:", 1) + ":none"
	_, err := follow.Config{API: w.api}.Execution(t.Context(), arn)
	if _, is := errors.AsType[*types.ExecutionDoesNotExist](err); !is || !strings.Contains(fmt.Sprint(err), arn) {
		t.Errorf("got %v", err)
	}
}
