package chaos

import (
	"context"
	"fmt"
)

// Report sums up a sweep.
type Report struct {
	Target     string
	Strategy   string
	Events     []string // of a run without faults: the places that can break
	Points     int      // each event, before and after it takes effect
	Cases      int
	Violations []Result
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

// Sweep tries every event in every mode with everything that can come next.
func (w *World) Sweep(ctx context.Context, progress func(done, all int)) (Report, error) {
	report := Report{Target: w.target.Name, Strategy: string(w.target.Strategy)}
	var err error
	if report.Events, err = w.Events(ctx); err != nil {
		return report, err
	}
	report.Points = 2 * len(report.Events)
	cases := Cases(len(report.Events))
	for i, c := range cases {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		r, err := w.Try(ctx, c)
		if err != nil {
			return report, fmt.Errorf("%s: %w", c, err)
		}
		if len(r.Fired) == 0 {
			r.Violations = append(r.Violations, "the fault did not happen: the events are not the same in every run")
		}
		if len(r.Violations) > 0 {
			report.Violations = append(report.Violations, r)
		}
		if progress != nil {
			progress(i+1, len(cases))
		}
	}
	report.Cases = len(cases)
	return report, nil
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
