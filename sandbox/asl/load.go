package asl

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Load reads a definition and fills in its ${Name} placeholders, as
// CloudFormation's DefinitionSubstitutions does. Substitutions that are not
// used are ignored: machines may share them.
//
// The error is a [*DefinitionError] with everything that is wrong: unknown
// fields, states, functions and duplicate members; paths and intrinsic
// functions that cannot be read; Retry and Catch that AWS would refuse or that
// could never match; states that cannot be reached or that cannot reach an end.
func Load(definition []byte, substitutions map[string]string) (*Machine, error) {
	l := &loader{}
	top := func(field, text, remedy string) {
		l.problems = append(l.problems, Problem{Field: field, Text: text, Remedy: remedy})
	}
	doc, err := parseJSON(definition, func(at string) {
		top(at, "is there twice", "remove one of the two")
	})
	if err != nil {
		top("", "is not JSON: "+err.Error(), "correct the syntax")
		return nil, &DefinitionError{l.problems}
	}
	doc = l.substitute(doc, "$", substitutions)
	o, ok := doc.(*object)
	if !ok {
		top("", "is "+kindOf(doc), "a definition is an object with StartAt and States")
		return nil, &DefinitionError{l.problems}
	}
	m := l.machine(o)
	if len(l.problems) == 0 {
		l.checkGraph(m, "")
	}
	if len(l.problems) > 0 {
		return nil, &DefinitionError{l.problems}
	}
	m.definition = encode(doc)
	return m, nil
}

// placeholder is also what is malformed, such as ${a b}, so that it is told.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

func (l *loader) substitute(v any, at string, with map[string]string) any {
	switch v := v.(type) {
	case string:
		return placeholder.ReplaceAllStringFunc(v, func(found string) string {
			value, ok := with[found[2:len(found)-1]]
			if !ok {
				l.problems = append(l.problems, Problem{
					Field: at, Value: found, Text: "has no substitution", Remedy: "pass one, or correct the name",
				})
			}
			return value
		})
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = l.substitute(item, at, with)
		}
		return list
	case *object:
		o := newObject()
		for _, key := range v.keys {
			o.set(key, l.substitute(v.vals[key], at+"."+key, with))
		}
		return o
	default:
		return v
	}
}

func (l *loader) machine(o *object) *Machine {
	f := &fields{l: l, obj: o}
	m := &Machine{states: map[string]*state{}}
	m.comment, _ = f.text("Comment")
	m.startAt = f.required("StartAt", "name the first state")
	l.oneOf(f, "Version", "1.0")
	l.oneOf(f, "QueryLanguage", "JSONPath")
	n, _ := f.whole("TimeoutSeconds", 1, maxSeconds)
	m.timeout = time.Duration(n) * time.Second
	states := f.states()
	f.done()
	l.addStates(f, m, states)
	return m
}

// states reads the member States.
func (f *fields) states() *object {
	v, _ := f.get("States")
	states, ok := v.(*object)
	if !ok || len(states.keys) == 0 {
		f.missing(f.prefix+"States", "is missing or not an object with states", "define at least one state")
		return newObject()
	}
	return states
}

func (l *loader) addStates(f *fields, m *Machine, states *object) {
	for _, name := range states.keys {
		at := f.prefix + "States." + name
		body, ok := states.vals[name].(*object)
		if !ok {
			f.problem(at, states.vals[name], "is not an object", "define the state")
			continue
		}
		if slices.Contains(l.names, name) {
			// ASL: "States": names are unique within the whole state machine.
			f.problem(at, name, "is the name of another state", "rename one of the two; names are unique, also inside a Map or a Parallel")
		}
		l.names = append(l.names, name)
		m.order = append(m.order, name)
		m.states[name] = l.state(name, body)
	}
}

func (l *loader) oneOf(f *fields, name, only string) {
	if v, ok := f.text(name); ok && v != only {
		f.problem(f.prefix+name, v, "is not supported", "give "+only+" or leave it out")
	}
}

// maxNameLength is AWS's limit on the name of a state, in characters.
const maxNameLength = 80

func (l *loader) state(name string, o *object) *state {
	f := &fields{l: l, state: name, obj: o}
	s := &state{name: name}
	if n := utf8.RuneCountInString(name); n == 0 || n > maxNameLength {
		f.missing("", "has a name that is empty or too long", "use 1 to 80 characters")
	}
	s.typ = f.required("Type", "name the type of the state")
	s.comment, _ = f.text("Comment")
	l.oneOf(f, "QueryLanguage", "JSONPath")
	if s.typ != "Fail" {
		s.inputPath = f.ioPath("InputPath")
		s.outputPath = f.ioPath("OutputPath")
	}
	switch s.typ {
	case "Pass":
		s.body = l.pass(f)
	case "Task":
		s.body = l.task(f)
	case "Wait":
		s.body = l.wait(f)
	case "Choice":
		s.body = l.choice(f)
	case "Succeed":
		s.body = succeedBody{}
	case "Fail":
		s.body = l.fail(f)
	case "Map":
		s.body = l.mapState(f)
	case "Parallel":
		s.body = l.parallel(f)
	default:
		if s.typ != "" {
			f.problem("Type", s.typ, "is not a type of state of this interpreter", "use Pass, Task, Wait, Choice, Map, Parallel, Succeed or Fail")
		}
		s.body = succeedBody{}
		return s // which fields belong to it is not known
	}
	if slices.Contains([]string{"Pass", "Task", "Wait", "Map", "Parallel"}, s.typ) {
		s.next = l.transition(f)
	}
	f.done()
	return s
}

// transition reads Next and End, exactly one of which must be there.
func (l *loader) transition(f *fields) string {
	next, hasNext := f.text("Next")
	v, hasEnd := f.get("End")
	switch {
	case hasEnd && v != true:
		f.problem("End", v, "is not true", "give true, or leave it out and name the Next state")
	case hasNext && hasEnd:
		f.problem("Next", next, "End is there as well", "keep one of the two")
	case !hasEnd && !f.has("Next"):
		f.missing("Next", "is missing, and so is End", "name the Next state or say End: true")
	case hasNext && next == "":
		f.problem("Next", next, "is empty", "name the next state")
	}
	return next
}

func (l *loader) pass(f *fields) body {
	b := &passBody{parameters: f.template("Parameters"), resultPath: f.ioPath("ResultPath")}
	b.result, b.hasResult = f.get("Result")
	return b
}

func (l *loader) fail(f *fields) body {
	b := &failBody{}
	for _, part := range []struct {
		name string
		expr *expr
	}{{"Error", &b.name}, {"Cause", &b.cause}} {
		fixed, hasFixed := f.text(part.name)
		if hasFixed {
			*part.expr = literal{fixed}
		}
		text, hasPath := f.text(part.name + "Path")
		if !hasPath {
			continue
		}
		if hasFixed {
			f.problem(part.name+"Path", text, part.name+" is there as well", "keep one of the two")
		}
		e, err := parseExpr(text)
		if err != nil {
			f.problem(part.name+"Path", text, err.Error(), "give a path or an intrinsic function")
			continue
		}
		if usesMap(e) {
			f.problem(part.name+"Path", text, mapElsewhere, mapRemedy)
		}
		if c, ok := e.(*call); ok && !returnsText[c.name] {
			f.problem(part.name+"Path", text, c.name+" does not return a string", "use States.Format or another that does")
		}
		*part.expr = e
	}
	return b
}

func (l *loader) wait(f *fields) body {
	b := &waitBody{}
	var given int
	var ok bool
	if b.seconds, ok = f.seconds("Seconds", 0); ok {
		given++
	}
	if text, ok := f.text("Timestamp"); ok {
		given++
		t, err := parseTimestamp(text)
		if err != nil {
			f.problem("Timestamp", text, "is not a time", "give one such as 2026-01-31T12:00:00Z")
		}
		b.until = t
	}
	if b.untilPath = f.path("TimestampPath"); b.untilPath != nil {
		given++
	}
	if given != 1 {
		f.missing("", "waits for no time or for several", "give exactly one of Seconds, SecondsPath, Timestamp and TimestampPath")
	}
	return b
}

// lambdaARN is a function, an alias or a version of one.
var lambdaARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?$`)

// integrationARN is an optimised or an SDK service integration.
var integrationARN = regexp.MustCompile(`^arn:aws[a-z-]*:states:[a-z0-9-]*:[0-9]*:((?:aws-sdk:)?[a-z0-9-]+):([A-Za-z0-9.:]+)$`)

// nestedExecution runs another state machine and waits for it (AWS: "Start
// workflow executions from a task state in Step Functions").
const nestedExecution = "states:startExecution.sync:2"

func (l *loader) task(f *fields) body {
	b := &taskBody{
		resource:   f.required("Resource", "give the ARN of a function or a service integration"),
		parameters: f.template("Parameters"),
		selector:   f.template("ResultSelector"),
		resultPath: f.ioPath("ResultPath"),
	}
	b.timeout, _ = f.seconds("TimeoutSeconds", 1)
	b.retry, b.catch = l.retry(f), l.catch(f)
	parts := integrationARN.FindStringSubmatch(b.resource)
	switch {
	case b.resource == "", lambdaARN.MatchString(b.resource):
	case parts != nil && parts[1]+":"+parts[2] == nestedExecution:
		b.service, b.action = parts[1], parts[2]
	case parts == nil:
		f.problem("Resource", b.resource, "is neither a Lambda function's ARN nor arn:aws:states:::service:action", "correct it")
	case strings.ContainsAny(parts[2], ".:"):
		f.problem("Resource", b.resource, "asks for a service integration pattern that is not supported", "use request-response, or "+nestedExecution+" for an execution to wait for")
	default:
		b.service, b.action = parts[1], parts[2]
	}
	return b
}
