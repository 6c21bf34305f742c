package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Race is several rotations of one secret at the same time.
type Race struct {
	Executions int
	Native     bool // Secrets Manager rotates as well
	Seed       uint64
}

// triggers are who asks for the executions of a race, in turn.
var triggers = []string{rotation.SourceManual, rotation.SourceSchedule, rotation.SourceEvent}

// Endings says how each execution of a race ended, and what it broke.
type Endings struct {
	Counts     map[string]int // by ending
	Violations []string
}

// Interleave runs a race on a fresh user. A scheduler lets one rotation at a time
// go on to its next call of Secrets Manager or of the database, chosen by the
// seed, so that a race can be run again as it was.
func Interleave(ctx context.Context, target Target, race Race, replace map[string]lambdaboot.Builder) (Endings, error) {
	turns := newTurns(race.Seed)
	box, err := sandbox.Start(ctx, sandbox.Config{
		Engines:  engine.Table{target.Family: scheduled{target.Engine, turns}},
		Clock:    hurriedClock{},
		Replace:  replace,
		Strategy: target.Strategy,
		OneByOne: true, // a rotation waits for one turn at a time

		RotationBackoff: func(int) time.Duration { return time.Millisecond },
	})
	if err != nil {
		return Endings{}, err
	}
	defer box.Close()
	box.Intercept(func(ctx context.Context, call wire.Call) *wire.Failure {
		if call.Service == "secretsmanager" && isFunction[call.Caller.AccessKeyID] {
			turns.take(ctx)
		}
		return nil
	})
	client := box.AWS("chaos")
	w := &World{
		target: target, box: box,
		secrets: secretsmanager.NewFromConfig(client), states: sfn.NewFromConfig(client),
		secretID: "race",
	}
	user, err := target.NewUser(ctx)
	if err != nil {
		return Endings{}, err
	}
	if target.Strategy == rotation.AlternatingUsers {
		w.superuser = "superuser"
		if err := w.createSecret(ctx, w.superuser, target.Superuser, target.Port); err != nil {
			return Endings{}, err
		}
	}
	if err := w.createSecret(ctx, w.secretID, user, target.Port); err != nil {
		return Endings{}, err
	}
	return w.race(ctx, race, turns)
}

func (w *World) race(ctx context.Context, race Race, turns *turns) (Endings, error) {
	r := &Result{}
	t := trial{World: w, ctx: ctx, result: r}
	endings := Endings{Counts: map[string]int{}}
	if race.Native {
		turns.join()
	}
	var arns []string
	for range race.Executions {
		turns.join()
		t.trigger = triggers[len(arns)%len(triggers)]
		arns = append(arns, t.start())
	}
	if t.err != nil {
		return endings, t.err
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	for _, arn := range arns {
		running.Go(func() {
			defer turns.leave()
			_, err := w.box.Wait(ctx, arn)
			ending, readErr := follow.Config{API: w.states}.Execution(ctx, arn)
			mu.Lock()
			defer mu.Unlock()
			t.fail(errors.Join(err, readErr))
			endings.Counts[ending.State]++
		})
	}
	if race.Native {
		running.Go(func() {
			defer turns.leave()
			t.native()
		})
	}
	stop := make(chan struct{})
	go func() { running.Wait(); close(stop) }()
	turns.run(stop)

	if endings.Counts[string(rotation.Rotated)] == 0 && !race.Native {
		t.violation("nobody rotated: %v", endings.Counts)
	}
	if n := endings.Counts[string(rotation.NeedsAttention)]; n > 0 {
		t.violation("%d executions need attention although nothing failed", n)
	}
	t.currentLogsIn("after the race")
	t.labels("after the race")
	endings.Violations = r.Violations
	return endings, t.err
}

// turns lets one of several runners go on at a time.
type turns struct {
	mu      sync.Mutex
	changed *sync.Cond
	random  *rand.Rand
	runners int             // that may still take a turn
	waiting []chan struct{} // one for each runner that waits for its turn
	open    bool            // nobody waits any more
}

func newTurns(seed uint64) *turns {
	t := &turns{random: rand.New(rand.NewPCG(seed, seed))}
	t.changed = sync.NewCond(&t.mu)
	return t
}

func (t *turns) join() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runners++
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runners--
	t.changed.Broadcast()
}

// take waits for the runner's turn.
func (t *turns) take(ctx context.Context) {
	t.mu.Lock()
	if t.open {
		t.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	t.waiting = append(t.waiting, mine)
	t.changed.Broadcast()
	t.mu.Unlock()
	select {
	case <-mine:
	case <-ctx.Done():
	}
}

// run gives turns until every runner has left. A turn is given when all runners
// wait for theirs, so that the seed alone decides.
func (t *turns) run(stop <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.runners > 0 {
		if len(t.waiting) < t.runners {
			t.changed.Wait()
			continue
		}
		i := t.random.IntN(len(t.waiting))
		close(t.waiting[i])
		t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
	}
	t.open = true
	for _, w := range t.waiting {
		close(w)
	}
	t.mu.Unlock()
	<-stop
	t.mu.Lock()
}

// scheduled takes a turn before each call of the database.
type scheduled struct {
	engine.Engine
	turns *turns
}

func (e scheduled) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	e.turns.take(ctx)
	session, err := e.Engine.Connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	return scheduledSession{session, e.turns}, nil
}

type scheduledSession struct {
	engine.Session
	turns *turns
}

func (s scheduledSession) SetPassword(ctx context.Context, user string, password redact.String) error {
	s.turns.take(ctx)
	return s.Session.SetPassword(ctx, user, password)
}

func (s scheduledSession) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	s.turns.take(ctx)
	return s.Session.EnsureClone(ctx, r)
}

// hurriedClock is the real time, but for waits, which take a moment: an execution
// that backs off comes back while others go on.
type hurriedClock struct{ asl.RealClock }

func (hurriedClock) Sleep(ctx context.Context, _ time.Duration) error {
	return asl.RealClock{}.Sleep(ctx, time.Millisecond)
}

const (
	nativeToo = " and a native rotation"
	seedIs    = ", seed "
)

// String describes a race as [ParseRace] reads it.
func (r Race) String() string {
	native := ""
	if r.Native {
		native = nativeToo
	}
	return fmt.Sprintf("%d executions%s%s%d", r.Executions, native, seedIs, r.Seed)
}

// ParseRace reads a race, such as "2 executions and a native rotation, seed 7".
func ParseRace(text string) (r Race, err error) {
	if _, err = fmt.Sscanf(strings.Replace(text, nativeToo, "", 1), "%d executions"+seedIs+"%d", &r.Executions, &r.Seed); err != nil {
		return Race{}, fmt.Errorf("%q is not a race such as %q: %w", text, Race{2, true, 7}, err)
	}
	r.Native = strings.Contains(text, nativeToo)
	return r, nil
}
