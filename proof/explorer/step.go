package explorer

import (
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// option is one thing that can happen next.
type option struct {
	what  happening
	which int
}

type happening uint8

const (
	goesOn   happening = iota // the call is made; which says how it fares behind a lock
	switched                  // another rotation goes on
	arrives                   // a late statement is carried out
	never                     // a late statement never is
	acted                     // a person does something
	fails                     // something goes wrong with the call
	atOnce                    // the next rotation begins while something may still come late
)

// How a statement fares that has to wait for the lock that a late one waits for.
const (
	inTurn      = iota // after the late one, soon
	inTurnLater        // after the late one, when it has waited for long
	overtakes          // before the late one, when it has waited for long
	inVain             // the lock stays for too long
	ways
)

// options lists what can happen. The first is what happens when nothing disturbs.
func (w *world) options(list []option) []option {
	switch {
	case w.phase == over:
		return nil
	case w.phase == settling:
		return w.settlingOptions(list)
	case w.turn < 0:
		for i := range w.actors {
			if w.actors[i].alive() {
				list = append(list, option{switched, i})
			}
		}
		return list
	}
	a := &w.actors[w.turn]
	if !a.waits() || !slices.ContainsFunc(w.actors, func(o actor) bool { return o.alive() && !o.waits() }) {
		list = append(list, option{goesOn, inTurn})
	}
	if a.want.verb == alter || a.want.verb == clone {
		if s := w.server(a.want.login.address); s.behind(a.want.login.user) >= 0 {
			for way := inTurn + 1; way < ways; way++ {
				if way == overtakes && !w.lab.sc.overtaking {
					continue
				}
				list = append(list, option{goesOn, way})
			}
		}
	}
	for i := range w.actors {
		if i != w.turn && w.actors[i].alive() && (w.budget.switches > 0 || a.want.verb == pause) {
			list = append(list, option{switched, i})
		}
	}
	for i := range w.servers[0].late {
		list = append(list, option{arrives, i})
	}
	if w.quiet {
		return list
	}
	if w.budget.people > 0 {
		for i, p := range acts {
			if w.lab.sc.people.has(p.group) && p.possible(w) {
				list = append(list, option{acted, i})
			}
		}
	}
	return w.troubles(a, list)
}

func (w *world) settlingOptions(list []option) []option {
	list = append(list, option{arrives, 0}, option{never, 0})
	if !w.quiet && !w.lab.sc.patient {
		list = append(list, option{atOnce, 0})
	}
	return list
}

// take lets one of the options happen.
func (w *world) take(o option) {
	switch o.what {
	case switched:
		if w.turn >= 0 {
			if w.actors[w.turn].want.verb != pause {
				w.budget.switches--
			}
			w.tell("-- %s goes on", w.actors[o.which].name)
		}
		w.turn = o.which
	case arrives:
		w.arrive(o.which)
	case never:
		w.servers[0].late = slices.Delete(w.servers[0].late, o.which, o.which+1)
	case acted:
		w.budget.people--
		w.facts.disturbed = true
		w.tell("** %s", acts[o.which].name)
		w.act(acts[o.which])
		w.tell("%30s%s", "", w.picture())
	case goesOn:
		w.perform(nothing, o.which)
	case fails:
		if t := trouble(o.which); t >= stopped {
			w.budget.stops--
		} else {
			w.budget.faults--
		}
		w.facts.failed = true
		w.perform(trouble(o.which), inTurn)
	case atOnce:
		w.tell("== the next rotation begins at once")
		w.settled()
		return
	}
	w.rest()
}

// act is what a person does.
func (w *world) act(p act) {
	before, current := w.app.clone(), w.app.current()
	p.do(w)
	w.noteDropped(before)
	w.disturb(p.group)
	if p.group.has(passwords) || w.app.current() != current {
		w.facts.fine = "" // nobody has looked since
		w.changed(byPerson)
	}
}

// arrive carries a late statement out.
func (w *world) arrive(i int) {
	s := &w.servers[0]
	l := s.late[i]
	s.late = slices.Delete(s.late, i, i+1)
	s.set(l.user, l.password)
	w.tell("** the lock is gone: the late statement of %s is carried out (%s:%s)", l.by, l.user, l.password)
	w.changed(lateOf + l.by)
}

// perform makes the call that the actor wants whose turn it is.
func (w *world) perform(t trouble, way int) {
	a := &w.actors[w.turn]
	o, state := a.want, a.fn.state
	if w.lab.trace != nil {
		if state == "" {
			state = a.at.state
		}
		w.tell("%-8s %-20s %s%s", a.name, state, w.words(o), t.words())
	}
	out, dead := w.outcome(a, o, t, way)
	if w.lab.trace != nil {
		if out.code != "" {
			w.tell("%30s-> %s", "", out.code)
		}
		if o.verb.writes() || o.verb.states() {
			w.tell("%30s%s", "", w.picture())
		}
	}
	if dead {
		w.dies(a)
	} else {
		w.answered(a, out)
	}
	if a := &w.actors[w.turn]; !a.alive() {
		w.turn = -1
	}
}

// outcome is what the call comes to: an answer, or the end of its function.
func (w *world) outcome(a *actor, o op, t trouble, way int) (out answer, dead bool) {
	lost := answer{code: o.verb.lost()}
	switch {
	case o.bounded && w.lab.sc.window && !w.now.Before(closesAt),
		w.database && (o.verb == reach || o.verb == connect || o.verb.states()):
		return lost, false
	case w.manager && (o.verb.reads() || o.verb.writes()):
		return answer{code: fault.AccessDenied}, false
	}
	switch t {
	case killed:
		return answer{}, true
	case stoppedDead:
		w.stop(a)
		return answer{}, true
	case stopped:
		w.stop(a)
	case refused:
		if o.verb.states() {
			return answer{code: fault.PasswordRejected}, false
		}
		return answer{code: fault.AccessDenied}, false
	case cut:
		return lost, false
	case databaseGone:
		w.database = true
		return lost, false
	case managerGone:
		w.manager = true
		return answer{code: fault.AccessDenied}, false
	case lateLost, lateKilled:
		s := &w.servers[0]
		s.late = append(s.late, late{a.name, o.login.user, o.login.password, w.now.Add(engine.LateBound)})
		return lost, t == lateKilled
	}
	if o.verb == pause {
		w.passTime(o.wait)
		return answer{}, false
	}
	if o.verb == alter || o.verb == clone {
		if code := w.behindLock(o, way); code != "" {
			return answer{code: code}, false
		}
	}
	out = w.carryOut(a, o)
	switch t {
	case killedThen:
		return out, true
	case stoppedThen:
		w.stop(a)
		return out, true
	case unanswered:
		return lost, false
	case slow, closing:
		w.passTime(closesAt.Add(time.Second).Sub(w.now))
		if o.bounded && t == slow {
			return lost, false
		}
	}
	return out, false
}

// behindLock lets a statement wait for the lock that a late one waits for.
func (w *world) behindLock(o op, way int) fault.Code {
	s := w.server(o.login.address)
	i := s.behind(o.login.user)
	if i < 0 {
		return ""
	}
	switch way {
	case inTurn:
		w.arrive(i)
	case inTurnLater:
		w.arrive(i)
		w.passTime(2 * time.Second)
	case overtakes:
		w.passTime(2 * time.Second)
	case inVain:
		w.passTime(engine.LockTimeout)
		return fault.DatabaseUnavailable
	}
	return ""
}

// rest looks whether everybody has ended, and goes on to the next phase.
func (w *world) rest() {
	if w.phase == settling {
		if len(w.servers[0].late) == 0 {
			w.atRest("after everything late")
			w.forget()
			w.passTime(25 * time.Hour)
			w.app.prune()
			w.settled()
		}
		return
	}
	for i := range w.actors {
		if w.actors[i].alive() {
			return
		}
	}
	switch w.phase {
	case running:
		w.atRest("when all had ended")
		w.oneRotated()
		w.phase = settling
		w.rest()
	case repairing, again:
		w.repaired()
	}
}

// forget restarts the servers, which then accept old passwords from no cache.
func (w *world) forget() {
	if !w.servers[0].caches {
		return
	}
	for i := range w.servers[0].accounts {
		w.servers[0].accounts[i].cached = ""
	}
	w.changed("a cache")
	w.atRest("after the server has forgotten")
}

// settled begins the next rotation.
func (w *world) settled() {
	w.quiet, w.database, w.manager = true, false, false
	if w.lab.sc.hopeless {
		w.phase = over
		return
	}
	w.facts.lost = w.lost()
	w.phase = repairing
	w.startNext("N1")
}

func (w *world) startNext(name string) {
	w.actors = append(slices.Clip(w.actors), actor{name: name, redrive: -1, next: true})
	w.turn = len(w.actors) - 1
	w.begin(w.turn)
}
