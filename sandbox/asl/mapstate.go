package asl

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// mapBody is a Map state (ASL: "Map State"; AWS: "Map workflow state").
type mapBody struct {
	processor  *Machine
	mode       string
	label      string
	itemsPath  *path
	selector   template // of each item
	parallel   amount   // 0: as many as there may be
	count      amount   // of tolerated failures
	percentage amount
	parts
}

// The modes of a Map.
const (
	inline      = "INLINE"
	distributed = "DISTRIBUTED"
)

// The most items that are under way at once, asked for or not (AWS: "Map
// workflow state" and "Using Map state in Distributed mode").
const (
	maxInline      = 40
	maxDistributed = 10_000
)

// labelPattern: a label becomes part of ARNs (AWS: "Distributed Map state
// fields", Label).
var labelPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

func (l *loader) mapState(f *fields) body {
	b := &mapBody{
		itemsPath:  f.path("ItemsPath"),
		selector:   f.template("ItemSelector"),
		parallel:   f.amount("MaxConcurrency"),
		count:      f.amount("ToleratedFailureCount"),
		percentage: f.amount("ToleratedFailurePercentage"),
		parts:      parts{results: f.template("ResultSelector"), resultPath: f.ioPath("ResultPath")},
	}
	if b.percentage.fixed > 100 {
		f.problem("ToleratedFailurePercentage", json.Number(fmt.Sprint(b.percentage.fixed)), "is more than all", "give at most 100")
	}
	b.label, _ = f.text("Label")
	b.retry, b.catch = l.retry(f), l.catch(f)
	b.processor, b.mode = l.processor(f)
	if f.has("Label") && !labelPattern.MatchString(b.label) {
		f.problem("Label", b.label, "cannot be part of an ARN", "use 1 to 40 letters, digits, hyphens and underscores")
	}
	if b.mode == distributed {
		if b.label == "" {
			b.label = f.state
		}
		return b
	}
	for _, field := range []string{"Label", "ToleratedFailureCount", "ToleratedFailureCountPath", "ToleratedFailurePercentage", "ToleratedFailurePercentagePath"} {
		if f.has(field) {
			f.problem(field, f.obj.vals[field], "is for mode DISTRIBUTED only", "remove it: one failed item fails an INLINE Map")
		}
	}
	return b
}

// processor reads ItemProcessor.
func (l *loader) processor(f *fields) (m *Machine, mode string) {
	m, mode = &Machine{states: map[string]*state{}}, inline
	v, _ := f.get("ItemProcessor")
	o, ok := v.(*object)
	if !ok {
		f.missing("ItemProcessor", "is missing or not an object", "say what to do with each item")
		return m, mode
	}
	p := &fields{l: l, state: f.state, prefix: "ItemProcessor.", obj: o}
	if v, ok := p.get("ProcessorConfig"); ok {
		mode = l.processorConfig(p, v)
	}
	m.comment, _ = p.text("Comment")
	m.startAt = p.required("StartAt", "name the first state")
	states := p.states()
	p.done()
	l.addStates(p, m, states)
	return m, mode
}

func (l *loader) processorConfig(p *fields, v any) string {
	o, ok := v.(*object)
	if !ok {
		p.problem("ItemProcessor.ProcessorConfig", v, "is "+kindOf(v), "give an object with Mode")
		return inline
	}
	c := &fields{l: l, state: p.state, prefix: "ItemProcessor.ProcessorConfig.", obj: o}
	mode, ok := c.text("Mode")
	kind, hasKind := c.text("ExecutionType")
	c.done()
	switch {
	case !ok, mode == inline:
		if hasKind {
			c.problem(c.prefix+"ExecutionType", kind, "is for mode DISTRIBUTED only", "remove it")
		}
		return inline
	case mode != distributed:
		c.problem(c.prefix+"Mode", mode, "is not a mode", "give INLINE or DISTRIBUTED")
	case !hasKind:
		c.missing(c.prefix+"ExecutionType", "is missing", "give STANDARD")
	case kind != "STANDARD":
		c.problem(c.prefix+"ExecutionType", kind, "is not supported", "give STANDARD")
	}
	return distributed
}

// amount is a number that is not negative, fixed or at a path.
type amount struct {
	given bool
	fixed float64
	path  *path
}

// amount reads a pair such as MaxConcurrency and MaxConcurrencyPath.
func (f *fields) amount(name string) (a amount) {
	if strings.HasSuffix(name, "Percentage") {
		a.fixed, a.given = f.number(name, 0)
	} else if n, ok := f.whole(name, 0, maxAttempts); ok {
		a.fixed, a.given = float64(n), true
	}
	a.path = f.path(name + "Path")
	if f.has(name) && f.has(name+"Path") {
		f.problem(f.prefix+name+"Path", a.path.String(), name+" is there as well", "keep one of the two")
	}
	a.given = a.given || a.path != nil
	return a
}

func (a amount) value(field string, sc scope) (float64, *Failure) {
	if a.path == nil {
		return a.fixed, nil
	}
	v, ok := a.path.lookup(sc)
	if !ok {
		return 0, runtimef("Invalid path '%s' for %s: there is nothing there in the input '%s'", a.path.text, field, excerpt(sc.input))
	}
	n, isNumber := v.(json.Number)
	x, err := n.Float64()
	if !isNumber || err != nil || x < 0 {
		return 0, runtimef("The %s parameter is not a number of at least 0: %s == %s", field, a.path.text, excerpt(v))
	}
	return x, nil
}

func (b *mapBody) run(x *execution, s *state, raw any) (any, string, error) {
	return b.parts.run(x, raw, func() (any, *Failure, error) { return b.attempt(x, s, raw) })
}

// attempt runs all items once.
func (b *mapBody) attempt(x *execution, s *state, raw any) (any, *Failure, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, nil, x.explain(err)
	}
	r, f := b.prepare(x, s, in)
	if f != nil {
		return nil, nil, x.explain(f)
	}
	x.emit(Event{Type: MapStateStarted, State: s.name, Length: len(r.inputs)})
	outputs, failure := r.run()
	return b.join(x, s, raw, outputs, failure)
}

// prepare finds the items and the limits.
func (b *mapBody) prepare(x *execution, s *state, in any) (*mapRun, *Failure) {
	sc := x.scope(in)
	items := in
	if b.itemsPath != nil {
		v, ok := b.itemsPath.lookup(sc)
		if !ok {
			return nil, runtimef("Invalid path '%s' for ItemsPath: there is nothing there in the input '%s'", b.itemsPath.text, excerpt(in))
		}
		items = v
	}
	list, ok := items.([]any)
	if !ok {
		return nil, runtimef("The ItemsPath field references a value that is not an array: %s", excerpt(items))
	}
	r := &mapRun{mapBody: b, x: x, state: s.name, inputs: list}
	for _, limit := range []struct {
		field string
		from  amount
		to    *float64
	}{
		{"MaxConcurrencyPath", b.parallel, &r.most},
		{"ToleratedFailureCountPath", b.count, &r.tolerated},
		{"ToleratedFailurePercentagePath", b.percentage, &r.toleratedPercent},
	} {
		var f *Failure
		if *limit.to, f = limit.from.value(limit.field, sc); f != nil {
			return nil, f
		}
	}
	if b.selector == nil {
		return r, nil
	}
	r.inputs = make([]any, len(list))
	defer func() { x.mapItem = nil }()
	for i, item := range list {
		x.mapItem = makeObject("Index", json.Number(fmt.Sprint(i)), "Value", item)
		v, f := b.selector.fill(x.scope(in))
		if f != nil {
			return nil, f
		}
		r.inputs[i] = v
	}
	return r, nil
}
