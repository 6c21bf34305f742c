package asl

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// MapRun says how far a DISTRIBUTED Map has come (AWS API reference:
// "DescribeMapRun").
type MapRun struct {
	ARN       string
	Execution Execution // that the Map is in
	State     string
	Status    Status
	StartTime time.Time
	StopTime  time.Time // zero while it runs

	MaxConcurrency             int
	ToleratedFailureCount      int
	ToleratedFailurePercentage float64
	RedriveCount               int

	// Total is the sum of the others.
	Total, Pending, Running, Succeeded, Failed, TimedOut, Aborted int
}

// ItemCheckpoint says how far one item of a Map has come.
type ItemCheckpoint struct {
	// Done items have an Output and are not run again.
	Done   bool
	Output json.RawMessage
	// Checkpoint is where an item that was begun goes on; nil: at its start.
	Checkpoint *Checkpoint
}

// mapRun is one attempt of a Map state.
type mapRun struct {
	*mapBody
	x      *execution
	state  string
	inputs []any

	most, tolerated, toleratedPercent float64

	arn     string // of the Map Run, when distributed
	machine StateMachine
	cancel  context.CancelFunc

	mu      sync.Mutex
	about   MapRun
	items   []ItemCheckpoint
	failure *Failure // what the Map fails with
	last    int64    // id of the last iteration's last event
}

// run runs the items and returns their outputs, in order. Items that failed and
// were tolerated have none; what AWS puts there is not documented, so do not
// rely on it.
func (r *mapRun) run() (outputs []any, failure *Failure) {
	x := r.x
	r.items, x.mapDone = x.mapDone, nil
	redriven := len(r.items) == len(r.inputs) && r.items != nil
	if !redriven {
		r.items = make([]ItemCheckpoint, len(r.inputs))
	}
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	r.cancel = cancel
	limit := maxInline
	if r.mode == distributed {
		limit = maxDistributed
		r.begin(redriven)
	}
	if r.most > 0 {
		limit = min(limit, int(r.most))
	}
	var todo []int
	for i := range r.items {
		if !r.items[i].Done {
			todo = append(todo, i)
		}
	}
	previous := x.previousID
	x.parallel(len(todo), limit, func(n int) {
		if ctx.Err() != nil {
			return
		}
		if r.mode == distributed {
			r.child(ctx, todo[n])
		} else {
			r.iteration(ctx, todo[n], previous)
		}
	})
	if r.last > 0 {
		x.previousID = r.last
	}
	if r.mode == distributed {
		r.finish()
	}
	if r.failure != nil || x.ctx.Err() != nil {
		x.mapDone = r.items
		return nil, r.failure
	}
	outputs = []any{}
	for _, item := range r.items {
		if item.Done {
			v, _ := parseJSON(item.Output, nil) // our own encoding
			outputs = append(outputs, v)
		}
	}
	return outputs, nil
}

// parallel calls do for 0 to n-1, in this order, at most limit at a time, and
// returns when all have returned. On a virtual clock the caller waits without
// counting as running: its own count goes to the workers and comes back with the
// last of them, so that the clock never sees a moment in which nobody runs.
func (x *execution) parallel(n, limit int, do func(i int)) {
	workers := min(n, limit)
	if workers == 0 {
		return
	}
	var (
		mu       sync.Mutex
		next     int
		releases []func()
		left     = workers
		done     = make(chan struct{})
	)
	clock, virtual := x.Clock.(*VirtualClock)
	for range workers - 1 {
		release := func() {}
		if virtual {
			release = clock.Hold()
		}
		releases = append(releases, release)
	}
	for range workers {
		go func() {
			for {
				mu.Lock()
				i := next
				next++
				if i < n {
					mu.Unlock()
					do(i)
					continue
				}
				left--
				rest := left
				mu.Unlock()
				if rest == 0 {
					close(done)
				} else {
					releases[rest-1]()
				}
				return
			}
		}()
	}
	<-done
}

// iteration runs an item of an INLINE Map, in the execution's own history.
func (r *mapRun) iteration(ctx context.Context, i int, previous int64) {
	it, at, raw := r.x.part(ctx, r.processor, previous, r.items[i].Checkpoint, r.inputs[i])
	event := Event{State: r.state, Index: i}
	emit := func(t EventType) {
		event.Type = t
		it.emit(event)
	}
	emit(MapIterationStarted)
	at, raw, err := it.walk(at, raw)
	if err == nil {
		emit(MapIterationSucceeded)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.items[i] = ItemCheckpoint{Done: true, Output: encode(raw)}
		r.last = it.previousID
		return
	}
	var f *Failure
	failed := errors.As(err, &f)
	if failed {
		emit(MapIterationFailed)
	} else {
		emit(MapIterationAborted)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items[i].Checkpoint = &Checkpoint{State: at, Input: encode(raw), Items: it.mapDone}
	r.last = it.previousID
	if failed && r.failure == nil {
		r.failure = f // the first fails the Map; the others are stopped
		r.cancel()
	}
}

// begin makes the Map Run known.
func (r *mapRun) begin(redriven bool) {
	x := r.x
	run := r.id("run", fmt.Sprint(x.entryID, " ", x.retries))
	r.arn, r.machine = r.names(run)
	kind := MapRunStarted
	if redriven {
		kind = MapRunRedriven
		r.about.RedriveCount = x.redrives
	}
	r.about = MapRun{
		ARN: r.arn, Execution: x.Execution, State: r.state, Status: Running, StartTime: x.Clock.Now(),
		MaxConcurrency: int(r.most), ToleratedFailureCount: int(r.tolerated), ToleratedFailurePercentage: r.toleratedPercent,
		RedriveCount: r.about.RedriveCount, Total: len(r.inputs), Pending: len(r.inputs),
	}
	for _, item := range r.items {
		if item.Done {
			r.about.Pending--
			r.about.Succeeded++
		}
	}
	x.emit(Event{Type: kind, State: r.state, MapRunARN: r.arn, RedriveCount: r.about.RedriveCount})
	r.tell()
}

// finish ends the Map Run.
func (r *mapRun) finish() {
	x := r.x
	event := Event{Type: MapRunSucceeded, State: r.state, MapRunARN: r.arn}
	r.about.Status, r.about.StopTime = Succeeded, x.Clock.Now()
	switch {
	case x.ctx.Err() != nil:
		event.Type, r.about.Status = MapRunAborted, Aborted
	case r.failure != nil:
		event.Type, r.about.Status = MapRunFailed, Failed
		event.Error, event.Cause = r.failure.Name, r.failure.Cause
	}
	r.about.Aborted += r.about.Pending
	r.about.Pending = 0
	x.emit(event)
	r.tell()
}

// tell reports the counts. The caller holds the lock, or is alone.
func (r *mapRun) tell() {
	if r.x.MapRun != nil {
		r.x.MapRun(r.about)
	}
}

// child runs an item as an execution of its own.
func (r *mapRun) child(ctx context.Context, i int) {
	x := r.x
	id := r.id("child", r.arn, fmt.Sprint(i))
	run := x.Run
	run.Input, run.ResumeFrom = encode(r.inputs[i]), r.items[i].Checkpoint
	run.Execution = Execution{ARN: r.childARN(id), Name: id, StartTime: x.Clock.Now()}
	run.StateMachine, run.Observe = r.machine, nil
	if x.Child != nil {
		run.Observe = x.Child(run.Execution)
	}
	r.mu.Lock()
	r.about.Pending--
	r.about.Running++
	r.tell()
	r.mu.Unlock()

	result := (&execution{Run: run, m: r.processor, ctx: ctx, caller: ctx, history: &history{}}).run()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.about.Running--
	switch result.Status {
	case Succeeded:
		r.about.Succeeded++
		r.items[i] = ItemCheckpoint{Done: true, Output: result.Output}
	case Aborted:
		r.about.Aborted++
	case TimedOut:
		r.about.TimedOut++
	default:
		r.about.Failed++
	}
	if result.Status != Succeeded {
		r.items[i].Checkpoint = result.Checkpoint
	}
	if r.failure == nil && ctx.Err() == nil && r.intolerable() {
		r.failure = &Failure{ErrorTolerance, "The specified tolerated failure threshold was exceeded"}
		r.cancel()
	}
	r.tell()
}

// intolerable reports whether more items have failed than either limit allows;
// without limits, none may (AWS: "Setting failure thresholds for Distributed Map
// states").
func (r *mapRun) intolerable() bool {
	failed := float64(r.about.Failed + r.about.TimedOut)
	switch {
	case failed == 0:
		return false
	case !r.count.given && !r.percentage.given:
		return true
	}
	return r.count.given && failed > r.tolerated ||
		r.percentage.given && failed*100 > r.toleratedPercent*float64(r.about.Total)
}

// id makes a UUID that is the same when the same is run again on a clock that
// tells the same times.
func (r *mapRun) id(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append(parts, r.x.Execution.ARN, r.x.Execution.Name, r.state), "\n")))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// names are those of a Map Run and of its state machine, derived from the
// execution's (AWS: "Viewing a Distributed Map Run execution").
func (r *mapRun) names(run string) (arn string, machine StateMachine) {
	parent := r.x.StateMachine
	machine = StateMachine{ARN: parent.ARN + "/" + r.label, Name: parent.Name + "/" + r.label}
	if parts := strings.Split(r.x.Execution.ARN, ":"); len(parts) == 8 {
		return strings.Join(parts[:5], ":") + ":mapRun:" + parts[6] + "/" + r.label + ":" + run, machine
	}
	return "mapRun:" + r.label + ":" + run, machine
}

func (r *mapRun) childARN(id string) string {
	if parts := strings.Split(r.x.Execution.ARN, ":"); len(parts) == 8 {
		return strings.Join(parts[:5], ":") + ":execution:" + parts[6] + "/" + r.label + ":" + id
	}
	return "execution:" + r.label + ":" + id
}
