package explorer

import (
	"fmt"
	"strconv"
	"strings"
)

// report is what a search has found.
type report struct {
	states, steps, endings int
	findings               []*finding
}

// finding is a broken promise, with the schedule that breaks it and has the fewest
// disturbances.
type finding struct {
	violation
	schedule string
	weight   int
	count    int
}

// searcher goes through everything that can follow, depth first, and from each state
// once.
type searcher struct {
	report
	seen   map[digest]struct{}
	path   []int
	enough func(*report) bool
}

// search goes through a scenario. With enough it ends as soon as that is true.
func search(sc *scenario, o *oracle, enough func(*report) bool) *report {
	s := &searcher{seen: map[digest]struct{}{}, enough: enough}
	s.from(sc.world(&lab{sc: sc, oracle: o, broken: s.add}))
	s.states = len(s.seen)
	return &s.report
}

func (s *searcher) from(w *world) {
	var room [24]option
	list := w.options(room[:0])
	if len(list) == 0 {
		s.endings++
		return
	}
	for i, o := range list {
		if s.enough != nil && s.enough(&s.report) {
			return
		}
		next := w
		if i < len(list)-1 {
			next = w.clone()
		}
		s.path = append(s.path, i)
		next.take(o)
		s.steps++
		h := next.hash()
		if _, known := s.seen[h]; !known {
			s.seen[h] = struct{}{}
			s.from(next)
		}
		s.path = s.path[:len(s.path)-1]
	}
}

func (s *searcher) add(v violation) {
	weight := len(s.path)
	for _, c := range s.path {
		if c != 0 {
			weight += 1000
		}
	}
	for _, f := range s.findings {
		if f.violation == v {
			f.count++
			if weight < f.weight {
				f.weight, f.schedule = weight, scheduleOf(s.path)
			}
			return
		}
	}
	s.findings = append(s.findings, &finding{v, scheduleOf(s.path), weight, 1})
}

// scheduleOf names the choices that are not the first one: 3=1,17=2.
func scheduleOf(path []int) string {
	var parts []string
	for i, c := range path {
		if c != 0 {
			parts = append(parts, fmt.Sprintf("%d=%d", i, c))
		}
	}
	return strings.Join(parts, ",")
}

// replay runs one schedule and returns what happened, and the promises it broke.
func replay(sc *scenario, o *oracle, text string) (trace string, found []violation, err error) {
	choices := map[int]int{}
	for part := range strings.SplitSeq(text, ",") {
		at, choice, _ := strings.Cut(part, "=")
		i, err := strconv.Atoi(at)
		c, err2 := strconv.Atoi(choice)
		if text != "" && (err != nil || err2 != nil) {
			return "", nil, fmt.Errorf("%q is not a schedule such as 3=1,17=2", text)
		}
		choices[i] = c
	}
	if text == "" {
		choices = nil
	}
	var b strings.Builder
	l := &lab{
		sc: sc, oracle: o, broken: func(v violation) { found = append(found, v) },
		trace: func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) },
	}
	w := sc.world(l)
	w.tell("== it begins: %s", w.picture())
	for i := 0; ; i++ {
		list := w.options(nil)
		if len(list) == 0 {
			return b.String(), found, nil
		}
		if choices[i] >= len(list) {
			return b.String(), found, fmt.Errorf("there is no choice %d at %d", choices[i], i)
		}
		w.take(list[choices[i]])
	}
}
