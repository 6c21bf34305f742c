package asl

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// parallelBody is a Parallel state (ASL: "Parallel State"; AWS: "Parallel workflow
// state").
type parallelBody struct {
	branches   []*Machine
	parameters template
	results    template // ResultSelector
	resultPath ioPath
	guard
}

func (l *loader) parallel(f *fields) body {
	b := &parallelBody{parameters: f.template("Parameters"), results: f.template("ResultSelector"), resultPath: f.ioPath("ResultPath")}
	b.retry, b.catch = l.retry(f), l.catch(f)
	v, _ := f.get("Branches")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		f.missing("Branches", "is missing or not a list of branches", "give at least one")
		return b
	}
	for i, item := range list {
		m := &Machine{states: map[string]*state{}}
		b.branches = append(b.branches, m)
		o, ok := item.(*object)
		if !ok {
			f.problem(fmt.Sprintf("Branches[%d]", i), item, "is not an object", "give StartAt and States")
			continue
		}
		p := &fields{l: l, state: f.state, prefix: fmt.Sprintf("Branches[%d].", i), obj: o}
		m.comment, _ = p.text("Comment")
		m.startAt = p.required("StartAt", "name the first state")
		states := p.states()
		p.done()
		l.addStates(p, m, states)
	}
	return b
}

func (b *parallelBody) run(x *execution, s *state, raw any) (any, string, error) {
	again := false
	out, next, err := b.guard.run(x, raw, func() (any, *Failure, error) {
		if again {
			x.mapDone = nil // a retry runs every branch; only a redrive keeps what is done
		}
		again = true
		return b.attempt(x, s, raw)
	})
	if f, ok := err.(*Failure); ok {
		// The branch's own state has put AWS's preamble before a runtime failure.
		err = ended{f}
	}
	return out, next, err
}

// attempt runs all branches once. The first that fails fails the state, with its
// error; the others are stopped.
func (b *parallelBody) attempt(x *execution, s *state, raw any) (any, *Failure, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, nil, x.explain(err)
	}
	if b.parameters != nil {
		var f *Failure
		if in, f = b.parameters.fill(x.scope(in)); f != nil {
			return nil, nil, x.explain(f)
		}
	}
	x.emit(Event{Type: ParallelStateStarted, State: s.name})
	outputs, failure := b.runBranches(x, in)
	switch {
	case x.ctx.Err() != nil:
		x.emit(Event{Type: ParallelStateAborted, State: s.name})
		return nil, nil, errInterrupted
	case failure == nil && tooLarge(outputs):
		failure = dataLimit(s.name)
	}
	if failure != nil {
		x.emit(Event{Type: ParallelStateFailed, State: s.name})
		return nil, failure, nil
	}
	x.emit(Event{Type: ParallelStateSucceeded, State: s.name})
	var result any = outputs
	if b.results != nil {
		var f *Failure
		if result, f = b.results.fill(x.scope(result)); f != nil {
			return nil, nil, x.explain(f)
		}
	}
	out, failure := b.resultPath.place(raw, result)
	return out, failure, nil
}

// runBranches returns the branches' outputs in their order, or what the first that
// failed has failed with.
func (b *parallelBody) runBranches(x *execution, in any) (outputs []any, failure *Failure) {
	branches := x.mapDone
	if x.mapDone = nil; len(branches) != len(b.branches) {
		branches = make([]ItemCheckpoint, len(b.branches))
	}
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	var todo []int
	for i := range branches {
		if !branches[i].Done {
			todo = append(todo, i)
		}
	}
	limit := len(todo)
	if x.OneByOne {
		limit = 1
	}
	var mu sync.Mutex
	previous, last := x.previousID, x.previousID
	x.parallel(len(todo), limit, func(n int) {
		if ctx.Err() != nil {
			return
		}
		i := todo[n]
		m := b.branches[i]
		branch := &execution{
			Run: x.Run, m: m, ctx: ctx, caller: ctx, input: x.input, redrives: x.redrives, history: x.history, previousID: previous,
		}
		at, raw := m.startAt, in
		if c := branches[i].Checkpoint; c != nil {
			at, branch.mapDone = c.State, c.Items
			raw, _ = parseJSON(c.Input, nil) // our own encoding
		}
		at, raw, err := branch.walk(at, raw)
		mu.Lock()
		defer mu.Unlock()
		last = branch.previousID
		if err == nil {
			branches[i] = ItemCheckpoint{Done: true, Output: encode(raw)}
			return
		}
		branches[i].Checkpoint = &Checkpoint{State: at, Input: encode(raw), Items: branch.mapDone}
		var f *Failure
		if errors.As(err, &f) && failure == nil {
			failure = f
			cancel()
		}
	})
	x.previousID = last
	if failure != nil || x.ctx.Err() != nil {
		x.mapDone = branches
		return nil, failure
	}
	for _, branch := range branches {
		v, _ := parseJSON(branch.Output, nil) // our own encoding
		outputs = append(outputs, v)
	}
	return outputs, nil
}
