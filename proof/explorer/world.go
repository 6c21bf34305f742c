package explorer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// world is a state of everything that a search is about: a secret, the database, and
// the rotations under way, as data. Only its options change it, one at a time.
type world struct {
	lab    *lab
	now    time.Time
	budget budget

	app     secret
	servers []server // the first one is the application's
	actors  []actor
	turn    int // whose it is; -1: to be chosen
	phase   phase

	quiet    bool // nothing goes wrong any more
	database bool // cannot be reached
	manager  bool // Secrets Manager refuses everything
	facts    facts
}

// lab is what a search is made with and what all its worlds share.
type lab struct {
	sc     *scenario
	oracle *oracle
	others []secret // the superusers'
	broken func(violation)
	ended  func(a *actor, result asl.Result) // nil: nobody looks
	trace  func(format string, args ...any)  // nil: nobody looks
}

// budget is how much may still happen.
type budget struct {
	faults   int // of calls
	people   int // acts of a person
	stops    int // executions that are stopped
	switches int // from one rotation to another that was not waiting
}

// phase is how far a scenario has come.
type phase uint8

const (
	running   phase = iota // the rotations that it is about
	settling               // they have ended, and something may come late
	repairing              // the next rotation
	again                  // and the one after
	over
)

func (w *world) clone() *world {
	c := *w
	c.app = w.app.clone()
	c.servers = slices.Clone(w.servers)
	for i := range c.servers {
		c.servers[i] = w.servers[i].clone()
	}
	c.actors = slices.Clone(w.actors)
	return &c
}

// hash is the digest of everything that decides what can follow.
func (w *world) hash() digest {
	d := w.app.hash(start)
	for i := range w.servers {
		d = w.servers[i].hash(d)
	}
	d = d.number(uint64(w.now.UnixNano())).number(uint64(w.turn+1)<<8 | uint64(w.phase))
	d = d.number(uint64(w.budget.faults)<<24 | uint64(w.budget.people)<<16 | uint64(w.budget.stops)<<8 | uint64(w.budget.switches))
	d = d.flag(w.quiet, w.database, w.manager)
	for i := range w.actors {
		d = w.actors[i].hash(d)
	}
	return w.facts.hash(d)
}

func (w *world) secretOf(id string) *secret {
	if id == w.app.arn {
		return &w.app
	}
	for i := range w.lab.others {
		if w.lab.others[i].arn == id {
			return &w.lab.others[i]
		}
	}
	return nil
}

func (w *world) server(address string) *server {
	for i := range w.servers {
		if w.servers[i].address == address {
			return &w.servers[i]
		}
	}
	return nil
}

// passTime moves the clock. What is late by then is never carried out.
func (w *world) passTime(d time.Duration) {
	w.now = w.now.Add(d)
	for i := range w.servers {
		w.servers[i].expire(w.now)
	}
}

// tell writes a line of the trace.
func (w *world) tell(format string, args ...any) {
	if w.lab.trace != nil {
		w.lab.trace(format, args...)
	}
}

// name is short for a version id.
func (w *world) name(id string) string {
	for i := range w.actors {
		if w.actors[i].own() == id {
			return "v(" + w.actors[i].name + ")"
		}
	}
	if id == "" {
		return "nobody"
	}
	return id
}

func (w *world) short(id string) string {
	if id == "" {
		return ""
	}
	return w.name(id)
}

// picture is the secret and the database in a line.
func (w *world) picture() string {
	var b strings.Builder
	for _, l := range w.app.labels {
		label := strings.TrimPrefix(l.label, "AWS")
		if id, ok := strings.CutPrefix(l.label, "TUMBLER-"); ok {
			label = "TUMBLER-" + id[:4]
		}
		fmt.Fprintf(&b, "%s=%s ", label, w.name(l.id))
	}
	b.WriteString("|")
	for _, a := range w.servers[0].accounts {
		if a.superuser || a.name == "victim" {
			continue
		}
		fmt.Fprintf(&b, " %s:%s", a.name, a.password)
		if a.disabled {
			b.WriteString("(disabled)")
		}
	}
	for _, l := range w.servers[0].late {
		fmt.Fprintf(&b, " [late: %s:%s]", l.user, l.password)
	}
	return b.String()
}
