package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

func TestRequests(t *testing.T) {
	for raw, want := range map[string]string{
		`{}`:                                                                       "select has 0 of tags",
		`{"select":{"all":true,"prefix":"a"}}`:                                     "select has 2 of tags",
		`{"select":{"tags":{}}}`:                                                   "select has 0 of tags",
		`{"select":{"tags":{"":"x"}}}`:                                             "has an empty key",
		`{"select":{"all":true},"canary":-1}`:                                      "field canary is -1",
		`{"select":{"all":true},"canary":201}`:                                     "field canary is 201",
		`{"select":{"all":true},"writesPerSecond":5}`:                              "Give a number from 6",
		`{"select":{"all":true},"writesPerSecond":51}`:                             "which is the quota",
		`{"select":{"all":true},"maxFailures":"101%"}`:                             `field maxFailures is "101%"`,
		`{"select":{"all":true},"maxFailures":"-1"}`:                               `field maxFailures is "-1"`,
		`{"select":{"all":true},"maxFailures":"ten"}`:                              `such as "25"`,
		`{"select":{"all":true},"outsideWindow":"wait"}`:                           "Use reject or rotate",
		`{"select":{"all":true},"resume":["x"]}`:                                   `field resume holds "x"`,
		`{"select":{"all":true},"reason":"` + strings.Repeat("x", 301) + `"}`:      "has 301 bytes",
		`{"select":{"all":true},"canaries":1}`:                                     `unknown field "canaries"`,
		`{"select":{"all":true},"resume":[` + strings.Repeat(`"x",`, 50) + `"x"]}`: "lists 51 executions",
		`[]`: "cannot be read",
	} {
		_, err := fleet.ParseRequest(json.RawMessage(raw))
		if !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %s", raw, err, want)
		}
	}
	r, err := fleet.ParseRequest(json.RawMessage(`{"select":{"all":true}}`))
	if err != nil || *r.Canary != 5 || r.Budget != 24 || r.Concurrency() != 40 || r.OutsideWindow != "reject" {
		t.Errorf("%+v %v", r, err)
	}
	for max, want := range map[string]int{"10%": 25, "0%": 0, "0.5%": 1, "100%": 257, "7": 7, "0": 0} {
		if got, err := (fleet.Request{MaxFailures: max}).Tolerated(257); err != nil || got != want {
			t.Errorf("%s of 257: %d %v, want %d", max, got, err, want)
		}
	}
}

// only is a registry of some secrets.
type only []string

func (o only) Configured(context.Context) (func(arn, name string) bool, error) {
	return func(_, name string) bool { return strings.HasPrefix(name, o[0]) }, nil
}

// Each reason to leave a secret out is counted, and what is left comes in the
// order of the fleet.
func TestSurvey(t *testing.T) {
	r := newRegion(t, 20)
	change := func(i int, f func(*fleet.Secret)) {
		for _, s := range r.secrets {
			if strings.HasSuffix(s.Name, fmt.Sprintf("app%05d", i)) {
				f(&s.Secret)
			}
		}
	}
	change(0, func(s *fleet.Secret) { s.Deleted = true })
	change(1, func(s *fleet.Secret) { s.PrimaryRegion = "us-east-1" })
	change(2, func(s *fleet.Secret) { s.PrimaryRegion = "eu-central-1" }) // the primary itself
	change(3, func(s *fleet.Secret) { s.OwningService = "rds" })
	change(4, func(s *fleet.Secret) { s.NativeRotationARN = "arn:other" })
	change(5, func(s *fleet.Secret) { s.NativeRotationARN = "arn:ours" })
	change(6, func(s *fleet.Secret) { s.Tags = map[string]string{"team": "ab"} })
	change(7, func(s *fleet.Secret) { s.Tags = nil })
	change(8, func(s *fleet.Secret) { s.Name = "stage/x" })
	source := fleet.Source{Secrets: r, Registry: only{"prod/"}, Region: "eu-central-1", RotatorARN: "arn:ours", MachineARN: rotationSM}
	request := fleet.Request{Select: fleet.Selection{Tags: map[string]string{"team": "a"}}}
	all, err := source.Survey(t.Context(), request, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		fleet.SkipDeleted: 1, fleet.SkipReplica: 1, fleet.SkipManaged: 1, fleet.SkipNative: 1, fleet.SkipNotConfigured: 1,
	}
	if diff := cmp.Diff(want, all.Skipped); diff != "" || all.Total != 13 || len(all.First) != 13 {
		t.Errorf("%d to rotate; %s", all.Total, diff)
	}
	few, err := source.Survey(t.Context(), request, "", 4)
	if diff := cmp.Diff(all.First[:4], few.First); diff != "" || err != nil || few.Total != 13 {
		t.Error(err, diff)
	}
	request.Select = fleet.Selection{Prefix: "stage/"}
	if s, _ := source.Survey(t.Context(), request, "", 4); s.Total != 0 || s.Skipped[fleet.SkipNotConfigured] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestCanaries(t *testing.T) {
	r := newRegion(t, 300)
	r.broken = func(string) bool { return true }
	result := r.run("a", `{"select":{"all":true},"canary":3}`)
	if result.Error != "CanaryFailed" || r.rotations > 3 || r.events[0].NotStarted+r.rotations != 300 {
		t.Errorf("%s: %s after %d rotations", result.Error, result.Cause, r.rotations)
	}
	if !strings.Contains(r.alerts[0], "tumbler rotate --resume "+prefix+"execution:tumbler-fleet:a") {
		t.Error(r.alerts[0])
	}
	// One secret alone: nothing has been left undone.
	r = newRegion(t, 1)
	r.broken = func(string) bool { return true }
	if result := r.run("a", `{"select":{"all":true}}`); result.Error != "SomeFailed" {
		t.Errorf("%s: %s", result.Error, result.Cause)
	}
}

func TestNothingToDo(t *testing.T) {
	r := newRegion(t, 10)
	result := r.run("a", `{"select":{"prefix":"none/"}}`)
	if result.Error != "NothingToDo" || len(r.alerts) != 1 || len(r.events) != 1 {
		t.Errorf("%s: %s", result.Error, result.Cause)
	}
}

// The request is refused by PlanWave: somebody is told.
func TestInvalidRequestIsReported(t *testing.T) {
	r := newRegion(t, 10)
	result := r.run("a", `{"select":{"prefix":"prod/"},"canary":-4}`)
	if result.Error != "InvalidRequest" || result.Path[len(result.Path)-1] != "Interrupted" || len(r.alerts) != 1 || !strings.Contains(r.alerts[0], "field canary is -4") {
		t.Errorf("%s: %s %v", result.Error, result.Cause, r.alerts)
	}
}

// Rotations cannot be started: the fleet tries a few times and gives up.
func TestStalledFleet(t *testing.T) {
	r := newRegion(t, 10)
	refuse := true
	result := r.machine.Run(t.Context(), asl.Run{
		Input: json.RawMessage(`{"select":{"all":true},"canary":0}`), Clock: r.clock,
		Execution: asl.Execution{ARN: prefix + "execution:tumbler-fleet:a", Name: "a"},
		Task: func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
			if task.State == "RotateSecret" && refuse {
				return nil, &asl.Failure{Name: "StepFunctions.AccessDeniedException"}
			}
			return r.task(ctx, task)
		},
	})
	if result.Error != "Interrupted" || r.events[0].NotStarted != 10 || r.events[0].Failed != 0 {
		t.Errorf("%s: %s", result.Error, result.Cause)
	}
}

// What a fleet that was stopped by hand leaves: its rotations go on, and a
// redrive of the fleet does not do them again.
func TestRedriveOfAFleet(t *testing.T) {
	r := newRegion(t, 30)
	ctx, stop := context.WithCancel(t.Context())
	run := asl.Run{
		Input: json.RawMessage(`{"select":{"all":true},"canary":0}`), Clock: r.clock,
		Execution:    asl.Execution{ARN: prefix + "execution:tumbler-fleet:a", Name: "a", StartTime: epoch},
		StateMachine: asl.StateMachine{ARN: fleetSM, Name: "tumbler-fleet"},
		Task: func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
			if r.rotations == 12 {
				stop()
			}
			return r.task(ctx, task)
		},
	}
	result := r.machine.Run(ctx, run)
	r.nested.Wait()
	if result.Status != asl.Aborted || r.rotations < 12 || r.rotations > 20 || r.rotated() != r.rotations {
		t.Fatalf("%s after %d rotations of which %d succeeded", result.Status, r.rotations, r.rotated())
	}
	run.ResumeFrom, run.Task = result.Checkpoint, r.task
	result = r.machine.Run(t.Context(), run)
	if result.Status != asl.Succeeded || r.rotations != 30 || r.rotated() != 30 {
		t.Errorf("%s: %s: %s: %d rotations", result.Status, result.Error, result.Cause, r.rotations)
	}
	if e := r.events[0]; e.Rotated != 30 || e.Failed != 0 {
		t.Errorf("%+v", e)
	}
}

// The budget rests on the times at which rotations begin: without them it is broken.
func TestPaceIsNeeded(t *testing.T) {
	r := newRegion(t, 1000)
	without := strings.Replace(string(statemachine.Fleet), `"TimestampPath": "$.startAt",`, `"Seconds": 0,`, 1)
	m, err := asl.Load([]byte(without), map[string]string{
		"PlanWaveFunctionArn":     "arn:aws:lambda:eu-central-1:123456789012:function:tumbler-planwave",
		"RotationStateMachineArn": rotationSM, "AlertTopicArn": "x", "EventBusName": "default",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.machine = m
	if result := r.run("a", `{"select":{"all":true}}`); result.Status != asl.Succeeded {
		t.Fatal(result.Cause)
	}
	if average := 6000 / r.clock.Now().Sub(epoch).Seconds(); average < 2*fleet.DefaultBudget {
		t.Errorf("%.1f writes a second on average all the same", average)
	}
}

// Names fit Step Functions' rules and tell fleets and secrets apart.
func TestRotationName(t *testing.T) {
	long := strings.Repeat("päss/w+o=r@d", 40)
	seen := map[string]bool{}
	for _, fleetARN := range []string{"a", "b"} {
		for _, secret := range []string{"x", "y", long} {
			name := fleet.RotationName(fleetARN, secret, long)
			if seen[name] || len(name) > 80 || strings.ContainsAny(name, "/+=@ä") {
				t.Error(name)
			}
			seen[name] = true
		}
	}
}

// A wave of the longest names still fits into the state.
func TestWaveFitsIntoTheState(t *testing.T) {
	r := newRegion(t, 0)
	for i := range 400 {
		name := fmt.Sprintf("%0512d", i)
		arn := "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + name + "-AbCdEf"
		r.secrets[arn] = &secret{Secret: fleet.Secret{ARN: arn, Name: name, Labels: map[string]string{rotation.Current: "first"}}}
	}
	largest := 0
	r.atChoice = func(s fleet.State) {
		raw, _ := json.Marshal(s)
		largest = max(largest, len(raw))
	}
	began := time.Now()
	result := r.run("a", `{"select":{"all":true},"reason":"`+strings.Repeat("x", 300)+`"}`)
	if result.Status != asl.Succeeded || r.rotated() != 400 || largest > asl.MaxPayload*3/4 {
		t.Errorf("%s: %s with a state of %d bytes after %s", result.Status, result.Cause, largest, time.Since(began))
	}
}
