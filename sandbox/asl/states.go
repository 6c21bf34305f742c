package asl

import "time"

// passBody is a Pass state (ASL: "Pass State").
type passBody struct {
	parameters template
	result     any
	hasResult  bool
	resultPath ioPath
}

func (*passBody) targets() []string { return nil }

func (b *passBody) run(x *execution, s *state, raw any) (any, string, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, "", err
	}
	if b.parameters != nil {
		v, f := b.parameters.fill(x.scope(in))
		if f != nil {
			return nil, "", f
		}
		in = v
	}
	if b.hasResult {
		in = b.result
	}
	out, f := b.resultPath.place(raw, in)
	if f != nil {
		return nil, "", f
	}
	return out, "", nil
}

// waitBody is a Wait state (ASL: "Wait State").
type waitBody struct {
	seconds   seconds
	until     time.Time
	untilPath *path
}

func (*waitBody) targets() []string { return nil }

func (b *waitBody) run(x *execution, s *state, raw any) (any, string, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, "", err
	}
	d, f := b.duration(x, x.scope(in))
	if f != nil {
		return nil, "", f
	}
	if x.Clock.Sleep(x.ctx, d) != nil {
		return nil, "", errInterrupted
	}
	return in, "", nil
}

func (b *waitBody) duration(x *execution, sc scope) (time.Duration, *Failure) {
	until := b.until
	switch {
	case b.untilPath != nil:
		v, ok := b.untilPath.lookup(sc)
		if !ok {
			return 0, runtimef("Invalid path '%s' for TimestampPath: there is nothing there in the input '%s'", b.untilPath.text, excerpt(sc.input))
		}
		if !isTimestamp(v) {
			// AWS's wording.
			return 0, runtimef("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s", b.untilPath.text, excerpt(v))
		}
		until, _ = parseTimestamp(v.(string))
	case until.IsZero():
		return b.seconds.value("SecondsPath", sc)
	}
	// In the past there is no wait at all. Source: Step Functions developer guide, "Wait
	// workflow state": "considers the time value up to seconds and truncates milliseconds".
	return until.Truncate(time.Second).Sub(x.Clock.Now()), nil
}

// succeedBody is a Succeed state.
type succeedBody struct{}

func (succeedBody) targets() []string { return nil }

func (succeedBody) run(x *execution, s *state, raw any) (any, string, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	return in, "", err
}

// failBody is a Fail state (ASL: "Fail State"); nil where nothing is said.
type failBody struct{ name, cause expr }

func (failBody) targets() []string { return nil }

func (b *failBody) run(x *execution, _ *state, raw any) (any, string, error) {
	f := &Failure{}
	for _, part := range []struct {
		field string
		from  expr
		to    *string
	}{{"ErrorPath", b.name, &f.Name}, {"CausePath", b.cause, &f.Cause}} {
		if part.from == nil {
			continue
		}
		v, err := part.from.eval(x.scope(raw))
		if err != nil {
			return nil, "", runtimef("The value of the field '%s' could not be made: %s", part.field, err)
		}
		s, ok := v.(string)
		if !ok {
			return nil, "", runtimef("The value of the field '%s' must be a string, not %s", part.field, kindOf(v))
		}
		*part.to = s
	}
	return nil, "", ended{f}
}

// ended is the deliberate failure of a Fail state, whose error may have any
// name, even that of a runtime failure.
type ended struct{ *Failure }

func (e ended) Unwrap() error { return e.Failure }
