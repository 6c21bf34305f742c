package asl

import "context"

// parts is what a Map and a Parallel state share: they run several machines within one
// state, which succeeds or fails as a whole.
type parts struct {
	results    template // ResultSelector
	resultPath ioPath
	guard
}

// run makes attempts. A retry runs every part; only a redrive keeps what is done.
func (p *parts) run(x *execution, raw any, attempt func() (any, *Failure, error)) (any, string, error) {
	again := false
	out, next, err := p.guard.run(x, raw, func() (any, *Failure, error) {
		if again {
			x.mapDone = nil
		}
		again = true
		return attempt()
	})
	if f, ok := err.(*Failure); ok {
		// The part's own state has put AWS's preamble before a runtime failure.
		err = ended{f}
	}
	return out, next, err
}

// join ends an attempt with the parts' outputs, or with what the first has failed with.
func (p *parts) join(x *execution, s *state, raw any, outputs []any, failure *Failure) (any, *Failure, error) {
	tell := func(how string) { x.emit(Event{Type: EventType(s.typ + "State" + how), State: s.name}) }
	switch {
	case x.ctx.Err() != nil:
		tell("Aborted")
		return nil, nil, errInterrupted
	case failure == nil && tooLarge(outputs):
		failure = dataLimit(s.name)
	}
	if failure != nil {
		tell("Failed")
		return nil, failure, nil
	}
	tell("Succeeded")
	var result any = outputs
	if p.results != nil {
		var f *Failure
		if result, f = p.results.fill(x.scope(result)); f != nil {
			return nil, nil, x.explain(f)
		}
	}
	out, failure := p.resultPath.place(raw, result)
	return out, failure, nil
}

// part is the execution of a part, in the history of the whole, and where it begins.
func (x *execution) part(ctx context.Context, m *Machine, previous int64, c *Checkpoint, input any) (it *execution, at string, raw any) {
	it = &execution{
		Run: x.Run, m: m, ctx: ctx, caller: ctx, input: x.input, redrives: x.redrives, history: x.history, previousID: previous,
	}
	if c == nil {
		return it, m.startAt, input
	}
	it.mapDone = c.Items
	raw, _ = parseJSON(c.Input, nil) // our own encoding
	return it, c.State, raw
}
