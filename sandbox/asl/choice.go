package asl

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// choiceBody is a Choice state.
type choiceBody struct {
	choices   []choiceRule
	otherwise string
}

type choiceRule struct {
	label string // for drawings
	when  condition
	next  string
}

// condition is a compiled Data-test or Boolean Expression (ASL: "Choice State").
type condition func(sc scope) (bool, *Failure)

func (b *choiceBody) targets() []string {
	var t []string
	for _, c := range b.choices {
		t = append(t, c.next)
	}
	if b.otherwise != "" {
		t = append(t, b.otherwise)
	}
	return t
}

func (b *choiceBody) run(x *execution, s *state, raw any) (any, string, error) {
	in, err := s.inputPath.apply("InputPath", x.scope(raw))
	if err != nil {
		return nil, "", err
	}
	sc := x.scope(in)
	for _, c := range b.choices {
		ok, f := c.when(sc)
		if f != nil {
			return nil, "", f
		}
		if ok {
			return in, c.next, nil
		}
	}
	if b.otherwise == "" {
		return nil, "", &Failure{ErrorNoChoiceMatched, "No choice of the state '" + s.name + "' matched, and it has no Default"}
	}
	return in, b.otherwise, nil
}

func (l *loader) choice(f *fields) body {
	b := &choiceBody{}
	if n := f.list("Choices", func(_ int, item *fields) {
		rule := choiceRule{next: item.required("Next", "name the state to go to")}
		_, _ = item.text("Comment")
		rule.when, rule.label = l.condition(item)
		item.done()
		b.choices = append(b.choices, rule)
	}); n == 0 {
		f.missing("Choices", "has no choices", "give at least one")
	}
	if f.has("Default") {
		b.otherwise = f.required("Default", "name the state to go to")
	}
	f.known = append(f.known, "Default")
	return b
}

func never(scope) (bool, *Failure) { return false, nil }

// condition compiles one rule; its label says shortly what it asks.
func (l *loader) condition(f *fields) (condition, string) {
	var operators []string
	for _, key := range f.obj.keys {
		if _, ok := comparisons[strings.TrimSuffix(key, "Path")]; ok || tests[key] != nil || slices.Contains([]string{"And", "Or", "Not"}, key) {
			operators = append(operators, key)
		}
	}
	if len(operators) != 1 {
		f.missing(strings.TrimSuffix(f.prefix, "."), fmt.Sprintf("has %d comparison operators", len(operators)), "give exactly one, such as StringEquals")
		f.known = append(append(f.known, "Variable"), operators...)
		return never, ""
	}
	op := operators[0]
	switch op {
	case "And", "Or":
		return l.combination(f, op), strings.ToLower(op)
	case "Not":
		v, _ := f.get("Not")
		o, ok := v.(*object)
		if !ok {
			f.problem(f.prefix+"Not", v, "is "+kindOf(v), "give one rule")
			return never, ""
		}
		inner := &fields{l: f.l, state: f.state, prefix: f.prefix + "Not.", obj: o}
		when, label := l.condition(inner)
		inner.done()
		return func(sc scope) (bool, *Failure) {
			ok, fail := when(sc)
			return !ok, fail
		}, "not " + label
	}
	variable := f.path("Variable")
	if variable == nil {
		if !f.has("Variable") {
			f.missing(f.prefix+"Variable", "is missing", "give the path of the value to compare")
		}
		_, _ = f.get(op)
		return never, ""
	}
	if test := tests[op]; test != nil {
		return l.test(f, op, variable, test), op
	}
	return l.comparison(f, op, variable)
}

func (l *loader) combination(f *fields, op string) condition {
	var parts []condition
	if n := f.list(op, func(_ int, item *fields) {
		when, _ := l.condition(item)
		item.done()
		parts = append(parts, when)
	}); n == 0 {
		f.missing(f.prefix+op, "has no rules", "give at least one")
	}
	stopAt := op == "Or"
	return func(sc scope) (bool, *Failure) {
		for _, part := range parts {
			if ok, fail := part(sc); fail != nil || ok == stopAt {
				return ok, fail
			}
		}
		return !stopAt, nil
	}
}

// missingVariable is AWS's wording.
func missingVariable(p *path) *Failure {
	return runtimef("Invalid path '%s': The choice state's condition path references an invalid value.", p.text)
}

func (l *loader) test(f *fields, op string, variable *path, test func(any) bool) condition {
	v, _ := f.get(op)
	want, ok := v.(bool)
	if !ok {
		f.problem(f.prefix+op, v, "is "+kindOf(v), "give true or false")
	}
	return func(sc scope) (bool, *Failure) {
		value, there := variable.lookup(sc)
		if op == "IsPresent" {
			return there == want, nil
		}
		if !there {
			return false, missingVariable(variable)
		}
		return test(value) == want, nil
	}
}

func (l *loader) comparison(f *fields, op string, variable *path) (condition, string) {
	compare := comparisons[strings.TrimSuffix(op, "Path")]
	if strings.HasSuffix(op, "Path") {
		other := f.path(op)
		if other == nil || op == "StringMatchesPath" {
			if other != nil {
				f.problem(f.prefix+op, other.text, "is not an operator", "use StringMatches")
			}
			return never, op
		}
		return func(sc scope) (bool, *Failure) {
			value, ok := variable.lookup(sc)
			if !ok {
				return false, missingVariable(variable)
			}
			with, ok := other.lookup(sc)
			if !ok {
				return false, missingVariable(other)
			}
			return compare.holds(value, with), nil
		}, op
	}
	with, _ := f.get(op)
	if !compare.kind(with) {
		f.problem(f.prefix+op, with, "is of the wrong type for "+op, "give "+compare.kindName)
	}
	label := fmt.Sprint(with)
	if !strings.HasSuffix(op, "Equals") {
		label = op + " " + label
	}
	return func(sc scope) (bool, *Failure) {
		value, ok := variable.lookup(sc)
		if !ok {
			return false, missingVariable(variable)
		}
		return compare.holds(value, with), nil
	}, label
}

// parseTimestamp reads the RFC 3339 profile that ASL allows: capital T and Z.
func parseTimestamp(s string) (time.Time, error) { return time.Parse(time.RFC3339, s) }
