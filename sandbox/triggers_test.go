package sandbox_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// triggered is a world on a clock that moves only in pass, with a registry.
type triggered struct {
	*world
	clock *asl.VirtualClock

	mu          sync.Mutex
	outcomes    []string // of announced rotations: "outcome by trigger at time"
	undelivered []string
}

func newTriggered(t *testing.T, change ...func(*triggered, *sandbox.Config)) *triggered {
	t.Helper()
	w := &triggered{clock: asl.NewVirtualClock(time.Date(2026, 3, 4, 5, 30, 0, 0, time.UTC))} // a Wednesday
	t.Cleanup(w.clock.Hold())
	w.world = newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) {
		cfg.Clock, cfg.Now, cfg.Registry = w.clock, w.clock.Now, true
		cfg.OnEvent = w.announced
		cfg.OnUndelivered = func(text string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.undelivered = append(w.undelivered, text)
		}
		for _, f := range change {
			f(w, cfg)
		}
	})
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	return w
}

func (w *triggered) announced(e sandboxevents.Event) {
	var detail struct {
		Outcome string           `json:"outcome"`
		Error   string           `json:"error"`
		Trigger rotation.Trigger `json:"trigger"`
	}
	if e.Source != "tumbler" || json.Unmarshal(e.Detail, &detail) != nil {
		return
	}
	text := detail.Outcome + " by " + detail.Trigger.Source + " at " + w.clock.Now().Format("02 15:04")
	if detail.Error != "" {
		text += ": " + detail.Error
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes = append(w.outcomes, text)
}

func (w *triggered) configure(schedule *rotation.Schedule) {
	w.Helper()
	w.check(w.sandbox.Configure(w.Context(), rotation.Request{SecretID: secretID, Schedule: schedule}))
}

func (w *triggered) pass(d time.Duration) {
	w.Helper()
	w.check(w.clock.Sleep(w.Context(), d))
}

func (w *triggered) ask(detail string) {
	w.Helper()
	out, err := eventbridge.NewFromConfig(w.sandbox.AWS("test")).PutEvents(w.Context(), &eventbridge.PutEventsInput{
		Entries: []types.PutEventsRequestEntry{{EventBusName: aws.String(statemachine.EventBus("tumbler")), Source: aws.String(statemachine.EventSource), DetailType: aws.String("Rotate"), Detail: &detail}},
	})
	w.check(err)
	if out.FailedEntryCount > 0 {
		w.Fatal("the event was not accepted")
	}
}

func (w *triggered) password() string {
	w.Helper()
	out, err := w.secrets.GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
	w.check(err)
	return aws.ToString(out.SecretString)
}

func (w *triggered) expect(outcomes ...string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(outcomes, w.outcomes); diff != "" {
		w.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestSchedulesRotate(t *testing.T) {
	w := newTriggered(t)
	w.configure(&rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "3h", Freeze: []string{"2026-03-06"}})
	before := w.password()
	w.pass(20 * time.Hour) // to 01:30
	if w.password() != before {
		t.Error("rotated before its time")
	}
	w.pass(3 * 24 * time.Hour)
	if w.password() == before {
		t.Error("not rotated")
	}
	w.expect("Rotated by schedule at 05 02:00", "WindowClosed by schedule at 06 02:00: WindowClosed", "Rotated by schedule at 07 02:00")
	if w.undelivered != nil {
		t.Errorf("undelivered: %v", w.undelivered)
	}
}

func TestEventsRotateWhatIsConfigured(t *testing.T) {
	w := newTriggered(t)
	w.ask(`{"secretId":"prod/app"}`)
	w.pass(time.Minute)
	w.expect("Refused by event at 04 05:30: NotConfigured")

	w.configure(nil) // on demand only
	w.pass(time.Hour)
	w.ask(`{"secretId":"prod/app"}`)
	w.pass(time.Minute)
	w.expect("Refused by event at 04 05:30: NotConfigured", "Rotated by event at 04 06:31")

	w.ask(`{"secret":"prod/app"}`)
	if len(w.undelivered) != 1 || !strings.Contains(w.undelivered[0], "rule tumbler-rotate-now could not start its target: INVALID_JSON") {
		t.Errorf("undelivered: %v", w.undelivered)
	}
}

// TestEventsInARow: AWSPREVIOUS is not lost to two events, nor to one that follows
// somebody else's rotation.
func TestEventsInARow(t *testing.T) {
	w := newTriggered(t)
	w.configure(nil)
	w.pass(time.Hour)
	before := w.password()
	for range 3 {
		w.ask(`{"secretId":"prod/app"}`)
		w.pass(time.Minute)
	}
	previous, err := w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionStage: aws.String("AWSPREVIOUS")})
	w.check(err)
	if aws.ToString(previous.SecretString) != before {
		t.Error("AWSPREVIOUS is lost")
	}
	w.pass(time.Hour)
	w.ask(`{"secretId":"prod/app"}`)
	w.pass(time.Minute)
	w.expect("Rotated by event at 04 06:30", "Refused by event at 04 06:31: TooSoon", "Refused by event at 04 06:32: TooSoon", "Rotated by event at 04 07:33")
}

// TestDefaultBusRotatesNothing: most of an account may put events there.
func TestDefaultBusRotatesNothing(t *testing.T) {
	w := newTriggered(t)
	w.configure(nil)
	before := w.password()
	for _, bus := range []*string{nil, aws.String("default"), aws.String("arn:aws:events:us-east-1:123456789012:event-bus/default")} {
		out, err := eventbridge.NewFromConfig(w.sandbox.AWS("anybody")).PutEvents(w.Context(), &eventbridge.PutEventsInput{
			Entries: []types.PutEventsRequestEntry{{EventBusName: bus, Source: aws.String(statemachine.EventSource), DetailType: aws.String("Rotate"), Detail: aws.String(`{"secretId":"prod/app"}`)}},
		})
		w.check(err)
		if out.FailedEntryCount != 0 {
			t.Fatalf("the event was not accepted: %+v", out)
		}
	}
	w.pass(3 * time.Hour)
	w.expect()
	if w.password() != before {
		t.Error("an event on the default bus rotated the secret")
	}
}

func TestManualRequestsFollowTheSchedule(t *testing.T) {
	w := newTriggered(t)
	w.configure(&rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "1h"})
	for _, outside := range []string{"", rotation.OutsideRotate, rotation.OutsideWait} {
		input, err := json.Marshal(rotation.Request{SecretID: secretID, Trigger: rotation.Trigger{Source: rotation.SourceManual}, OutsideWindow: outside})
		w.check(err)
		_, err = w.states.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &w.sandbox.StateMachineARN, Input: aws.String(string(input))})
		w.check(err)
		w.pass(time.Minute)
	}
	w.pass(20*time.Hour + 20*time.Minute) // to 01:53
	w.expect("WindowClosed by manual at 04 05:30: WindowClosed", "Rotated by manual at 04 05:31")
	_, err := scheduler.NewFromConfig(w.sandbox.AWS("test")).DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{
		Name: aws.String(registry.Name(secretID)), GroupName: aws.String(sandbox.ScheduleGroup),
	})
	w.check(err)
	// The one that waits plans again when the window opens, by a configuration
	// that is not there any more.
	w.pass(time.Hour)
	w.expect("WindowClosed by manual at 04 05:30: WindowClosed", "Rotated by manual at 04 05:31", "Refused by manual at 05 02:00: NotConfigured")
}

// TestUndeliveredSchedule: a schedule whose target is gone is told of.
func TestUndeliveredSchedule(t *testing.T) {
	w := newTriggered(t)
	w.configure(nil)
	api := scheduler.NewFromConfig(w.sandbox.AWS("test"))
	got, err := api.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: aws.String(registry.Name(secretID)), GroupName: aws.String(sandbox.ScheduleGroup)})
	w.check(err)
	got.Target.Arn = aws.String(w.sandbox.StateMachineARN + "-gone")
	_, err = api.UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{
		Name: got.Name, GroupName: got.GroupName, ScheduleExpression: aws.String("at(2026-03-04T06:00:00)"),
		FlexibleTimeWindow: got.FlexibleTimeWindow, Target: got.Target,
	})
	w.check(err)
	w.pass(time.Hour)
	if len(w.undelivered) != 1 || !strings.Contains(w.undelivered[0], "schedule/tumbler/"+registry.Name(secretID)+" could not start its target: AccessDeniedException") {
		t.Errorf("undelivered: %v", w.undelivered)
	}
}

// TestFastClock: rate(4 hours) comes every 40 ms.
func TestFastClock(t *testing.T) {
	clock := sandbox.NewFastClock(4 * 3600 / 0.04)
	fired := make(chan string, 100)
	s, err := sandbox.Start(t.Context(), sandbox.Config{
		Clock: clock, Now: clock.Now,
		Task: func(asl.TaskFunc) asl.TaskFunc {
			return func(_ context.Context, task asl.Task) (json.RawMessage, error) {
				if strings.Contains(task.Resource, ":function:tumbler-plan") {
					select {
					case fired <- string(task.Input):
					default:
					}
				}
				return nil, &asl.Failure{Name: "NotHere"}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	began := time.Now()
	if err := s.Configure(t.Context(), rotation.Request{SecretID: secretID, Schedule: &rotation.Schedule{Expression: "rate(4 hours)"}}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if input := <-fired; !strings.Contains(input, `:00:00Z"`) || !strings.Contains(input, `"secretId":"prod/app"`) {
			t.Errorf("input %s", input)
		}
	}
	// At least four intervals, less what the clock ran before.
	if took := time.Since(began); took < 150*time.Millisecond || took > time.Minute {
		t.Errorf("five starts took %s", took)
	}
	ctx, cancel := clock.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := clock.Sleep(ctx, 4*time.Hour); err != nil {
		t.Errorf("a timeout is not of real time: %v", err)
	}
}
