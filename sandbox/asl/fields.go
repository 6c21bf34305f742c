package asl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// loader collects the problems of a definition.
type loader struct {
	problems []Problem
	names    []string // of states, wherever they are
}

// fields reads the members of one object of a definition and remembers which
// were asked for, so that the rest can be refused.
type fields struct {
	l      *loader
	state  string
	prefix string // "Retry[0]." and the like
	obj    *object
	known  []string
}

func (f *fields) problem(field string, value any, text, remedy string) {
	f.l.problems = append(f.l.problems, Problem{f.state, field, excerpt(value), text, remedy})
}

// missing reports that something is not there.
func (f *fields) missing(field, text, remedy string) {
	f.l.problems = append(f.l.problems, Problem{f.state, field, "", text, remedy})
}

func (f *fields) get(name string) (any, bool) {
	f.known = append(f.known, name)
	return f.obj.get(name)
}

func (f *fields) has(name string) bool {
	_, ok := f.obj.get(name)
	return ok
}

// notHere are fields of the language that this interpreter leaves out.
var notHere = []string{
	"HeartbeatSeconds", "HeartbeatSecondsPath", "Credentials", "Assign", "Arguments", "Output",
	"Iterator", "Branches", "ItemReader", "ItemBatcher", "ResultWriter",
}

// done refuses the members nobody asked for.
func (f *fields) done() {
	for _, key := range f.obj.keys {
		if slices.Contains(f.known, key) {
			continue
		}
		text := "is not a field here"
		if slices.Contains(notHere, key) {
			text = "is not supported here by this interpreter"
		}
		f.problem(f.prefix+key, f.obj.vals[key], text, "remove it; the fields here are "+strings.Join(f.known, ", "))
	}
}

func (f *fields) text(name string) (string, bool) {
	v, ok := f.get(name)
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		f.problem(f.prefix+name, v, "is "+kindOf(v), "give a string")
	}
	return s, ok
}

// required is text that must be there and not be empty.
func (f *fields) required(name, remedy string) string {
	s, ok := f.text(name)
	if !ok && !f.has(name) {
		f.missing(f.prefix+name, "is missing", remedy)
	} else if ok && s == "" {
		f.problem(f.prefix+name, s, "is empty", remedy)
	}
	return s
}

// whole reads an integer within [low, high].
func (f *fields) whole(name string, low, high int64) (int64, bool) {
	v, ok := f.get(name)
	if !ok {
		return 0, false
	}
	n, ok := integer(v)
	if !ok || n < low || n > high {
		f.problem(f.prefix+name, v, "is not in range", fmt.Sprintf("give a whole number from %d to %d", low, high))
		return 0, false
	}
	return n, true
}

// number reads a number that is at least low.
func (f *fields) number(name string, low float64) (float64, bool) {
	v, ok := f.get(name)
	if !ok {
		return 0, false
	}
	n, isNumber := v.(json.Number)
	x, err := n.Float64()
	if !isNumber || err != nil || x < low {
		f.problem(f.prefix+name, v, "is not in range", fmt.Sprintf("give a number of at least %g", low))
		return 0, false
	}
	return x, true
}

// path reads a Reference Path.
func (f *fields) path(name string) *path {
	v, ok := f.get(name)
	if !ok {
		return nil
	}
	return f.parsePath(name, v)
}

func (f *fields) parsePath(name string, v any) *path {
	text, ok := v.(string)
	if !ok {
		f.problem(f.prefix+name, v, "is "+kindOf(v), "give a path as a string")
		return nil
	}
	p, err := parsePath(text)
	if err == nil {
		err = p.checkContext()
	}
	if err != nil {
		f.problem(f.prefix+name, v, err.Error(), "give a Reference Path such as $.a.b[0]")
		return nil
	}
	if p.ofMap() {
		f.problem(f.prefix+name, v, mapElsewhere, mapRemedy)
	}
	return p
}

// What is wrong with $$.Map outside an ItemSelector. (In states inside a Map it
// means different things to different interpreters.)
const (
	mapElsewhere = "$$.Map is known in an ItemSelector only"
	mapRemedy    = "let the ItemSelector hand on what is needed"
)

// ioPath reads InputPath, OutputPath or ResultPath.
func (f *fields) ioPath(name string) ioPath {
	v, ok := f.get(name)
	if !ok {
		return ioPath{}
	}
	if v == nil {
		return ioPath{null: true}
	}
	p := f.parsePath(name, v)
	if p == nil {
		return ioPath{}
	}
	if name == "ResultPath" && (p.context || p.hasIndex()) {
		f.problem(f.prefix+name, v, "cannot be written to", "give a path of names in the input, such as $.result")
	}
	if !p.context && len(p.steps) == 0 {
		return ioPath{}
	}
	return ioPath{path: p}
}

// template reads Parameters or ResultSelector.
func (f *fields) template(name string) template {
	v, ok := f.get(name)
	if !ok {
		return nil
	}
	if _, ok := v.(*object); !ok {
		f.problem(f.prefix+name, v, "is "+kindOf(v), "give an object")
		return nil
	}
	t := compileTemplate(v, f.prefix+name, f.problem)
	if name != "ItemSelector" && usesMap(t) {
		f.problem(f.prefix+name, v, mapElsewhere, mapRemedy)
	}
	return t
}

// seconds is a duration given by a number or by a path.
type seconds struct {
	fixed time.Duration
	path  *path
}

// maxSeconds is the longest wait or timeout (AWS: "Task workflow state",
// TimeoutSeconds).
const maxSeconds = 99_999_999

// seconds reads a pair such as TimeoutSeconds and TimeoutSecondsPath.
func (f *fields) seconds(name string, low int64) (s seconds, given bool) {
	n, fixed := f.whole(name, low, maxSeconds)
	s = seconds{time.Duration(n) * time.Second, f.path(name + "Path")}
	if f.has(name) && f.has(name+"Path") {
		f.problem(f.prefix+name+"Path", s.path.String(), name+" is there as well", "keep one of the two")
	}
	return s, fixed || s.path != nil
}

func (p *path) String() string {
	if p == nil {
		return ""
	}
	return p.text
}

// value finds the duration.
func (s seconds) value(field string, sc scope) (time.Duration, *Failure) {
	if s.path == nil {
		return s.fixed, nil
	}
	v, ok := s.path.lookup(sc)
	if !ok {
		return 0, runtimef("Invalid path '%s' for %s: there is nothing there in the input '%s'", s.path.text, field, excerpt(sc.input))
	}
	n, ok := integer(v)
	if !ok || n < 0 || n > maxSeconds {
		return 0, runtimef("The %s parameter is not a whole number of seconds: %s == %s", field, s.path.text, excerpt(v))
	}
	return time.Duration(n) * time.Second, nil
}

// list reads an array of objects and calls each with the fields of each.
func (f *fields) list(name string, each func(i int, item *fields)) (length int) {
	v, ok := f.get(name)
	if !ok {
		return 0
	}
	items, ok := v.([]any)
	if !ok {
		f.problem(f.prefix+name, v, "is "+kindOf(v), "give an array of objects")
		return 0
	}
	for i, item := range items {
		at := fmt.Sprintf("%s%s[%d]", f.prefix, name, i)
		o, ok := item.(*object)
		if !ok {
			f.problem(at, item, "is "+kindOf(item), "give an object")
			continue
		}
		each(i, &fields{l: f.l, state: f.state, prefix: at + ".", obj: o})
	}
	return len(items)
}
