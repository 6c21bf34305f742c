package explorer

import (
	"context"
	"encoding/json"
	"flag"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // states are short-lived: a quarter of the time went into collecting them
	leakcheck.Main(m)
}

var (
	deep     = flag.Bool("deep", false, "search the deeper scopes instead, for half an hour")
	scope    = flag.String("scope", "", "search only this scope, or replay a schedule of it")
	schedule = flag.String("replay", "", "the schedule, such as 3=1,17=2")
)

// Every promise holds in every state of every scope.
func TestExplorer(t *testing.T) {
	all := scopes()
	if *deep {
		all = deeper()
	}
	if *scope != "" {
		all = slices.DeleteFunc(all, func(sc *scenario) bool { return sc.name != *scope })
	}
	began, reports := time.Now(), searchAll(all)
	states := 0
	for i, sc := range all {
		t.Run(sc.name, func(t *testing.T) {
			r := reports[i]
			states += r.states
			t.Logf("%d states, %d steps, %d endings", r.states, r.steps, r.endings)
			for _, f := range r.findings {
				t.Errorf("promise %s: %s (%d times)\n\tgo test ./proof/explorer -run TestReplay -v -scope %s -replay %s", f.promise, f.detail, f.count, sc.name, f.schedule)
			}
			if r.endings == 0 {
				t.Error("nothing was looked at to its end")
			}
		})
	}
	t.Logf("%d states of %d scopes in %s", states, len(all), time.Since(began).Round(time.Second/10))
}

// searchAll goes through scopes on all processors.
func searchAll(all []*scenario) []*report {
	reports := make([]*report, len(all))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var o *oracle
			last := ""
			for i := range next {
				// What it remembers is of use to scopes that rotate in the same way.
				if way, _, _ := strings.Cut(all[i].name, "/"); way != last {
					o, last = newOracle(variant{}), way
				}
				reports[i] = search(all[i], o, nil)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()
	return reports
}

// TestReplay shows what happens in a schedule.
func TestReplay(t *testing.T) {
	if *scope == "" {
		// Without one, the undisturbed schedule of each scope has to have an end.
		for _, sc := range scopes() {
			if _, _, err := replay(sc, newOracle(variant{}), ""); err != nil {
				t.Errorf("%s: %v", sc.name, err)
			}
		}
		return
	}
	all := append(scopes(), deeper()...)
	i := slices.IndexFunc(all, func(sc *scenario) bool { return sc.name == *scope })
	if i < 0 {
		t.Fatalf("there is no scope %s", *scope)
	}
	trace, _, err := replay(all[i], newOracle(variant{}), *schedule)
	t.Logf("\n%s", trace)
	if err != nil {
		t.Error(err)
	}
}

// What the oracle remembers is what the definition does: executions run from their
// beginning to their end on the answers that they had in the search come to the same
// result.
func TestOracleAgreesWithTheInterpreter(t *testing.T) {
	all := scopes()
	compared := 0
	for _, name := range []string{"single/window", "pair/first", "function/faults"} {
		sc := all[slices.IndexFunc(all, func(sc *scenario) bool { return sc.name == name })]
		done := map[digest]bool{}
		l := &lab{sc: sc, oracle: newOracle(variant{}), broken: func(violation) {}}
		l.ended = func(a *actor, got asl.Result) {
			key := start.add(a.name)
			for _, h := range a.heard {
				key = key.number(uint64(place{}.after(h).key))
			}
			if done[key] {
				return
			}
			done[key] = true
			compared++
			want := straight(t, a, sc)
			if got.Status != want.Status || got.Error != want.Error || got.Cause != want.Cause {
				t.Errorf("%s: %s ended %s with %s (%s), and straight through %s with %s (%s)", name, a.name, got.Status, got.Error, got.Cause, want.Status, want.Error, want.Cause)
			}
		}
		(&searcher{seen: map[digest]struct{}{}}).from(sc.world(l))
	}
	t.Logf("%d executions compared", compared)
	if compared < 100 {
		t.Error("too few")
	}
}

// straight runs an execution on the answers that an actor has had.
func straight(t *testing.T, a *actor, sc *scenario) asl.Result {
	t.Helper()
	left := a.heard
	take := func() taskAnswer {
		if len(left) == 0 {
			t.Error("straight through it asks for more")
			return taskAnswer{err: &asl.Failure{Name: "more"}}
		}
		answer := left[0]
		left = left[1:]
		return answer
	}
	result := definition.Run(t.Context(), asl.Run{
		Input: sc.request(a.next), Execution: asl.Execution{ARN: a.arn(), Name: a.name, StartTime: epoch},
		Jitter: func() float64 { return 0 }, OneByOne: true,
		Clock: pauses{epoch, func(time.Duration) error { take(); return nil }},
		Task: func(context.Context, asl.Task) (json.RawMessage, error) {
			answer := take()
			if answer.err != nil {
				return nil, answer.err
			}
			return answer.out, nil
		},
	})
	if len(left) > 0 {
		t.Errorf("straight through it asks for %d fewer", len(left))
	}
	return result
}
