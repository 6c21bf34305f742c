package explorer

import (
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// scopes are the scenarios that are searched: every way to rotate a secret with every
// kind of disturbance, and what secrets can be like when it begins.
func scopes() []*scenario {
	var list scopeList
	for _, way := range []scenario{
		{name: "single"},
		{name: "recover", recover: true},
		{name: "pair", alternating: true},
		{name: "function", function: true},
		{name: "function-db2", function: true, engine: "db2"},
	} {
		list.oneRotation(way)
		if !way.recover { // which differs only in what it does about a password that nobody knows
			list.severalRotations(way)
		}
	}
	list.accounts()
	list.leftovers()
	list.hostile()
	return list
}

// deeper scopes let more go wrong at once. They take minutes each.
func deeper() []*scenario {
	var list scopeList
	for _, way := range []scenario{{name: "single"}, {name: "pair", alternating: true}, {name: "function", function: true}} {
		list.add("three-faults", way, may(budget{faults: 3}), outages)
		list.add("person-two-faults", way, may(budget{faults: 2, people: 1}), person)
		list.add("two-two-faults", way, may(budget{faults: 2, switches: 2}), by(runA, runB))
		list.add("three", way, may(budget{switches: 4}), by(runA, runB, runC))
	}
	return list
}

type scopeList []*scenario

func (l *scopeList) add(name string, sc scenario, changes ...func(sc *scenario)) {
	sc.name += "/" + name
	for _, change := range changes {
		change(&sc)
	}
	*l = append(*l, &sc)
}

func may(b budget) func(sc *scenario) { return func(sc *scenario) { sc.budget = b } }

func from(begins func(w *world)) func(sc *scenario) { return func(sc *scenario) { sc.begins = begins } }

func by(who ...actor) func(sc *scenario) { return func(sc *scenario) { sc.who = who } }

func outages(sc *scenario)    { sc.outages = true }
func window(sc *scenario)     { sc.window = true }
func patient(sc *scenario)    { sc.patient = true }
func overtaking(sc *scenario) { sc.overtaking = true }
func person(sc *scenario)     { sc.people = labels | values | passwords }

var (
	runA     = actor{name: "A", redrive: -1}
	runB     = actor{name: "B", redrive: -1}
	runC     = actor{name: "C", redrive: -1}
	redriveA = actor{name: "A", redrive: 0}
	nativeN  = actor{name: "native", native: rotatorARN, redrive: -1}
	foreign  = actor{name: "native", native: foreignARN, redrive: -1}
)

func rotatedNatively(w *world) { w.app.rotatedBy = rotatorARN }

func (l *scopeList) oneRotation(way scenario) {
	l.add("faults", way, may(budget{faults: 2}), outages)
	l.add("person", way, may(budget{faults: 1, people: 1}), person)
	l.add("window", way, may(budget{faults: 2}), window)
	l.add("overtaken", way, may(budget{faults: 2}), overtaking, patient)
}

func (l *scopeList) severalRotations(way scenario) {
	l.add("two", way, may(budget{faults: 1, switches: 3}), by(runA, runB))
	l.add("two-person", way, may(budget{people: 1, switches: 2}), person, by(runA, runB))
	l.add("stop", way, may(budget{stops: 1, switches: 2}), by(runA, runB, redriveA))
	l.add("stop-fault", way, may(budget{stops: 1, faults: 1}), patient, by(runA, redriveA))
	if way.name == "single" {
		// Somebody else's function, switched on while a rotation runs, is not promised
		// to get on with it; only that no password is lost.
		l.add("foreign", way, may(budget{faults: 1, switches: 3}), by(runA, foreign), func(sc *scenario) { sc.foreign, sc.hopeless = true, true })
	}
	if !way.function {
		l.add("native", way, may(budget{faults: 1, switches: 3}), by(runA, nativeN), from(rotatedNatively))
		l.add("native-person", way, may(budget{faults: 1, people: 1}), person, by(nativeN), from(rotatedNatively))
	}
}

// accounts are secrets whose account is not as it should be.
func (l *scopeList) accounts() {
	single, recovering, pair := scenario{name: "single"}, scenario{name: "recover", recover: true}, scenario{name: "pair", alternating: true}
	one, two := may(budget{faults: 1}), may(budget{faults: 2})
	hopeless := func(sc *scenario) { sc.hopeless = true }
	named := func(sc *scenario) { sc.masterARN = superuserARN }
	switches := func(sc *scenario) { sc.switches = true }

	disabled := from(func(w *world) { w.servers[0].account("app").disabled = true })
	l.add("disabled", recovering, one, hopeless, disabled)
	l.add("disabled", pair, one, hopeless, disabled)

	lost := from(func(w *world) { w.servers[0].set("app", "unknown") })
	l.add("lost", single, one, hopeless, named, lost)
	l.add("lost", recovering, one, lost)
	l.add("lost", pair, one, lost)

	drop := func(w *world, user string) {
		s := &w.servers[0]
		s.accounts = slices.DeleteFunc(s.accounts, func(a account) bool { return a.name == user })
	}
	onClone := func(w *world) { w.app.attach(rotation.Current, v0) }
	l.add("on-clone", pair, two, from(onClone))
	l.add("clone-dropped", pair, one, from(func(w *world) { onClone(w); drop(w, "app_clone") }))
	l.add("other-dropped", pair, one, from(func(w *world) { drop(w, "app_clone") }))
	l.add("first", pair, two, from(func(w *world) {
		drop(w, "app_clone")
		w.app.detach(rotation.Previous)
		w.app.prune()
	}))
	l.add("unmarked", pair, two, from(func(w *world) {
		w.servers[0].marks = false
		w.servers[0].account("app_clone").mark = ""
	}))
	l.add("cache", single, two, from(func(w *world) { w.servers[0].caches = true }))
	l.add("then-single", pair, two, switches)
	l.add("then-pair", single, two, switches)
}

const left = "33333333-left"

// leftovers are secrets that something has left AWSPENDING on.
func (l *scopeList) leftovers() {
	way, one := scenario{name: "leftover"}, may(budget{faults: 1})
	l.add("empty", way, one, from(func(w *world) { w.app.register(left, epoch) }))
	l.add("on-current", way, one, from(func(w *world) { w.app.attach(rotation.Pending, v1) }))
	l.add("other-port", way, may(budget{faults: 1, people: 1}), person, from(func(w *world) {
		w.app.put(left, rotation.Pending, w.lab.version(left, document("postgres", otherPort, "app", "theirs", ""), epoch))
		w.servers = append(w.servers, server{address: otherPort, accounts: []account{{name: "app", password: "theirs"}}})
	}))
}

// hostile are secrets by whose value somebody tries to have other accounts changed.
func (l *scopeList) hostile() {
	victim := from(func(w *world) {
		id := w.byHand()
		w.app.put(id, rotation.Current, w.lab.version(id, w.lab.sc.value("victim", "chosen"), epoch))
	})
	elsewhere := from(func(w *world) {
		w.servers[0].set("app", "unknown")
		w.servers = append(w.servers, server{address: otherHost, accounts: []account{
			{name: "app", password: "theirs"}, {name: "super", password: "pws", superuser: true},
		}})
	})
	way := scenario{name: "hostile", hopeless: true, budget: budget{faults: 1}}
	l.add("masterarn", way, victim, func(sc *scenario) { sc.masterARN = superuserARN })
	l.add("recover", way, victim, func(sc *scenario) { sc.masterARN, sc.recover = superuserARN, true })
	l.add("elsewhere", way, elsewhere, func(sc *scenario) { sc.masterARN, sc.recover = elsewhereARN, true })
}
