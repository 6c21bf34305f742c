package sandbox_test

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // this machine may not know Berlin

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// nightly opens at 02:00 for an hour. newTriggered's clock starts on Wednesday
// the 4th at 05:30.
var nightly = &rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "1h"}

// windowed is a deployment whose Task states take time on its clock.
type windowed struct {
	*triggered
	mu     sync.Mutex
	slow   map[string]time.Duration // state -> how long it takes before the function runs
	parked map[string]bool          // states that never answer after the function has run
	ran    []string                 // "state at time" of what a function answered
	arrive chan string              // gets the name of each state that is parked
}

func newWindowed(t *testing.T) *windowed {
	t.Helper()
	w := &windowed{slow: map[string]time.Duration{}, parked: map[string]bool{}, arrive: make(chan string, 1)}
	w.triggered = newTriggered(t, func(tr *triggered, cfg *sandbox.Config) {
		cfg.Task = func(run asl.TaskFunc) asl.TaskFunc {
			return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
				w.mu.Lock()
				takes, parked := w.slow[task.State], w.parked[task.State]
				w.mu.Unlock()
				if err := tr.clock.Sleep(ctx, takes); err != nil {
					return nil, err
				}
				out, err := run(ctx, task)
				w.mu.Lock()
				w.ran = append(w.ran, task.State+" at "+tr.clock.Now().Format("02 15:04"))
				w.mu.Unlock()
				if parked {
					w.arrive <- task.State
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return out, err
			}
		}
	})
	return w
}

// start asks for a rotation by hand.
func (w *windowed) start(outside string) string {
	w.Helper()
	return w.startWith(rotation.Request{SecretID: secretID, Trigger: rotation.Trigger{Source: rotation.SourceManual}, OutsideWindow: outside})
}

func (w *windowed) startWith(request rotation.Request) string {
	w.Helper()
	input, err := json.Marshal(request)
	w.check(err)
	return w.startInput(string(input))
}

func (w *windowed) startInput(input string) string {
	w.Helper()
	started, err := w.states.StartExecution(w.Context(), &sfn.StartExecutionInput{StateMachineArn: &w.sandbox.StateMachineARN, Input: &input})
	w.check(err)
	return aws.ToString(started.ExecutionArn)
}

// configureSilent leaves the schedule to say when the windows are, and keeps it
// from starting anything.
func (w *windowed) configureSilent(schedule *rotation.Schedule) {
	w.Helper()
	w.configure(schedule)
	api := scheduler.NewFromConfig(w.sandbox.AWS("test"))
	got := w.schedule()
	_, err := api.UpdateSchedule(w.Context(), &scheduler.UpdateScheduleInput{
		Name: got.Name, GroupName: got.GroupName, ScheduleExpression: got.ScheduleExpression, StartDate: got.StartDate,
		FlexibleTimeWindow: got.FlexibleTimeWindow, Target: got.Target, State: types.ScheduleStateDisabled,
	})
	w.check(err)
}

func (w *windowed) schedule() *scheduler.GetScheduleOutput {
	w.Helper()
	got, err := scheduler.NewFromConfig(w.sandbox.AWS("test")).GetSchedule(w.Context(), &scheduler.GetScheduleInput{
		Name: aws.String(registry.Name(secretID)), GroupName: aws.String(sandbox.ScheduleGroup),
	})
	w.check(err)
	return got
}

// until lets the time pass to that on day of March.
func (w *windowed) until(day, hour, minute, second int) {
	w.Helper()
	w.pass(time.Date(2026, 3, day, hour, minute, second, 0, time.UTC).Sub(w.clock.Now()))
}

// ended fails unless the execution ended so.
func (w *windowed) ended(arn, state string) follow.Ending {
	w.Helper()
	e := w.await(arn)
	if e.State != state {
		w.Fatalf("ended in %s with %s: %s; want %s\nfunctions: %q", e.State, e.Error, e.Cause, state, w.ran)
	}
	return e
}

// path is the states that were entered.
func (w *windowed) path(arn string) (states []string) {
	w.Helper()
	pages := sfn.NewGetExecutionHistoryPaginator(w.states, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.Context())
		w.check(err)
		for _, event := range page.Events {
			if event.StateEnteredEventDetails != nil {
				states = append(states, aws.ToString(event.StateEnteredEventDetails.Name))
			}
		}
	}
	return states
}

func (w *windowed) walked(arn string, want ...string) {
	w.Helper()
	// The branches of Ready are entered in any order.
	path := slices.DeleteFunc(w.path(arn), func(state string) bool { return strings.HasPrefix(state, "ReadyTo") })
	if diff := cmp.Diff(want, path); diff != "" {
		w.Errorf("path (-want +got):\n%s", diff)
	}
}

// closed fails unless the last alert tells people what they need.
func (w *windowed) closed(nextWindow string) {
	w.Helper()
	alert := w.lastAlert()
	for _, want := range []string{
		"rotation window is closed", "Applications:   ", "The next window is from " + nextWindow, "--outside-window", "tumbler explain WindowClosed",
	} {
		if !strings.Contains(alert.Body, want) {
			w.Errorf("the alert does not say %q:\n%s", want, alert.Body)
		}
	}
	if got := alert.Attributes["severity"].StringValue; got != "warning" {
		w.Errorf("severity %q", got)
	}
}

// stillHas fails unless AWSCURRENT is what it was.
func (w *windowed) stillHas(before string) {
	w.Helper()
	if w.password() != before {
		w.Error("AWSCURRENT has changed")
	}
}

// untouched fails unless AWSCURRENT is what it was and logs in.
func (w *windowed) untouched(before string) {
	w.Helper()
	if w.password() != before {
		w.Error("AWSCURRENT has changed")
	}
	w.currentLogsIn()
	w.noPending()
}

// gate is what stands before the database. Shut, it takes connections and hangs
// up.
type gate struct {
	listener net.Listener
	mu       sync.Mutex
	open     bool
	turned   int // connections that it hung up on
}

func newGate(t *testing.T, address string) *gate {
	t.Helper()
	g := &gate{}
	var err error
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { g.listener.Close() })
	serving.Go(func() {
		for {
			client, err := g.listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { g.serve(client, address) })
		}
	})
	return g
}

func (g *gate) serve(client net.Conn, address string) {
	defer client.Close()
	g.mu.Lock()
	open := g.open
	if !open {
		g.turned++
	}
	g.mu.Unlock()
	if !open {
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	relayBoth(client, server)
}

func (g *gate) port() int { return g.listener.Addr().(*net.TCPAddr).Port }

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
}

// relayBoth passes bytes on until one side ends.
func relayBoth(a, b net.Conn) {
	var done sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		done.Go(func() {
			buffer := make([]byte, 4096)
			for {
				n, err := way[0].Read(buffer)
				if _, failed := way[1].Write(buffer[:n]); err != nil || failed != nil {
					way[0].Close()
					way[1].Close()
					return
				}
			}
		})
	}
	done.Wait()
}

// toPort points the secret at another port.
func (w *windowed) toPort(port int) {
	w.Helper()
	w.put(w.db.Document(func(keys map[string]any) { keys["port"] = port }).Encode().Reveal())
}

// TestWindowClosesDuringRetries: the database cannot be reached; SetSecret is
// tried until the window closes and not once more.
func TestWindowClosesDuringRetries(t *testing.T) {
	for name, port := range map[string]func(*windowed) int{
		"connections closed": func(w *windowed) int {
			return newGate(w.T, net.JoinHostPort(w.db.Host, strconv.Itoa(w.db.Port))).port()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindowed(t)
			w.configureSilent(nightly)
			w.toPort(port(w))
			before := w.password()
			w.slow["SetSecret"] = 8 * time.Second
			w.until(5, 2, 59, 30)
			arn := w.start("")
			w.pass(time.Hour)
			e := w.ended(arn, "NeedsAttention") // nobody could ask the database
			if e.Error != "WindowClosed" || !strings.Contains(e.Cause, "the rotation window closed at 2026-03-05T03:00:00Z") {
				t.Errorf("got %s: %s", e.Error, e.Cause)
			}
			w.stillHas(before)
			w.walked(arn, "Receive", "Plan", "WindowOpen", "CreateSecret", "HasRotationFunction", "Ready", "SetSecret", "Restore", "TellPeople", "SendAlert", "Announce", "Ending", "NeedsAttention")
			attempts := slices.DeleteFunc(slices.Clone(w.ran), func(s string) bool { return !strings.HasPrefix(s, "SetSecret ") })
			if n := len(attempts); n < 2 || attempts[n-1] != "SetSecret at 05 03:00" || slices.Contains(attempts[:n-1], "SetSecret at 05 03:00") {
				t.Errorf("attempts: %q; want several, and the last alone after the window closed", attempts)
			}
		})
	}
}

// TestWindowClosesAfterTheChange: past the commit point the run goes on.
func TestWindowClosesAfterTheChange(t *testing.T) {
	t.Run("to its end", func(t *testing.T) {
		w := newWindowed(t)
		w.configureSilent(nightly)
		w.slow["TestSecret"], w.slow["FinishSecret"] = 30*time.Second, 30*time.Second
		w.until(5, 2, 59, 50)
		before := w.password()
		arn := w.start("")
		w.pass(time.Hour)
		w.ended(arn, "Rotated")
		if w.password() == before {
			t.Error("AWSCURRENT has not changed")
		}
		w.currentLogsIn()
		w.noPending()
		w.expect("Rotated by manual at 05 03:00")
	})
	t.Run("to its restoration", func(t *testing.T) {
		w := newWindowed(t)
		w.configureSilent(nightly)
		w.until(5, 2, 59, 50)
		before := w.password()
		w.slow["TestSecret"] = 30 * time.Second
		w.sandbox.Intercept(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")))
		arn := w.start("")
		w.pass(time.Hour)
		w.sandbox.Intercept(nil)
		if e := w.ended(arn, "RestoredCleanly"); e.Error != "AccessDenied" {
			t.Errorf("got %s: %s", e.Error, e.Cause)
		}
		w.untouched(before)
	})
}

// TestChangeUnderWayWhenTheWindowCloses: the server works on the change when the
// window closes, held up by a lock. Were it given up, Restore would see that
// AWSCURRENT works and drop AWSPENDING, and then the server would make it.
func TestChangeUnderWayWhenTheWindowCloses(t *testing.T) {
	t.Parallel()
	w := newWindowed(t)
	w.configureSilent(nightly)
	w.until(5, 2, 59, 58) // a login takes no time on this clock, and milliseconds in reality
	before := w.password()
	lock, look := w.db.Admin(), w.db.Admin()
	exec := func(on *pgconn.PgConn, sql string) int {
		results, err := on.Exec(context.Background(), sql).ReadAll()
		if err != nil {
			t.Error(err)
			return 1
		}
		return len(results[len(results)-1].Rows)
	}
	exec(lock, "BEGIN; ALTER ROLE "+quoted(w.db.User)+" CONNECTION LIMIT 7")
	var unlocked sync.WaitGroup
	unlocked.Go(func() {
		for exec(look, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = '"+w.db.User+"'") == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2500 * time.Millisecond) // the window closes after two seconds
		exec(lock, "ROLLBACK")
	})
	arn := w.start("")
	w.pass(time.Hour)
	unlocked.Wait()
	w.ended(arn, "Rotated")
	if w.password() == before {
		t.Error("AWSCURRENT has not changed")
	}
	w.currentLogsIn()
	w.noPending()
}

func TestWindowOpensWhileWaiting(t *testing.T) {
	w := newWindowed(t)
	w.configureSilent(&rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "1h", Freeze: []string{"2026-03-05"}})
	before := w.password()
	arn := w.start(rotation.OutsideWait)
	w.until(6, 1, 59, 59)
	w.untouched(before)
	w.pass(2 * time.Second)
	w.ended(arn, "Rotated")
	if w.password() == before {
		t.Error("AWSCURRENT has not changed")
	}
	w.currentLogsIn()
	w.walked(arn, "Receive", "Plan", "WindowOpen", "WaitForWindow", "Plan", "WindowOpen", "CreateSecret", "HasRotationFunction", "Ready", "SetSecret", "TestSecret", "FinishSecret", "TellPeople", "Announce", "Ending", "Rotated")
}

// scheduled is what the schedule sends, of that time.
func (w *windowed) scheduled(at string) string {
	w.Helper()
	return strings.ReplaceAll(aws.ToString(w.schedule().Target.Input), "<aws.scheduler.scheduled-time>", at)
}

// TestSchedulerIsLate: what counts is the window that the schedule meant.
func TestSchedulerIsLate(t *testing.T) {
	for name, tc := range map[string]struct {
		schedule rotation.Schedule
		ending   string
	}{
		"two hours, and the window is over":         {rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "1h"}, "WindowClosed"},
		"two hours, to the instant it closes":       {rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "2h"}, "WindowClosed"},
		"two hours, inside its window":              {rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "3h"}, "Rotated"},
		"two hours, when the next one has not come": {rotation.Schedule{Expression: "cron(0 2/6 * * ? *)", Duration: "1h"}, "WindowClosed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindowed(t)
			w.configureSilent(&tc.schedule)
			w.until(5, 4, 0, 0)
			before := w.password()
			arn := w.startInput(w.scheduled("2026-03-05T02:00:00Z"))
			w.ended(arn, tc.ending)
			w.currentLogsIn()
			w.noPending()
			if tc.ending == "Rotated" {
				return
			}
			w.untouched(before)
			w.walked(arn, "Receive", "Plan", "Restore", "TellPeople", "SendAlert", "Announce", "Ending", "WindowClosed")
			next := "2026-03-06T02:00:00Z"
			if strings.Contains(tc.schedule.Expression, "2/6") {
				next = "2026-03-05T08:00:00Z"
			}
			w.closed(next)
		})
	}
}

// park starts a rotation and stops it in a state whose function has done its
// work and is not heard any more.
func (w *windowed) park(state string, request rotation.Request) (arn string) {
	w.Helper()
	w.mu.Lock()
	w.parked[state] = true
	w.mu.Unlock()
	arn = w.startWith(request)
	<-w.arrive
	_, err := w.states.StopExecution(w.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
	w.check(err)
	w.mu.Lock()
	delete(w.parked, state)
	w.mu.Unlock()
	w.keepHistory(arn)
	return arn
}

func (w *windowed) redrive(arn string) {
	w.Helper()
	_, err := w.states.RedriveExecution(w.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn})
	w.check(err)
}

// TestRedriveTheNextDay: the window of the plan is over, and so is the next one
// that was known then.
func TestRedriveTheNextDay(t *testing.T) {
	undone := []string{"Restore", "TellPeople", "SendAlert", "Announce", "Ending", "WindowClosed"}
	for name, tc := range map[string]struct {
		stoppedIn string
		cutOff    bool     // from the database, so that the function changed nothing
		after     []string // the states after stoppedIn, in the redrive
		rotated   bool
	}{
		"stopped in CreateSecret":                   {"CreateSecret", false, undone, false},
		"stopped before SetSecret changed anything": {"SetSecret", true, undone, false},
		"stopped after SetSecret changed it":        {"SetSecret", false, undone, false},
		"stopped past the commit point":             {"TestSecret", false, []string{"FinishSecret", "TellPeople", "SendAlert", "Announce", "Ending", "Rotated"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindowed(t)
			g := newGate(t, net.JoinHostPort(w.db.Host, strconv.Itoa(w.db.Port)))
			w.configureSilent(nightly) // no rotation comes in between
			w.toPort(g.port())
			w.until(5, 2, 30, 0)
			before := w.password()
			g.set(!tc.cutOff)
			arn := w.park(tc.stoppedIn, rotation.Request{SecretID: secretID, Trigger: rotation.Trigger{Source: rotation.SourceManual}})
			g.set(true)
			way := len(w.path(arn))
			w.until(6, 5, 0, 0)

			w.redrive(arn)
			ending := "WindowClosed"
			if tc.rotated {
				ending = "Rotated"
			}
			w.ended(arn, ending)
			// What a redrive begins with is entered anew on AWS as well.
			if diff := cmp.Diff(append([]string{tc.stoppedIn}, tc.after...), w.path(arn)[way:]); diff != "" {
				t.Errorf("path of the redrive (-want +got):\n%s", diff)
			}
			if tc.rotated {
				if w.password() == before {
					t.Error("AWSCURRENT has not changed")
				}
				w.currentLogsIn()
				w.noPending()
				return
			}
			w.untouched(before)
			w.closed("2026-03-07T02:00:00Z to 2026-03-07T03:00:00Z")
		})
	}
}

// TestRedriveAfterTheNextRotation: the schedule has taken over what was left
// behind, and a late redrive leaves that alone.
func TestRedriveAfterTheNextRotation(t *testing.T) {
	w := newWindowed(t)
	w.configure(nightly)
	w.until(5, 2, 30, 0)
	arn := w.park("SetSecret", rotation.Request{SecretID: secretID, Trigger: rotation.Trigger{Source: rotation.SourceManual}})
	w.until(6, 5, 0, 0)
	w.expect("Rotated by schedule at 05 02:00", "Rotated by schedule at 06 02:00")
	before := w.password()
	w.currentLogsIn()
	w.redrive(arn)
	w.ended(arn, "WindowClosed")
	w.untouched(before)
}

// TestManual: a person decides what the window means.
func TestManual(t *testing.T) {
	for name, tc := range map[string]struct {
		hour, outside, want string
	}{
		"inside":                {"02", "", "Rotated by manual at 05 02:30"},
		"outside":               {"05", rotation.OutsideReject, "WindowClosed by manual at 05 05:30: WindowClosed"},
		"forced":                {"05", rotation.OutsideRotate, "Rotated by manual at 05 05:30"},
		"forced without need":   {"02", rotation.OutsideRotate, "Rotated by manual at 05 02:30"},
		"at the next window":    {"05", rotation.OutsideWait, "Rotated by manual at 06 02:00"},
		"at the one that is on": {"02", rotation.OutsideWait, "Rotated by manual at 05 02:30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindowed(t)
			w.configureSilent(nightly)
			hour, err := strconv.Atoi(tc.hour)
			w.check(err)
			w.until(5, hour, 30, 0)
			before := w.password()
			arn := w.start(tc.outside)
			if tc.outside == rotation.OutsideWait && hour > 2 {
				w.until(7, 0, 0, 0)
			}
			w.ended(arn, strings.Fields(tc.want)[0])
			w.expect(tc.want)
			w.currentLogsIn()
			w.noPending()
			if strings.HasPrefix(tc.want, "WindowClosed") {
				w.untouched(before)
				if n := len(w.sandbox.Outbox.Messages()); n > 0 { // who typed it has been told
					t.Errorf("%d alerts", n)
				}
			} else if w.password() == before {
				t.Error("AWSCURRENT has not changed")
			}
		})
	}
}

// TestFreeze: what is scheduled does not start, and says why; people may.
func TestFreeze(t *testing.T) {
	w := newWindowed(t)
	w.configure(&rotation.Schedule{Expression: "cron(0 2 * * ? *)", Duration: "1h", Freeze: []string{"2026-03-05..2026-03-07 year-end"}})
	before := w.password()
	w.until(5, 2, 30, 0)
	w.expect("WindowClosed by schedule at 05 02:00: WindowClosed")
	w.untouched(before)
	w.closed("2026-03-08T02:00:00Z to 2026-03-08T03:00:00Z")
	if body := w.lastAlert().Body; !strings.Contains(body, "frozen: from 2026-03-05 to 2026-03-07 (year-end)") {
		t.Errorf("the alert does not name the freeze:\n%s", body)
	}
	w.ended(w.start(""), "Rotated") // inside the window of a frozen day
	if w.password() == before {
		t.Error("AWSCURRENT has not changed")
	}
	w.currentLogsIn()
	w.until(8, 12, 0, 0)
	w.expect("WindowClosed by schedule at 05 02:00: WindowClosed", "Rotated by manual at 05 02:30",
		"WindowClosed by schedule at 06 02:00: WindowClosed", "WindowClosed by schedule at 07 02:00: WindowClosed", "Rotated by schedule at 08 02:00")
}

// TestDaylightSavingChangesNothing: on the nights on which an hour is missing or
// comes twice in Berlin and in New York, on machines that keep those times.
func TestDaylightSavingChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		zone  string
		first time.Time // noon before the three nights
	}{
		"Berlin, an hour is missing":   {"Europe/Berlin", time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)},
		"Berlin, an hour comes twice":  {"Europe/Berlin", time.Date(2026, 10, 23, 12, 0, 0, 0, time.UTC)},
		"New York, an hour is missing": {"America/New_York", time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(tc.zone)
			if err != nil {
				t.Fatal(err)
			}
			w := newTriggered(t, func(w *triggered, cfg *sandbox.Config) {
				cfg.Now = func() time.Time { return w.clock.Now().In(zone) }
			})
			w.pass(tc.first.Sub(w.clock.Now()))
			w.configure(nightly)
			var want []string
			for night := range 3 {
				opens := tc.first.AddDate(0, 0, night).Add(14 * time.Hour)
				want = append(want, "Rotated by schedule at "+opens.Format("02 15:04"))
			}
			w.pass(3 * 24 * time.Hour)
			w.expect(want...)
			w.currentLogsIn()
		})
	}
}
