// Command bench measures rotations that are run by the functions' own binaries
// against real databases: logins, statements, API calls and state transitions are
// exact; times are of this machine and only good as ratios.
//
// It expects the binaries for this machine in build/lambda; `make bench` builds
// them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/budget"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measured is what a rotation took.
type measured struct {
	budget.Counts

	calls   map[string]int // Secrets Manager operations
	other   map[string]int // operations of other services
	steps   []follow.Step
	entered int
	event   rotation.Event
	took    time.Duration
}

// probed is what a prober saw of a rotation.
type probed struct {
	refused, logins int64
	rate            float64 // logins a second
}

// subject is a database and a strategy, and what came of them.
type subject struct {
	*budget.Database

	strategy               rotation.Strategy
	keep                   bool // keepPrevious
	secretID               string
	first                  budget.Counts // of a pair's first rotation, which makes the clone
	cold, warm             []measured    // one to and one fro, and again
	coldProbed, warmProbed probed
}

// way is the strategy, for people.
func (s *subject) way() string {
	if s.keep {
		return "keepPrevious"
	}
	return string(s.strategy)
}

// request is the input of a rotation. The secret names the superuser's.
func (s *subject) request() string {
	more := ""
	if s.keep {
		more = `,"recoverPassword":true,"keepPrevious":true`
	}
	return fmt.Sprintf(`{"secretId":%q,"strategy":%q%s}`, s.secretID, s.strategy, more)
}

// bench is a sandbox with the functions as processes.
type bench struct {
	box       *sandbox.Sandbox
	functions *deployed.Functions
	started   sync.Map  // functions that have a process
	now       *measured // what API calls are counted into
	counting  sync.Mutex
}

func run(ctx context.Context) error {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	binaries := filepath.Join("build", "lambda", arch)
	if _, err := os.Stat(filepath.Join(binaries, "plan", "bootstrap")); err != nil {
		return fmt.Errorf("there are no functions in %s: run make bench", binaries)
	}
	b := &bench{}
	b.functions = &deployed.Functions{Dir: binaries, OnStart: func(function string, _ time.Duration) { b.started.Store(function, true) }}
	var err error
	b.box, err = sandbox.Start(ctx, sandbox.Config{Task: b.functions.Wrap, Observe: b.count})
	if err != nil {
		return err
	}
	defer b.box.Close()
	b.box.Intercept(likeAWS)
	b.functions.Connect(b.box.URL)
	defer b.functions.Close()

	var subjects []*subject
	var missing []string
	for _, start := range []func(context.Context) (*budget.Database, error){budget.StartPostgres, budget.StartMariaDB, budget.StartMySQL} {
		d, err := start(ctx)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		defer d.Stop()
		ways := []*subject{{strategy: rotation.SingleUser}, {strategy: rotation.AlternatingUsers}}
		if d.Engine == "mysql" {
			ways = []*subject{{strategy: rotation.SingleUser}, {strategy: rotation.SingleUser, keep: true}}
		}
		for i, s := range ways {
			fmt.Fprintf(os.Stderr, "==> measuring %s, %s\n", d.Name, s.way())
			s.Database, s.secretID = d, fmt.Sprintf("bench_%d", i)
			if err := b.measure(ctx, s); err != nil {
				return fmt.Errorf("%s, %s: %w", d.Name, s.way(), err)
			}
			subjects = append(subjects, s)
		}
	}
	if len(subjects) > 0 {
		fmt.Fprintln(os.Stderr, "==> measuring the functions' starts")
		started, err := starts(ctx, binaries)
		if err != nil {
			return err
		}
		report(subjects, started, binaries)
	}
	for _, why := range missing {
		fmt.Println("\nNOT MEASURED:", why)
	}
	return nil
}

// likeAWS has Secrets Manager answer as fast as it does within a Region.
func likeAWS(_ context.Context, call wire.Call) *wire.Failure {
	if call.Service == "secretsmanager" {
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func (b *bench) count(r wire.Record) {
	b.counting.Lock() // Ready asks three functions at once
	defer b.counting.Unlock()
	switch {
	case b.now == nil || r.Caller.AccessKeyID == "bench" || r.Caller.AccessKeyID == "prober":
	case r.Service == "secretsmanager":
		b.now.calls[r.Operation]++
	default:
		b.now.other[r.Service+":"+r.Operation]++
	}
}

// rounds are measured of each subject, of two rotations warm and two as in production.
const rounds = 5

// measure rotates warm, as in production (every function's process is new when the
// rotation begins, since rotations are days apart), and each again under the eyes of a
// prober: who probes takes part of the machine, and its logins are in the server's log.
func (b *bench) measure(ctx context.Context, s *subject) (err error) {
	s.secretID = s.Engine + "_" + s.secretID
	if err := s.CreateSecret(ctx, b.box.AWS("bench"), s.secretID); err != nil {
		return err
	}
	first, err := b.rotate(ctx, s)
	if err != nil {
		return err
	}
	s.first = first.Counts
	for range rounds {
		for range 2 {
			m, err := b.rotate(ctx, s)
			if err != nil {
				return err
			}
			s.warm = append(s.warm, m)
		}
		for range 2 {
			b.freeze()
			m, err := b.rotate(ctx, s)
			if err != nil {
				return err
			}
			s.cold = append(s.cold, m)
		}
	}
	if s.warmProbed, err = b.rotateProbed(ctx, s); err != nil {
		return err
	}
	b.freeze()
	s.coldProbed, err = b.rotateProbed(ctx, s)
	return err
}

// freeze ends the functions' processes.
func (b *bench) freeze() {
	b.started.Range(func(function, _ any) bool {
		b.functions.Kill(function.(string))
		return true
	})
}

func (b *bench) rotateProbed(ctx context.Context, s *subject) (probed, error) {
	p := probe(ctx, b.box.AWS("prober"), s.secretID)
	time.Sleep(200 * time.Millisecond)
	_, err := b.rotate(ctx, s)
	time.Sleep(200 * time.Millisecond)
	p.stop()
	if err == nil && p.failed.Load() != nil {
		err = fmt.Errorf("the prober: %w", *p.failed.Load())
	}
	n := p.accepted.Load() + p.refused.Load()
	return probed{p.refused.Load(), n, float64(n) / p.took.Seconds()}, err
}

func (b *bench) rotate(ctx context.Context, s *subject) (measured, error) {
	m := measured{calls: map[string]int{}, other: map[string]int{}}
	into := func(m *measured) {
		b.counting.Lock()
		defer b.counting.Unlock()
		b.now = m
	}
	into(&m)
	defer into(nil)
	var err error
	m.Counts, err = s.During(func() error { return m.run(ctx, b.box, s) })
	return m, err
}

func (m *measured) run(ctx context.Context, box *sandbox.Sandbox, s *subject) error {
	states := sfn.NewFromConfig(box.AWS("bench"))
	started, err := states.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &box.StateMachineARN, Input: aws.String(s.request()),
	})
	if err != nil {
		return err
	}
	ending, err := follow.Config{API: states, Interval: 10 * time.Millisecond, OnStep: func(s follow.Step) {
		if s.Kind == follow.Entered {
			m.entered++
		}
		if s.Kind == follow.Left && s.Type == "Task" {
			m.steps = append(m.steps, s)
		}
	}}.Execution(ctx, aws.ToString(started.ExecutionArn))
	if err != nil {
		return err
	}
	if ending.State != string(rotation.Rotated) {
		return fmt.Errorf("the rotation ended in %s: %s: %s", ending.State, ending.Error, ending.Cause)
	}
	m.took = ending.Took
	var out rotation.Ending
	if err := json.Unmarshal(ending.Output, &out); err != nil {
		return err
	}
	m.event = out.Event
	return nil
}
