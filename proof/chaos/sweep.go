package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Report sums up a sweep.
type Report struct {
	Target     string
	Events     []string // of a run without faults: the places that can break
	Points     int      // each event, before and after it takes effect
	Broken     int      // points at which something was broken
	All        int      // cases that there are
	Cases      int      // cases tried
	Violations []Result
}

// Sampling says which cases of a sweep to try. The zero value tries all.
type Sampling struct {
	Seed  uint64
	Most  int             // cases at most; 0: all
	Until time.Time       // begins no case after it; zero: all
	Only  func(Case) bool // Optional.
}

// Events runs a rotation without faults and lists its events.
func (w *World) Events(ctx context.Context) ([]string, error) {
	r, err := w.Try(ctx, Case{})
	if err != nil {
		return nil, err
	}
	if len(r.Violations) > 0 {
		return nil, fmt.Errorf("a rotation without faults breaks promises: %v", r.Violations)
	}
	return r.Events, nil
}

// Sweep tries events in every mode with what can come next.
func (w *World) Sweep(ctx context.Context, s Sampling) (Report, error) {
	report := Report{Target: w.target.Name}
	var err error
	if report.Events, err = w.Events(ctx); err != nil {
		return report, err
	}
	report.Points = 2 * len(report.Events)
	cases := slices.DeleteFunc(Cases(len(report.Events)), func(c Case) bool { return s.Only != nil && !s.Only(c) })
	report.All = len(cases)
	seen := map[point]bool{}
	for i, c := range s.order(cases) {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		if !s.Until.IsZero() && i > 0 && time.Now().After(s.Until) {
			break
		}
		r, err := w.Try(ctx, c)
		if err != nil {
			return report, err
		}
		if len(r.Fired) == 0 {
			r.Violations = append(r.Violations, "the fault did not happen: the events are not the same in every run")
		}
		if len(r.Violations) > 0 {
			report.Violations = append(report.Violations, r)
		}
		report.Cases++
		seen[pointOf(c)] = true
		report.Broken = len(seen)
	}
	return report, nil
}

// point is an event before or after it takes effect.
type point struct {
	at    int
	after bool
}

func pointOf(c Case) point { return point{c.Faults[0].At, c.Faults[0].Mode.after()} }

// order puts the cases in the seed's order, but those first that try a point
// which none before them does.
func (s Sampling) order(cases []Case) []Case {
	if s.Most == 0 && s.Until.IsZero() {
		return cases
	}
	random := rand.New(rand.NewPCG(s.Seed, s.Seed))
	random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	seen := map[point]bool{}
	var first, rest []Case
	for _, c := range cases {
		p := pointOf(c)
		if seen[p] {
			rest = append(rest, c)
		} else {
			first = append(first, c)
		}
		seen[p] = true
	}
	cases = append(first, rest...)
	if s.Most > 0 && s.Most < len(cases) {
		cases = cases[:s.Most]
	}
	return cases
}

// Cases lists one fault at each of n events in every mode, with everything that
// can come next. A lost connection does not end the execution by itself, so that
// only Step Functions' own retries and Restore follow it.
func Cases(n int) (cases []Case) {
	for at := 1; at <= n; at++ {
		for _, mode := range Modes {
			for _, then := range Thens {
				if mode.gone() || then == Retry {
					cases = append(cases, Case{[]Fault{{at, mode}}, then})
				}
			}
		}
	}
	return cases
}

// Killable reports whether a case only needs a process that can be killed, and
// what follows is run by processes, too.
func Killable(c Case) bool {
	for _, f := range c.Faults {
		if !f.Mode.gone() {
			return false
		}
	}
	return c.Then == Retry || c.Then == NewRun || c.Then == Redrive
}
