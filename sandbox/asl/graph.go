package asl

import "fmt"

// checkGraph refuses dangling transitions, states that cannot be reached and
// states from which no end can be reached.
// within is the Map or Parallel state that the machine belongs to, or "".
func (l *loader) checkGraph(m *Machine, within string) {
	problem := func(state, field, value, text, remedy string) {
		if value != "" {
			value = fmt.Sprintf("%q", value)
		}
		l.problems = append(l.problems, Problem{state, field, value, text, remedy})
	}
	if m.states[m.startAt] == nil {
		problem(within, "StartAt", m.startAt, "there is no such state", "name one of States")
		return
	}
	for _, name := range m.order {
		if b, ok := m.states[name].body.(*mapBody); ok {
			l.checkGraph(b.processor, name)
		}
		if b, ok := m.states[name].body.(*parallelBody); ok {
			for _, branch := range b.branches {
				l.checkGraph(branch, name)
			}
		}
		for _, next := range m.states[name].targets() {
			if m.states[next] == nil {
				problem(name, "Next", next, "there is no such state", "name one of States")
			}
		}
	}
	if len(l.problems) > 0 {
		return
	}
	reached := map[string]bool{}
	m.walk(m.startAt, reached)
	ends := map[string]bool{}
	for grew := true; grew; {
		grew = false
		for _, name := range m.order {
			s := m.states[name]
			can := len(s.targets()) == 0 || s.next == "" && s.typ != "Choice"
			for _, next := range s.targets() {
				can = can || ends[next]
			}
			if can && !ends[name] {
				ends[name], grew = true, true
			}
		}
	}
	for _, name := range m.order {
		switch {
		case !reached[name]:
			problem(name, "", "", "cannot be reached from "+m.startAt, "remove it, or lead to it")
		case !ends[name]:
			problem(name, "", "", "cannot reach an end of the machine", "lead to a Succeed or Fail state or one with End")
		}
	}
}

func (m *Machine) walk(name string, reached map[string]bool) {
	todo := []string{name}
	for len(todo) > 0 {
		name, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !reached[name] {
			reached[name] = true
			todo = append(todo, m.states[name].targets()...)
		}
	}
}

// targets lists the states that may follow.
func (s *state) targets() []string {
	t := s.body.targets()
	if s.next != "" {
		t = append([]string{s.next}, t...)
	}
	return t
}
