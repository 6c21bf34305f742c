package chaos_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/chaos"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// However the calls of several rotations of one secret fall, nobody is locked
// out and nothing is left over.
func TestRaces(t *testing.T) {
	target := target(t, "postgres", rotation.SingleUser, 0)
	for _, race := range []chaos.Race{{Executions: 2}, {Executions: 2, Native: true}, {Executions: 20}} {
		total := map[string]int{}
		runs := 40
		if race.Executions > 10 {
			runs = 4
		}
		for seed := range runs {
			race.Seed = uint64(seed)
			endings, err := chaos.Interleave(t.Context(), target, race, nil)
			if err != nil {
				t.Fatalf("%s: %v", race, err)
			}
			for _, v := range endings.Violations {
				t.Errorf("%s: %s", race, v)
			}
			for ending, n := range endings.Counts {
				total[ending] += n
			}
		}
		t.Logf("%d executions, native: %t: %d races, endings %v", race.Executions, race.Native, runs, total)
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
		fault := rapid.Custom(func(rt *rapid.T) chaos.Fault {
			return chaos.Fault{
				At:   rapid.IntRange(1, len(events)+10).Draw(rt, "event"),
				Mode: rapid.SampledFrom(chaos.Modes).Draw(rt, "mode"),
			}
		})
		c := chaos.Case{
			Faults: []chaos.Fault{fault.Draw(rt, "first"), fault.Draw(rt, "second")},
			Then:   rapid.SampledFrom(chaos.Thens).Draw(rt, "then"),
		}
		r, err := w.Try(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		if len(r.Violations) > 0 {
			rt.Fatalf("%s (%v): %v", c, r.Fired, r.Violations)
		}
	})
}
