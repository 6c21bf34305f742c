package asl

import (
	"encoding/json"
	"time"
)

// Machine is a loaded state machine. It is immutable; any number of executions
// may run on it at once.
type Machine struct {
	definition json.RawMessage
	comment    string
	startAt    string
	timeout    time.Duration // 0: none
	order      []string
	states     map[string]*state
}

// Definition returns the definition with its placeholders filled in.
func (m *Machine) Definition() json.RawMessage { return m.definition }

// States returns what the definition says of each state, in its order.
func (m *Machine) States() []StateInfo {
	infos := make([]StateInfo, len(m.order))
	for i, name := range m.order {
		infos[i] = m.states[name].info()
	}
	return infos
}

// StateInfo describes a state to tests and drawings.
type StateInfo struct {
	// Name and Type are as in the definition.
	Name, Type, Comment string
	// Resource is a task's ARN.
	Resource string
	// Timeout is a task's TimeoutSeconds, 0 if there is none.
	Timeout time.Duration
	// Next is the state that follows; a Choice's Default.
	Next string
	// Choices are the transitions of a Choice, in order.
	Choices []ChoiceInfo
	// Retry are a task's retriers, in order.
	Retry []RetryInfo
	// Catch are a task's catchers, in order.
	Catch []CatchInfo
	// Branches are those of a Parallel.
	Branches []*Machine
	// Processor is what a Map runs for each item, Mode its INLINE or DISTRIBUTED.
	Processor *Machine
	Mode      string
}

// ChoiceInfo is one transition of a Choice; Label says when, shortly.
type ChoiceInfo struct{ Label, Next string }

// RetryInfo is one retrier.
type RetryInfo struct {
	ErrorEquals []string
	MaxAttempts int
	// Delay returns the pause before the n-th retry (from 1), given what the
	// jitter source returned.
	Delay func(n int, jitter float64) time.Duration `json:"-"`
}

// CatchInfo is one catcher.
type CatchInfo struct {
	ErrorEquals []string
	Next        string
}

// state is what all types of states share.
type state struct {
	name, typ, comment string
	next               string // "" at an end
	inputPath          ioPath
	outputPath         ioPath
	body               body
}

// body is what a type of state does. Everything a state can do to an execution
// goes through it.
type body interface {
	// run makes the state's output from its raw input. A next other than ""
	// overrides the state's own. It returns an error when the state failed or
	// the execution was interrupted.
	run(x *execution, s *state, raw any) (out any, next string, err error)
	// targets lists the states that the body itself can lead to.
	targets() []string
}

// ioPath is InputPath, OutputPath or ResultPath: absent ($), null or a path.
type ioPath struct {
	path *path
	null bool
}

// apply filters a document; null leaves an empty object (ASL: "InputPath").
func (p ioPath) apply(field string, sc scope) (any, error) {
	switch {
	case p.null:
		return newObject(), nil
	case p.path == nil:
		return sc.input, nil
	}
	v, ok := p.path.lookup(sc)
	if !ok {
		return nil, runtimef("Invalid path '%s' for %s: there is nothing there in the input '%s'", p.path.text, field, excerpt(sc.input))
	}
	return v, nil
}

// place puts a result into the raw input (ASL: "ResultPath").
func (p ioPath) place(raw, result any) (any, *Failure) {
	switch {
	case p.null:
		return raw, nil
	case p.path == nil:
		return result, nil
	}
	out, err := p.path.insert(raw, result)
	if err != nil {
		return nil, &Failure{ErrorResultPath, "Unable to apply ResultPath '" + p.path.text + "': " + err.Error()}
	}
	return out, nil
}

func (s *state) info() StateInfo {
	info := StateInfo{Name: s.name, Type: s.typ, Comment: s.comment, Next: s.next}
	switch b := s.body.(type) {
	case *choiceBody:
		info.Next = b.otherwise
		for _, c := range b.choices {
			info.Choices = append(info.Choices, ChoiceInfo{c.label, c.next})
		}
	case *taskBody:
		info.Resource, info.Timeout = b.resource, b.timeout.fixed
		info.Retry, info.Catch = b.guard.info()
	case *mapBody:
		info.Processor, info.Mode = b.processor, b.mode
		info.Retry, info.Catch = b.guard.info()
	case *parallelBody:
		info.Branches = b.branches
		info.Retry, info.Catch = b.guard.info()
	}
	return info
}
