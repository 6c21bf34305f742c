package follow

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// retrier is one of a state's retriers.
type retrier struct {
	ErrorEquals     []string
	IntervalSeconds float64
	BackoffRate     float64
	MaxDelaySeconds float64
	MaxAttempts     int
}

// retriers are those of each state in this version of the state machine. The deployed one
// may be older, so they are for display only.
var retriers = sync.OnceValue(func() map[string][]retrier {
	type state struct {
		Retry    []retrier
		Branches []struct{ States map[string]state }
	}
	var definition struct{ States map[string]state }
	if json.Unmarshal(statemachine.Rotation, &definition) != nil {
		return nil // a test reads it
	}
	of := map[string][]retrier{}
	for name, s := range definition.States {
		of[name] = s.Retry
		for _, branch := range s.Branches {
			for inner, s := range branch.States {
				of[inner] = s.Retry
			}
		}
	}
	return of
})

// count numbers a failed attempt by its retrier: Step Functions counts the retries of each
// retrier separately.
func (v *visit) count(failure *Step) {
	for i, r := range retriers()[v.step.State] {
		if !slices.Contains(r.ErrorEquals, failure.Error) && !slices.Contains(r.ErrorEquals, "States.ALL") && !slices.Contains(r.ErrorEquals, "States.TaskFailed") {
			continue
		}
		if v.retries == nil {
			v.retries = map[int]int{}
		}
		used := v.retries[i]
		v.retries[i]++
		failure.Attempt, failure.Of = used+1, r.MaxAttempts+1
		if used < r.MaxAttempts {
			seconds := r.IntervalSeconds * math.Pow(r.BackoffRate, float64(used))
			if r.MaxDelaySeconds > 0 {
				seconds = min(seconds, r.MaxDelaySeconds)
			}
			failure.Within = time.Duration(seconds * float64(time.Second))
		}
		return
	}
}
