package fleet_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	prefix     = "arn:aws:states:eu-central-1:123456789012:"
	rotationSM = prefix + "stateMachine:tumbler-rotation"
	fleetSM    = prefix + "stateMachine:tumbler-fleet"
)

// region is an account and Region with secrets, whose rotations are models that
// take a plausible time and make the writes that rotations make. Everything
// happens on a virtual clock.
type region struct {
	t       *testing.T
	clock   *asl.VirtualClock
	machine *asl.Machine
	broken  func(name string) bool // whether a secret's database is down
	// listing is what one walk through ListSecrets takes.
	listing time.Duration

	mu         sync.Mutex
	secrets    map[string]*secret // by ARN
	executions map[string]*fleet.Execution
	writes     []time.Time
	rotations  int
	alerts     []string
	events     []fleet.Event
	atChoice   func(fleet.State)
	nested     sync.WaitGroup
}

type secret struct {
	fleet.Secret
	rotations int // that were begun
}

func newRegion(t *testing.T, n int) *region {
	t.Helper()
	m, err := asl.Load(statemachine.Fleet, map[string]string{
		"PlanWaveFunctionArn":     "arn:aws:lambda:eu-central-1:123456789012:function:tumbler-planwave",
		"RotationStateMachineArn": rotationSM, "AlertTopicArn": "arn:aws:sns:eu-central-1:123456789012:alerts", "EventBusName": "default",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &region{
		t: t, clock: asl.NewVirtualClock(epoch), machine: m, listing: time.Duration(n/100+1) * 60 * time.Millisecond,
		secrets: map[string]*secret{}, executions: map[string]*fleet.Execution{},
		broken: func(string) bool { return false },
	}
	for i := range n {
		name := fmt.Sprintf("prod/db%02d/app%05d", i%33, i)
		arn := "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + name + "-AbCdEf"
		r.secrets[arn] = &secret{Secret: fleet.Secret{
			ARN: arn, Name: name, Labels: map[string]string{rotation.Current: "first"}, Tags: map[string]string{"team": "a"},
		}}
	}
	return r
}

func (r *region) List(_ context.Context, s fleet.Selection, each func(fleet.Secret) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range r.secrets {
		if err := each(secret.Secret); err != nil {
			return err
		}
	}
	return nil
}

func (r *region) Describe(_ context.Context, id string) (rotation.Metadata, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.secrets[id]
	if s == nil {
		return rotation.Metadata{}, fault.New(fault.SecretNotFound, "there is none", "")
	}
	return rotation.Metadata{ARN: s.ARN, Name: s.Name, Labels: map[string]string{
		rotation.Current: s.Labels[rotation.Current], rotation.Previous: s.Labels[rotation.Previous],
	}}, nil
}

func (r *region) Status(_ context.Context, arn string) (fleet.Execution, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.executions[arn]
	if !ok {
		return fleet.Execution{}, false, nil
	}
	return *e, true, nil
}

// run runs a fleet to its end.
func (r *region) run(name, request string) asl.Result {
	r.t.Helper()
	release := r.clock.Hold() // so that the time of the end is the fleet's
	result := r.machine.Run(r.t.Context(), asl.Run{
		Input: json.RawMessage(request), Clock: r.clock, Task: r.task, Held: true,
		Execution:    asl.Execution{ARN: prefix + "execution:tumbler-fleet:" + name, Name: name},
		StateMachine: asl.StateMachine{ARN: fleetSM, Name: "tumbler-fleet"},
	})
	release()
	r.nested.Wait()
	return result
}

func (r *region) task(ctx context.Context, t asl.Task) (json.RawMessage, error) {
	switch t.State {
	case "PlanWave":
		return r.choose(ctx, t.Input)
	case "RotateSecret":
		return r.start(ctx, t.Input)
	case "SendAlert":
		var in struct{ Message string }
		_ = json.Unmarshal(t.Input, &in)
		r.alerts = append(r.alerts, in.Message)
	case "Announce":
		var in struct {
			Entries []struct{ Detail fleet.Event }
		}
		if err := json.Unmarshal(t.Input, &in); err != nil {
			return nil, err
		}
		r.events = append(r.events, in.Entries[0].Detail)
	}
	return json.RawMessage("{}"), nil
}

func (r *region) choose(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
	if err := r.clock.Sleep(ctx, r.listing); err != nil {
		return nil, err
	}
	var in fleet.Input
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	next := fleet.PlanWave{Source: fleet.Source{Secrets: r, Region: "eu-central-1"}, Labels: r, Executions: r, Now: r.clock.Now}
	state, err := next.Run(ctx, in)
	if err != nil {
		return nil, &asl.Failure{Name: string(fault.CodeOf(err)), Cause: fault.From(err).Message()}
	}
	if r.atChoice != nil {
		r.atChoice(state)
	}
	return json.Marshal(state)
}

// start begins a rotation and waits for it. It goes on when the caller is
// stopped, as on AWS without the right to states:StopExecution.
func (r *region) start(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
	var in struct {
		StateMachineArn, Name string
		Input                 rotation.Request
	}
	if err := json.Unmarshal(raw, &in); err != nil || in.StateMachineArn != rotationSM || len(in.Name) > 80 {
		r.t.Errorf("startExecution with %s: %v", raw, err)
	}
	arn := strings.Replace(rotationSM, "stateMachine", "execution", 1) + ":" + in.Name
	execution := &fleet.Execution{Running: true}
	r.mu.Lock()
	if r.executions[arn] != nil {
		r.mu.Unlock()
		return nil, &asl.Failure{Name: "StepFunctions.ExecutionAlreadyExistsException"}
	}
	r.executions[arn] = execution
	s := r.secrets[in.Input.SecretID]
	s.rotations++
	r.rotations++
	r.mu.Unlock()
	latch := asl.NewLatch(r.clock)
	release := r.clock.Hold()
	r.nested.Go(func() {
		defer release()
		r.rotate(arn, s, execution)
		latch.Open()
	})
	if err := latch.Wait(ctx); err != nil {
		return nil, err
	}
	if !execution.Succeeded {
		return nil, &asl.Failure{Name: asl.ErrorTaskFailed, Cause: "{}"}
	}
	return json.RawMessage("{}"), nil
}

// rotate is a rotation: some are so fast that all six writes are within a
// second, most take two or three, and with a database that is down it is tried
// for minutes.
func (r *region) rotate(arn string, s *secret, e *fleet.Execution) {
	sum := sha256.Sum256([]byte(arn))
	random := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), 0))
	takes := func(low, high int) {
		_ = r.clock.Sleep(context.Background(), time.Duration(low+random.IntN(high-low))*time.Millisecond)
	}
	write := func(change func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.writes = append(r.writes, r.clock.Now())
		change()
	}
	slow := 1 + 9*random.IntN(2)*random.IntN(2) // a quarter has cold starts
	takes(20, 100*slow)                         // Plan
	write(func() {})                            // the new version
	takes(10, 60)
	write(func() {}) // AWSPENDING
	takes(30, 150*slow)
	write(func() {}) // Ready
	if r.broken(s.Name) {
		takes(90_000, 300_000) // SetSecret and Restore try for long
		write(func() { *e = fleet.Execution{Error: "DatabaseUnreachable"} })
		return
	}
	takes(30, 150*slow)
	write(func() {
		s.Labels = map[string]string{rotation.Current: rotation.VersionID(arn), rotation.Previous: s.Labels[rotation.Current]}
	})
	takes(10, 60)
	write(func() {})
	takes(10, 60)
	write(func() {})
	takes(20, 100)
	r.mu.Lock()
	defer r.mu.Unlock()
	*e = fleet.Execution{Succeeded: true}
}

// peak is the largest number of writes within any second.
func (r *region) peak() int { return r.most(time.Second) }

// most is the largest number of writes within any time of that length.
func (r *region) most(length time.Duration) int {
	slices.SortFunc(r.writes, time.Time.Compare)
	most := 0
	for i, from := range r.writes {
		end := sort.Search(len(r.writes), func(j int) bool { return r.writes[j].Sub(from) >= length })
		most = max(most, end-i)
	}
	return most
}

func (r *region) rotated() (n int) {
	for _, s := range r.secrets {
		if s.Labels[rotation.Current] != "first" {
			n++
		}
	}
	return n
}
