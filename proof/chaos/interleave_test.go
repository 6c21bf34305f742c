package chaos_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
)

// However the calls of several rotations of one secret fall, nobody is locked
// out and nothing is left over.
func TestRaces(t *testing.T) {
	races(t, rotation.SingleUser, 20)
	races(t, rotation.AlternatingUsers, 5)
}

func races(t *testing.T, strategy rotation.Strategy, runs int) {
	target := target(t, "postgres", strategy, 0)
	for _, race := range []chaos.Race{{Executions: 2}, {Executions: 2, Native: true}, {Executions: 20, Native: true}} {
		total := map[string]int{}
		if race.Executions > 10 {
			runs = 2
		}
		for seed := range runs {
			race.Seed = uint64(seed)
			endings, err := chaos.Interleave(t.Context(), target, race, nil)
			if err != nil {
				t.Fatalf("%s: %v", race, err)
			}
			for _, v := range endings.Violations {
				t.Errorf("%s: %s: %s", target.Name, race, v)
			}
			for ending, n := range endings.Counts {
				total[ending] += n
			}
		}
		t.Logf("%s: %d executions, native: %t: %d races, endings %v", target.Name, race.Executions, race.Native, runs, total)
	}
}

// Two faults at once, anywhere; rapid finds the smallest pair that breaks
// something, and its seed runs it again.
func TestTwoFaults(t *testing.T) {
	w, err := chaos.NewWorld(t.Context(), target(t, "postgres", rotation.SingleUser, 0), chaos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	events, err := w.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := chaos.DrawPair(rt, len(events))
		r, err := w.Try(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		if len(r.Violations) > 0 {
			rt.Fatalf("%s (%v): %v", c, r.Fired, r.Violations)
		}
	})
}
