package fleet

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Decision is what the state machine does after PlanWave.
type Decision string

// The decisions on which statemachine/fleet.asl.json branches. Any other value ends the fleet.
const (
	Rotate Decision = "rotate" // rotate the wave
	Wait   Decision = "wait"   // wait for rotations that are under way, then ask again
	End    Decision = "end"    // report the ending
)

// State is $.fleet in the state machine: what was decided, and what has been
// done so far.
type State struct {
	Decision    Decision `json:"decision,omitempty"` // "" before the first call
	Wave        Wave     `json:"wave"`
	WaitSeconds int      `json:"waitSeconds,omitempty"`
	Progress    Progress `json:"progress"`
	Ending      *Ending  `json:"ending,omitempty"` // set with End
}

// Wave is the input of the Map state that rotates.
type Wave struct {
	Items             []Item `json:"items"`
	MaxConcurrency    int    `json:"maxConcurrency"`
	ToleratedFailures int    `json:"toleratedFailures"` // one more, and nothing else is started
}

// Item is one rotation: the name and the input of its execution, and when it begins.
type Item struct {
	Name    string           `json:"name"`
	Request rotation.Request `json:"request"`
	StartAt time.Time        `json:"startAt"`
}

// Progress counts secrets. Total is the sum of Rotated, Failed, and those not yet
// finished.
type Progress struct {
	Total   int            `json:"total"`
	Rotated int            `json:"rotated"`
	Failed  int            `json:"failed"`
	Earlier int            `json:"earlier,omitempty"` // rotated by the fleets that are resumed; not in Total
	Skipped map[string]int `json:"skipped,omitempty"` // by reason; not in Total

	Wave     int       `json:"wave"` // number of the current wave, from 1
	Canaries bool      `json:"canaries,omitempty"`
	After    string    `json:"after,omitempty"`    // position of the last secret put into a wave
	Stalled  int       `json:"stalled,omitempty"`  // consecutive waves of which no rotation was started
	Failures []Failure `json:"failures,omitempty"` // at most maxFailures
}

// Failure is a rotation that failed.
type Failure struct {
	Secret    string `json:"secret"` // ARN
	Error     string `json:"error"`
	Execution string `json:"execution"`
}

const (
	// WaveSize is the maximum number of secrets in a wave. The state holds their
	// names and requests, and Step Functions limits it to 256 KiB.
	WaveSize = 200

	maxWaveBytes = 120 * 1024
	maxFailures  = 50 // that the state lists
	mostStalled  = 3  // then the fleet is interrupted
	pause        = 5  // seconds to wait
)

// PlanWave decides what a fleet does next: rotate another wave, wait, or end. It
// only reads.
type PlanWave struct {
	Source
	Labels     rotation.Describer
	Executions Executions
	Now        func() time.Time
}

// Input is what the state machine hands to [PlanWave.Run].
type Input struct {
	Request         json.RawMessage    `json:"request"`
	Execution       rotation.Execution `json:"execution"` // the fleet's own
	Fleet           State              `json:"fleet"`     // the previous result
	RotationMachine string             `json:"rotationMachine"`
}

// Run counts the results of the last wave and decides. Codes: InvalidRequest and
// those of awsfault.
func (p PlanWave) Run(ctx context.Context, in Input) (State, error) {
	request, err := ParseRequest(in.Request)
	if err != nil {
		return State{}, err
	}
	p.MachineARN = in.RotationMachine
	r := run{PlanWave: p, Input: in, request: request, progress: in.Fleet.Progress}
	if in.Fleet.Decision == "" {
		return r.begin(ctx)
	}
	return r.proceed(ctx)
}

// run is the state of one call.
type run struct {
	PlanWave
	Input
	request  Request
	progress Progress
}

func (r *run) begin(ctx context.Context) (State, error) {
	size := WaveSize
	if r.progress.Canaries = *r.request.Canary > 0; r.progress.Canaries {
		size = *r.request.Canary
	}
	survey, err := r.Survey(ctx, r.request, "", size)
	if err != nil {
		return State{}, err
	}
	r.progress.Total, r.progress.Earlier, r.progress.Skipped = survey.Total, survey.Earlier, survey.Skipped
	if survey.Total == 0 {
		if survey.Earlier > 0 {
			return r.end(AllRotated), nil
		}
		return r.end(NothingToDo), nil
	}
	return r.wave(r.items(survey.First))
}

func (r *run) proceed(ctx context.Context) (State, error) {
	before := r.progress
	open, left, err := r.settle(ctx)
	if err != nil {
		return State{}, err
	}
	p := &r.progress
	tolerated, err := r.tolerated()
	switch {
	case err != nil:
		return State{}, err
	case len(open) > 0:
		// The next wave would exceed the concurrency, and a rotation that is under
		// way may still fail.
		return State{
			Decision: Wait, WaitSeconds: pause, Progress: *p,
			Wave: Wave{Items: append(open, left...), MaxConcurrency: r.request.Concurrency()},
		}, nil
	case p.Failed > tolerated && p.Rotated+p.Failed < p.Total:
		if p.Canaries {
			return r.end(CanaryFailed), nil
		}
		return r.end(Stopped), nil
	case len(left) > 0:
		if p.Rotated == before.Rotated && p.Failed == before.Failed {
			p.Stalled++
		} else {
			p.Stalled = 0
		}
		if p.Stalled >= mostStalled {
			return r.end(Interrupted), nil
		}
		return r.wave(left)
	}
	p.Canaries, p.Stalled = false, 0
	survey, err := r.Survey(ctx, r.request, p.After, WaveSize)
	if err != nil {
		return State{}, err
	}
	switch {
	case len(survey.First) > 0:
		return r.wave(r.items(survey.First))
	case p.Failed > 0:
		return r.end(SomeFailed), nil
	}
	return r.end(AllRotated), nil
}

// settle counts the rotations of the last wave that have ended. open are those under
// way, left those that were never started.
func (r *run) settle(ctx context.Context) (open, left []Item, err error) {
	for _, item := range r.Fleet.Wave.Items {
		arn := executionARN(r.MachineARN, item.Name)
		rotated, err := r.rotated(ctx, item, arn)
		if err != nil {
			return nil, nil, err
		}
		if rotated {
			r.progress.Rotated++
			continue
		}
		status, found, err := r.Executions.Status(ctx, arn)
		switch {
		case err != nil:
			return nil, nil, err
		case !found:
			left = append(left, item)
		case status.Running:
			open = append(open, item)
		case status.Succeeded: // and the secret has been changed since
			r.progress.Rotated++
		default:
			r.progress.Failed++
			if len(r.progress.Failures) < maxFailures {
				r.progress.Failures = append(r.progress.Failures, Failure{item.Request.SecretID, status.Error, arn})
			}
		}
	}
	return open, left, nil
}

// rotated reports whether the item's rotation has moved AWSCURRENT. It asks
// DescribeSecret, whose labels are up to date; those of ListSecrets lag behind.
func (r *run) rotated(ctx context.Context, item Item, arn string) (bool, error) {
	about, err := r.Labels.Describe(ctx, item.Request.SecretID)
	if fault.Is(err, fault.SecretNotFound, fault.SecretDeleted) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id := rotation.VersionID(arn)
	return about.Labels[rotation.Current] == id || about.Labels[rotation.Previous] == id, nil
}

// tolerated is the number of failures that do not stop the fleet.
func (r *run) tolerated() (int, error) {
	if r.progress.Canaries {
		return 0, nil
	}
	return r.request.Tolerated(r.progress.Total)
}

// wave decides to rotate the items.
func (r *run) wave(items []Item) (State, error) {
	tolerated, err := r.tolerated()
	if err != nil {
		return State{}, err
	}
	r.progress.Wave++
	return State{
		Decision: Rotate, Progress: r.progress,
		Wave: Wave{
			Items: r.pace(items), MaxConcurrency: r.request.Concurrency(), ToleratedFailures: max(0, tolerated-r.progress.Failed),
		},
	}, nil
}

// items returns a wave of the first secrets, as many as fit into maxWaveBytes.
func (r *run) items(secrets []Secret) []Item {
	var items []Item
	size := 0
	for _, s := range secrets {
		item := Item{
			Name: RotationName(r.Execution.ARN, s.ARN, s.Name),
			Request: rotation.Request{
				SecretID: s.ARN, OutsideWindow: r.request.OutsideWindow,
				Trigger: rotation.Trigger{Source: rotation.SourceManual, Reason: r.reason()},
			},
		}
		raw, _ := json.Marshal(item) // strings: cannot fail
		if size += len(raw); size > maxWaveBytes && len(items) > 0 {
			break
		}
		items = append(items, item)
		r.progress.After = order(s.ARN)
	}
	return items
}

func (r *run) reason() string {
	if r.request.Reason == "" {
		return "fleet " + r.Execution.ARN
	}
	return r.request.Reason + " (fleet " + r.Execution.ARN + ")"
}
