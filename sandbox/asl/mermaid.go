package asl

import (
	"fmt"
	"slices"
	"strings"
)

// Mermaid draws the machine as a Mermaid flowchart: the normal path from top to
// bottom, what errors do as dashed lines, and the endings marked. States on the
// normal path that all fall back to the same state are framed together with
// what lies between them, so that one line stands for all of their Catches. The
// text is the same for the same machine.
func Mermaid(m *Machine) string {
	d := &drawing{m: m, ids: map[string]string{}, main: m.mainPath()}
	order := slices.Clone(d.main)
	for _, name := range m.order {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for i, name := range order {
		d.ids[name] = fmt.Sprintf("s%d", i)
	}
	d.frame()
	d.line("flowchart TD")
	d.line("    start((start)) --> %s", d.ids[m.startAt])
	for _, name := range order {
		switch {
		case len(d.framed) > 0 && name == d.framed[0]:
			d.line("    subgraph steps [\" \"]")
			for _, inner := range d.framed {
				d.line("        %s", d.node(inner))
			}
			d.line("    end")
		case !slices.Contains(d.framed, name):
			d.line("    %s", d.node(name))
		}
	}
	for _, name := range order {
		d.edges(m.states[name])
	}
	if len(d.framed) > 0 {
		d.line("    steps -. a step fails .-> %s", d.ids[d.fallback])
	}
	d.classes(order)
	return d.text.String()
}

type drawing struct {
	m        *Machine
	text     strings.Builder
	ids      map[string]string
	main     []string
	framed   []string // in the frame, in the order of the normal path
	fallback string   // where the frame's errors lead
}

func (d *drawing) line(format string, args ...any) {
	fmt.Fprintf(&d.text, format+"\n", args...)
}

// mainPath follows the first choice everywhere.
func (m *Machine) mainPath() []string {
	var path []string
	for name := m.startAt; name != "" && !slices.Contains(path, name); {
		path = append(path, name)
		s := m.states[name]
		name = s.next
		if c, ok := s.body.(*choiceBody); ok {
			name = c.choices[0].next
		}
	}
	return path
}

// minFrame is the number of states for which a frame is clearer than lines.
const minFrame = 3

// frame finds the state that most of the normal path falls back to, and the
// stretch from the first to the last that does.
func (d *drawing) frame() {
	users := map[string][]int{}
	for i, name := range d.main {
		s := d.m.states[name]
		for _, c := range s.catchers() {
			if c.next != s.next {
				users[c.next] = append(users[c.next], i)
			}
		}
	}
	for _, name := range d.m.order {
		if at := users[name]; len(at) >= minFrame && len(at) > len(users[d.fallback]) {
			d.fallback, d.framed = name, d.main[at[0]:at[len(at)-1]+1]
		}
	}
}

func (s *state) catchers() []*catcher {
	switch b := s.body.(type) {
	case *taskBody:
		return b.catch
	case *mapBody:
		return b.catch
	case *parallelBody:
		return b.catch
	}
	return nil
}

func (d *drawing) node(name string) string {
	open, closing := `["`, `"]`
	s := d.m.states[name]
	label := escape(name)
	switch s.typ {
	case "Map":
		open, closing = `[["`, `"]]`
		label += "<br/>each: " + escape(strings.Join(s.body.(*mapBody).processor.mainPath(), ", "))
	case "Parallel":
		open, closing = `[["`, `"]]`
		for _, branch := range s.body.(*parallelBody).branches {
			label += "<br/>" + escape(strings.Join(branch.mainPath(), ", "))
		}
	case "Choice":
		open, closing = `{"`, `"}`
	case "Wait":
		open, closing = `[/"`, `"/]`
	case "Succeed", "Fail":
		open, closing = `(["`, `"])`
	}
	return d.ids[name] + open + label + closing
}

// escape keeps a label from ending its quotes.
func escape(s string) string { return strings.ReplaceAll(s, `"`, "#quot;") }

func (d *drawing) edges(s *state) {
	from := d.ids[s.name]
	if c, ok := s.body.(*choiceBody); ok {
		for _, rule := range c.choices {
			d.edge(from, rule.next, rule.label)
		}
		if c.otherwise != "" {
			d.edge(from, c.otherwise, "otherwise")
		}
		return
	}
	label := ""
	for _, c := range s.catchers() {
		switch {
		case c.next == s.next:
			label = "done or failed"
		case c.next == d.fallback && slices.Contains(d.framed, s.name):
		default:
			d.line("    %s -. %s .-> %s", from, errorLabel(c.errors), d.ids[c.next])
		}
	}
	if s.next != "" {
		d.edge(from, s.next, label)
	}
}

func (d *drawing) edge(from, to, label string) {
	if label == "" || label == to {
		d.line("    %s --> %s", from, d.ids[to])
		return
	}
	d.line("    %s -- \"%s\" --> %s", from, escape(label), d.ids[to])
}

func errorLabel(errors []string) string {
	if slices.Equal(errors, []string{ErrorAll}) {
		return "fails"
	}
	if len(errors) > 2 {
		errors = append(errors[:1:1], "...")
	}
	return `"` + escape(strings.Join(errors, ", ")) + `"`
}

func (d *drawing) classes(order []string) {
	var good, bad []string
	for _, name := range order {
		switch s := d.m.states[name]; {
		case s.typ == "Fail":
			bad = append(bad, d.ids[name])
		case s.typ == "Succeed":
			good = append(good, d.ids[name])
		}
	}
	d.line("    classDef good fill:#d4edda,stroke:#28a745,color:#155724")
	d.line("    classDef bad fill:#f8d7da,stroke:#dc3545,color:#721c24")
	if len(good) > 0 {
		d.line("    class %s good", strings.Join(good, ","))
	}
	if len(bad) > 0 {
		d.line("    class %s bad", strings.Join(bad, ","))
	}
}
