// Package follow watches an execution of a state machine through the Step
// Functions API: the same calls against AWS and against the sandbox.
package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Kind is the kind of a step.
type Kind int

// The kinds.
const (
	Entered Kind = iota // it began
	Retried             // an attempt failed and another one began
	Left                // it succeeded
	Failed              // its last attempt failed, and the failure was caught or ended the execution
	Paused              // an attempt failed, and the next one has not begun
)

// Step is one thing that happened to a state.
type Step struct {
	State string
	Type  string // Task, Choice, Wait, Pass, Succeed or Fail
	Kind  Kind
	Error string        // error name, with Retried and Failed
	Cause string        // in words, with Retried and Failed
	Took  time.Duration // since the state was entered
	At    time.Time

	// The number of the failed attempt, the maximum number of attempts, and the longest
	// pause before the next one. Zero if the state machine does not retry.
	Attempt, Of int
	Within      time.Duration

	Window *Window // from Plan, with Left. Optional.
}

// Window is the rotation window of an execution.
type Window struct {
	rotation.Window
	Waits bool // the execution waits until it opens
}

// Ending is how the execution ended.
type Ending struct {
	ARN    string
	Status types.ExecutionStatus
	State  string // the last state entered: the ending's name
	Error  string // error name of the failure, if any
	Cause  string // in words
	Output json.RawMessage
	Took   time.Duration
}

// Config configures watching.
type Config struct {
	API *sfn.Client // Required.

	// Interval is the polling interval. Default 500 ms; for a waiting execution it grows up
	// to 10 s.
	Interval time.Duration

	// OnStep is called for each step, in order. Optional.
	OnStep func(Step)

	// OnSecond is called about once a second while nothing happens. If it is set, OnStep is
	// also called for pauses. Optional.
	OnSecond func()
}

// Execution follows an execution until it or ctx ends.
func (c Config) Execution(ctx context.Context, arn string) (Ending, error) {
	if c.Interval == 0 {
		c.Interval = 500 * time.Millisecond
	}
	reader := reader{api: c.API, arn: arn, onStep: c.OnStep, pauses: c.OnSecond != nil, last: &visit{}, of: map[int64]*visit{}, open: map[string]*visit{}}
	pause := c.Interval
	for {
		// The status is read first, so that the history contains everything before it.
		about, err := c.API.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil {
			return Ending{}, fmt.Errorf("looking at execution %s: %w", arn, err)
		}
		news, err := reader.read(ctx)
		if err != nil {
			return Ending{}, fmt.Errorf("reading the history of execution %s: %w", arn, err)
		}
		if about.Status != types.ExecutionStatusRunning && about.Status != types.ExecutionStatusPendingRedrive {
			return reader.ending(about), nil
		}
		if pause = min(pause*5/4, 10*time.Second); news {
			pause = c.Interval
		}
		if err := c.pause(ctx, pause); err != nil {
			return Ending{}, err
		}
	}
}

func (c Config) pause(ctx context.Context, d time.Duration) error {
	for ; d > 0; d -= time.Second {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(d, time.Second)):
		}
		if c.OnSecond != nil {
			c.OnSecond()
		}
	}
	return nil
}

// reader turns history events into steps. Branches of a Parallel state run concurrently, so
// the state of an event is found by its previous event.
type reader struct {
	api    *sfn.Client
	arn    string
	onStep func(Step)
	pauses bool              // pauses are reported
	seen   int64             // id of the last event read
	last   *visit            // the state entered last
	of     map[int64]*visit  // by event
	open   map[string]*visit // by state
}

// visit is a state that was entered.
type visit struct {
	step    Step
	failure *Step // its last attempt's failure, until the next event
	told    bool  // the pause after the failure was reported
	failed  bool  // a branch of it has failed
	retries map[int]int
}

// read reads new events and reports whether there were any.
func (r *reader) read(ctx context.Context) (news bool, err error) {
	pages := sfn.NewGetExecutionHistoryPaginator(r.api, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &r.arn, MaxResults: 1000, IncludeExecutionData: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return news, err
		}
		for _, event := range page.Events {
			if event.Id > r.seen {
				r.seen, news = event.Id, true
				r.take(event)
			}
		}
	}
	for _, v := range r.open {
		if r.pauses && v.failure != nil && v.failure.Within > 0 && !v.told {
			failure := *v.failure
			r.emit(v, Paused, failure)
			v.failure, v.told = &failure, true
		}
	}
	return news, nil
}

func (r *reader) take(event types.HistoryEvent) {
	at := aws.ToTime(event.Timestamp)
	v := r.of[event.PreviousEventId]
	if v == nil {
		v = r.last
	}
	switch {
	case event.StateEnteredEventDetails != nil:
		r.settle(v)
		v = &visit{step: Step{State: aws.ToString(event.StateEnteredEventDetails.Name), Type: typeOf(event.Type), At: at}}
		r.last, r.open[v.step.State] = v, v
		r.emit(v, Entered, Step{At: at})
	case event.StateExitedEventDetails != nil:
		if named := r.open[aws.ToString(event.StateExitedEventDetails.Name)]; named != nil {
			v = named
		}
		if v.failure == nil && !v.failed {
			r.emit(v, Left, Step{At: at, Window: windowOf(v.step.State, event.StateExitedEventDetails.Output)})
		}
		r.settle(v) // a state that was left by a Catch is "exited" too
		delete(r.open, v.step.State)
	default:
		r.attempt(v, event, at)
	}
	r.of[event.Id] = v
}

// windowOf reads what Plan has decided.
func windowOf(state string, output *string) *Window {
	var found struct {
		Plan rotation.Planned `json:"plan"`
	}
	if state != "Plan" || json.Unmarshal([]byte(aws.ToString(output)), &found) != nil || found.Plan.Window == nil {
		return nil
	}
	return &Window{*found.Plan.Window, found.Plan.Decision == rotation.Wait}
}

// attempt handles an event within a state.
func (r *reader) attempt(v *visit, event types.HistoryEvent, at time.Time) {
	if failure := failureOf(event); failure != nil {
		failure.At = at
		v.count(failure)
		v.failure, v.told = failure, false
		return
	}
	switch event.Type {
	case types.HistoryEventTypeLambdaFunctionScheduled, types.HistoryEventTypeTaskScheduled:
		if v.failure != nil {
			r.emit(v, Retried, *v.failure)
		}
	case types.HistoryEventTypeParallelStateFailed:
		for _, branch := range r.open {
			r.settle(branch)
			branch.failed = true
		}
	case types.HistoryEventTypeExecutionFailed, types.HistoryEventTypeExecutionAborted, types.HistoryEventTypeExecutionTimedOut:
		for _, left := range r.open {
			r.settle(left)
		}
	}
}

// settle reports a failure that no retry followed.
func (r *reader) settle(v *visit) {
	if v.failure != nil {
		r.emit(v, Failed, *v.failure)
	}
}

func (r *reader) emit(v *visit, kind Kind, s Step) {
	v.failure = nil
	if r.onStep == nil {
		return
	}
	s.Kind, s.State, s.Type = kind, v.step.State, v.step.Type
	s.Took = s.At.Sub(v.step.At)
	r.onStep(s)
}

// ending describes an execution that has ended.
func (r *reader) ending(about *sfn.DescribeExecutionOutput) Ending {
	e := Ending{
		ARN:    r.arn,
		Status: about.Status,
		State:  r.last.step.State,
		Error:  aws.ToString(about.Error),
		Took:   aws.ToTime(about.StopDate).Sub(aws.ToTime(about.StartDate)),
	}
	if about.Error != nil || about.Cause != nil {
		e.Cause = words(aws.ToString(about.Cause))
	}
	if about.Output != nil {
		e.Output = json.RawMessage(*about.Output)
	}
	return e
}
