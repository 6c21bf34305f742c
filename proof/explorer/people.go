package explorer

import (
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// group says what a person changes.
type group uint8

const (
	labels group = 1 << iota
	values
	passwords
)

func (g group) has(other group) bool { return g&other != 0 }

// act is something that a person may do at any time.
type act struct {
	name     string
	group    group
	possible func(w *world) bool
	do       func(w *world)
}

// byHand names the versions that a person stores.
func (w *world) byHand() string { return fmt.Sprintf("9999999%d-by-hand", len(w.app.versions)) }

var acts = []act{
	{"a person takes AWSPENDING off", labels, holds(rotation.Pending), func(w *world) { w.app.detach(rotation.Pending) }},
	{"a person moves AWSPENDING to AWSPREVIOUS's version", labels, holds(rotation.Pending), func(w *world) {
		w.app.attach(rotation.Pending, w.app.holder(rotation.Previous))
	}},
	{"a person moves AWSPENDING to AWSCURRENT's version", labels, holds(rotation.Pending), func(w *world) {
		w.app.attach(rotation.Pending, w.app.holder(rotation.Current))
	}},
	{"a person moves AWSCURRENT back to AWSPREVIOUS's version", labels, holds(rotation.Previous), func(w *world) {
		w.app.attach(rotation.Current, w.app.holder(rotation.Previous))
	}},
	{"a person stores a wrong password as AWSCURRENT", values, always, func(w *world) { w.store("wrong") }},
	{"a person stores the password that the database has as AWSCURRENT", values, always, func(w *world) {
		if acc := w.servers[0].account(w.app.current().user); acc != nil {
			w.store(acc.password)
		}
	}},
	{"a person gives the database another password and stores it as AWSCURRENT", passwords, always, func(w *world) {
		w.setByHand("chosen")
		w.store("chosen")
	}},
	{"a DBA changes the password in the database", passwords, always, func(w *world) { w.setByHand("dba") }},
}

func holds(label string) func(w *world) bool {
	return func(w *world) bool { return w.app.holder(label) != "" }
}

func always(*world) bool { return true }

// store is PutSecretValue by a person.
func (w *world) store(password string) {
	id := w.byHand()
	w.app.put(id, rotation.Current, w.lab.version(id, w.lab.sc.value(w.app.current().user, password), w.now))
	w.facts.stored = id
	w.disturb(values)
}

func (w *world) setByHand(password string) { w.servers[0].set(w.app.current().user, password) }
