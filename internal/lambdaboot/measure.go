package lambdaboot

import (
	"encoding/json"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// measure writes the metrics of one attempt of a step, and, if it is the one that
// ends a rotation, those of the rotation.
func (e Env) measure(function string, took time.Duration, payload []byte, out any, failed error) {
	step := metrics.Dimensions{metrics.Step: function}
	values := map[metrics.Name]float64{metrics.StepDuration: float64(took.Milliseconds())}
	if failed != nil {
		values[metrics.Retries] = 1
	}
	e.Metrics.Put(values, step, nil)
	if failed != nil {
		return
	}
	switch out := out.(type) {
	case rotation.Ending:
		e.measureEnding(out)
	case rotation.SetResult:
		e.measureSlack(payload, out)
	}
}

func (e Env) measureEnding(end rotation.Ending) {
	fields := map[string]string{"secret": end.Secret, "execution": end.Event.Execution}
	e.Metrics.Put(map[metrics.Name]float64{metrics.Rotations: 1}, metrics.Dimensions{metrics.Outcome: string(end.Outcome)}, fields)
	if gap := end.Event.CredentialGapMs; gap != nil {
		e.Metrics.Put(map[metrics.Name]float64{metrics.CredentialGapMs: float64(*gap)}, nil, fields)
	}
}

// measureSlack writes the time from the change to the end of the window.
func (e Env) measureSlack(payload []byte, set rotation.SetResult) {
	var in rotation.StepInput
	if set.ChangedAt == nil || json.Unmarshal(payload, &in) != nil || in.Plan.Window == nil {
		return
	}
	slack := in.Plan.Window.ClosesAt.Sub(*set.ChangedAt)
	e.Metrics.Put(map[metrics.Name]float64{metrics.WindowSlackSeconds: slack.Seconds()}, nil, map[string]string{"secret": in.Plan.SecretARN})
}
