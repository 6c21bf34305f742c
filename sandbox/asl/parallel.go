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
	parts
}

func (l *loader) parallel(f *fields) body {
	b := &parallelBody{parameters: f.template("Parameters"), parts: parts{results: f.template("ResultSelector"), resultPath: f.ioPath("ResultPath")}}
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
	return b.parts.run(x, raw, func() (any, *Failure, error) { return b.attempt(x, s, raw) })
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
	return b.join(x, s, raw, outputs, failure)
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
		branch, at, raw := x.part(ctx, b.branches[i], previous, branches[i].Checkpoint, in)
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
