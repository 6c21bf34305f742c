package fleet

import (
	"context"
	"encoding/json"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Decision is what the state machine does next.
type Decision string

// The decisions that statemachine/fleet.asl.json tells apart.
const (
	Rotate Decision = "rotate" // the wave
	Wait   Decision = "wait"   // for rotations that are still under way, then ask again
	End    Decision = "end"
)

// State is $.fleet in the state machine: what was decided, and what has been
// done so far.
type State struct {
	Decision    Decision `json:"decision,omitempty"` // "" before the first
	Wave        Wave     `json:"wave"`
	WaitSeconds int      `json:"waitSeconds,omitempty"`
	Progress    Progress `json:"progress"`
	Ending      *Ending  `json:"ending,omitempty"` // with End
}

// Wave is what one Map of the state machine rotates.
type Wave struct {
	Items             []Item `json:"items"`
	MaxConcurrency    int    `json:"maxConcurrency"`
	ToleratedFailures int    `json:"toleratedFailures"` // with one more, nothing else is started
}

// Item is one rotation: the name and the input of its execution.
type Item struct {
	Name    string           `json:"name"`
	Request rotation.Request `json:"request"`
}

// Progress counts. Total is Rotated, Failed and what has not been started.
type Progress struct {
	Total   int            `json:"total"`
	Rotated int            `json:"rotated"`
	Failed  int            `json:"failed"`
	Earlier int            `json:"earlier,omitempty"` // by the fleets that are resumed; not in Total
	Skipped map[string]int `json:"skipped,omitempty"` // by why; not in Total

	Wave     int       `json:"wave"` // the first is 1
	Canaries bool      `json:"canaries,omitempty"`
	After    string    `json:"after,omitempty"`    // place of the last one in a wave so far
	Stalled  int       `json:"stalled,omitempty"`  // waves in a row of which nothing was started
	Failures []Failure `json:"failures,omitempty"` // the first of them
}

// Failure is a rotation that failed.
type Failure struct {
	Secret    string `json:"secret"` // ARN
	Error     string `json:"error"`
	Execution string `json:"execution"`
}

const (
	// WaveSize is the most secrets of a wave. The state holds them with their
	// names, and Step Functions allows it 256 KiB.
	WaveSize = 200

	maxWaveBytes = 120 * 1024
	maxFailures  = 50 // listed in the state
	mostStalled  = 3
	pause        = 5 // seconds to Wait
)

// Next decides what a fleet does next. It only reads.
type Next struct {
	Source
	Labels     rotation.Describer
	Executions Executions
}

// Input is what the state machine hands to Next.
type Input struct {
	Request         json.RawMessage    `json:"request"`
	Execution       rotation.Execution `json:"execution"` // the fleet's own
	Fleet           State              `json:"fleet"`     // the last answer
	RotationMachine string             `json:"rotationMachine"`
}

// Run looks at what became of the last wave and decides. Codes: InvalidRequest
// and AWS's own.
func (n Next) Run(ctx context.Context, in Input) (State, error) {
	request, err := ParseRequest(in.Request)
	if err != nil {
		return State{}, err
	}
	n.MachineARN = in.RotationMachine
	r := run{Next: n, Input: in, request: request, progress: in.Fleet.Progress}
	if in.Fleet.Decision == "" {
		return r.begin(ctx)
	}
	return r.goOn(ctx)
}

// run is one call.
type run struct {
	Next
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

func (r *run) goOn(ctx context.Context) (State, error) {
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
		// The next wave counts on all places being free; and what is under way may
		// still fail.
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

// settle counts what became of the last wave. Of the others, open are under way
// and left were never started.
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
		case status.Succeeded: // and somebody has changed the secret since
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

// rotated asks the secret itself, whose labels are up to date, unlike what
// Step Functions and ListSecrets tell.
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

// tolerated is how many failures there may be by now.
func (r *run) tolerated() (int, error) {
	if r.progress.Canaries {
		return 0, nil
	}
	return r.request.Tolerated(r.progress.Total)
}

// wave starts the rotations.
func (r *run) wave(items []Item) (State, error) {
	tolerated, err := r.tolerated()
	if err != nil {
		return State{}, err
	}
	r.progress.Wave++
	return State{
		Decision: Rotate, Progress: r.progress,
		Wave: Wave{
			Items: items, MaxConcurrency: r.request.Concurrency(), ToleratedFailures: max(0, tolerated-r.progress.Failed),
		},
	}, nil
}

// items makes a wave of the secrets, of as many as the state has room for.
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
