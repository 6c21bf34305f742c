package asl

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// path is a Reference Path (ASL: "Reference Paths"): it names one place in a
// document. The richer JSONPath is refused, because interpreters differ in it.
type path struct {
	text    string
	context bool // "$$": the context object instead of the state's input
	steps   []step
}

// step is one part of a path: a member's name or an index.
type step struct {
	name  string
	index int // valid when name is unset
	isIdx bool
}

// parsePath reads a whole string as a path.
func parsePath(text string) (*path, error) {
	p, rest, err := scanPath(text)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, fmt.Errorf("%q is not part of a Reference Path", rest)
	}
	return p, nil
}

// scanPath reads a path at the beginning of text and returns what follows it.
func scanPath(text string) (*path, string, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, "", fmt.Errorf("a path begins with $")
	}
	p := &path{}
	rest, p.context = strings.CutPrefix(rest, "$")
	for {
		var (
			s   step
			err error
		)
		switch {
		case strings.HasPrefix(rest, "."):
			s, rest, err = scanName(rest[1:])
		case strings.HasPrefix(rest, "["):
			s, rest, err = scanBracket(rest[1:])
		default:
			p.text = text[:len(text)-len(rest)]
			return p, rest, nil
		}
		if err != nil {
			return nil, "", err
		}
		p.steps = append(p.steps, s)
	}
}

func scanName(text string) (step, string, error) {
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return step{}, "", fmt.Errorf("a name is missing after the dot (only names and indexes are supported; write other names as ['name'])")
	}
	return step{name: text[:end]}, text[end:], nil
}

func scanBracket(text string) (step, string, error) {
	if text == "" {
		return step{}, "", fmt.Errorf("a bracket is not closed")
	}
	if quote := text[0]; quote == '\'' || quote == '"' {
		name, rest, ok := strings.Cut(text[1:], string(quote)+"]")
		if !ok || name == "" || strings.ContainsAny(name, `'"\`) {
			return step{}, "", fmt.Errorf("a quoted name in brackets is malformed")
		}
		return step{name: name}, rest, nil
	}
	digits, rest, ok := strings.Cut(text, "]")
	index, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || digits != strconv.FormatUint(index, 10) {
		return step{}, "", fmt.Errorf("[%s is neither an index nor a quoted name (wildcards, slices and filters are not supported)", text)
	}
	return step{index: int(index), isIdx: true}, rest, nil
}

// lookup returns the value at the path, or false if there is none.
func (p *path) lookup(sc scope) (any, bool) {
	v := sc.input
	if p.context {
		v = sc.context
	}
	for _, s := range p.steps {
		if s.isIdx {
			list, ok := v.([]any)
			if !ok || s.index >= len(list) {
				return nil, false
			}
			v = list[s.index]
			continue
		}
		o, ok := v.(*object)
		if !ok {
			return nil, false
		}
		if v, ok = o.get(s.name); !ok {
			return nil, false
		}
	}
	return v, true
}

// insert returns doc with v at the path, making objects on the way (ASL:
// "ResultPath"). It fails when something other than an object is in the way.
func (p *path) insert(doc, v any) (any, error) { return insertAt(doc, p.steps, v) }

func insertAt(doc any, steps []step, v any) (any, error) {
	if len(steps) == 0 {
		return v, nil
	}
	o, ok := doc.(*object)
	if !ok {
		return nil, fmt.Errorf("cannot put %q into %s", steps[0].name, kindOf(doc))
	}
	child, ok := o.get(steps[0].name)
	if !ok {
		child = newObject()
	}
	child, err := insertAt(child, steps[1:], v)
	if err != nil {
		return nil, err
	}
	return o.with(steps[0].name, child), nil
}

// hasIndex reports whether the path goes through an array.
func (p *path) hasIndex() bool {
	for _, s := range p.steps {
		if s.isIdx {
			return true
		}
	}
	return false
}

// contextShape is what the context object holds (AWS: "Accessing execution data
// from the Context object in Step Functions"); a nil map means anything.
var contextShape = map[string]map[string]bool{
	"Execution":    {"Id": true, "Name": true, "Input": true, "StartTime": true, "RedriveCount": true},
	"State":        {"Name": true, "EnteredTime": true, "RetryCount": true},
	"StateMachine": {"Id": true, "Name": true},
}

// checkContext refuses a context path that can never lead anywhere.
func (p *path) checkContext() error {
	if !p.context || len(p.steps) == 0 {
		return nil
	}
	if p.steps[0].name == "Map" {
		if len(p.steps) < 3 || p.steps[1].name != "Item" || p.steps[2].name != "Index" && p.steps[2].name != "Value" {
			return fmt.Errorf("the context object's Map has Item.Index and Item.Value only")
		}
		return nil
	}
	members, ok := contextShape[p.steps[0].name]
	if !ok {
		return fmt.Errorf("the context object has no %q (it has Execution, State, StateMachine and, in an ItemSelector, Map)", p.steps[0].name)
	}
	if len(p.steps) == 1 {
		return nil
	}
	if name := p.steps[1].name; !members[name] {
		return fmt.Errorf("the context object has no %s.%s", p.steps[0].name, name)
	}
	if len(p.steps) > 2 && p.steps[1].name != "Input" {
		return fmt.Errorf("%s.%s of the context object has no members", p.steps[0].name, p.steps[1].name)
	}
	return nil
}

// ofMap reports whether the path leads to the item of a Map, which only an
// ItemSelector sees.
func (p *path) ofMap() bool { return p.context && len(p.steps) > 0 && p.steps[0].name == "Map" }
