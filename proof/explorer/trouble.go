package explorer

import "github.com/tumbler-rotation/tumbler/internal/fault"

// trouble is what can go wrong with a call.
type trouble uint8

const (
	nothing    trouble = iota
	killed             // the function dies before the call
	killedThen         // the function dies after it
	unanswered         // it is carried out and the answer is lost
	cut                // it is not carried out, which its caller does not know
	refused            // it is refused for good
	lateLost           // it waits for a lock when the connection is cut
	lateKilled         // it waits for a lock when the function dies
	slow               // the window closes before the answer comes
	closing            // the window closes when the answer has come
	databaseGone
	managerGone
	stopped     // the execution is stopped, and the function goes on to its end
	stoppedDead // the execution is stopped, and the function dies before the call
	stoppedThen // the execution is stopped, and the function dies after it
)

var troubleWords = [...]string{
	killed: "the function dies before", killedThen: "the function dies after", unanswered: "the answer is lost",
	cut: "the connection is cut before", refused: "it is refused", lateLost: "it waits for a lock and the connection is cut",
	lateKilled: "it waits for a lock and the function dies", slow: "the window closes before the answer comes", closing: "the window closes when the answer has come",
	databaseGone: "the database cannot be reached from here on", managerGone: "Secrets Manager refuses everything from here on",
	stopped:     "the execution is stopped, the function goes on",
	stoppedDead: "the execution is stopped, the function dies before", stoppedThen: "the execution is stopped, the function dies after",
}

func (t trouble) words() string {
	if t == nothing {
		return ""
	}
	return "   <<< " + troubleWords[t]
}

// lost is what a caller sees that gets no answer.
func (v verb) lost() fault.Code {
	switch {
	case v == reach, v == connect:
		return fault.DatabaseUnreachable
	case v.states():
		return fault.OutcomeUnknown
	}
	return fault.ServiceUnavailable
}

// troubles lists what can go wrong with the call that an actor wants to make.
func (w *world) troubles(a *actor, list []option) []option {
	add := func(troubles ...trouble) {
		for _, t := range troubles {
			list = append(list, option{fails, int(t)})
		}
	}
	v, sc := a.want.verb, w.lab.sc
	if w.budget.faults > 0 {
		switch {
		case v.reads():
			add(killed, unanswered, refused)
		case v.writes():
			add(killed, killedThen, unanswered, refused)
		case v == reach, v == connect:
			add(killed, unanswered)
		case v.states():
			add(killed, killedThen, unanswered, cut, refused)
		}
		if (v == alter || v == clone) && w.mayWait(a.want) {
			add(lateLost, lateKilled)
		}
		if sc.outages && (v == reach || v == connect) {
			add(databaseGone)
		}
		if sc.outages && v.reads() {
			add(managerGone)
		}
		if sc.window && v <= grant {
			add(slow, closing)
		}
	}
	if w.budget.stops > 0 && a.execution() && !a.aborted && v <= grant {
		add(stoppedDead)
		if !sc.patient {
			add(stopped)
		}
		if v.writes() || v.states() {
			add(stoppedThen)
		}
	}
	return list
}

// mayWait says that a statement can be behind a lock: it is allowed, and there is
// something to lock.
func (w *world) mayWait(o op) bool {
	s := &w.servers[0]
	return o.login.address == s.address && len(s.late) == 0 && s.account(o.login.user) != nil && o.login.password != "" &&
		(o.login.user == o.as || s.account(o.as).superuser)
}
