package explorer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// violation is a promise of docs/guarantees.md that was not kept.
type violation struct {
	promise string // its number
	detail  string
}

// facts is what the promises are about and the world itself does not show.
type facts struct {
	told      bool   // somebody knows that AWSCURRENT may be refused
	fine      string // the rotation that last said that AWSCURRENT logs in
	culprit   string // who has made AWSCURRENT unusable; "" while it logs in
	stored    string // the version that a person has stored as AWSCURRENT
	disturbed bool   // a person has acted
	failed    bool   // something has gone wrong
	lost      bool   // nobody could know the password when the next rotation began
	dropped   string // the versions that a person has left without a label
}

func (f facts) hash(d digest) digest {
	return d.add(f.fine, f.culprit, f.stored, f.dropped).flag(f.told, f.disturbed, f.failed, f.lost)
}

// seen is what a rotation has seen and done.
type seen struct {
	blind     bool       // somebody else has moved labels or values since it looked at them
	blindDB   bool       // a person has changed the database since it tried AWSCURRENT
	stalePlan bool       // a person has stored AWSCURRENT since it planned
	warned    bool       // somebody was told that AWSCURRENT may be refused since it logged in last
	changed   bool       // it has changed a password
	loggedIn  []login    // with what it has logged in
	took      []labelled // labels that it has taken from versions of others
}

func (s seen) hash(d digest) digest {
	for _, l := range s.loggedIn {
		d = d.add(l.user, l.password)
	}
	for _, l := range s.took {
		d = d.add(l.label, l.id)
	}
	return d.flag(s.blind, s.blindDB, s.stalePlan, s.warned, s.changed)
}

// Who can have made AWSCURRENT unusable beside the rotations.
const (
	byPerson  = "a person"
	beginning = "the beginning"
	lateOf    = "a late statement of "
)

func (w *world) broken(promise, format string, args ...any) {
	if w.lab.sc.foreign && promise != "2" && promise != "7" {
		return
	}
	v := violation{promise, fmt.Sprintf(format, args...)}
	w.tell("!! PROMISE %s IS BROKEN: %s", v.promise, v.detail)
	w.lab.broken(v)
}

// looked notes that a rotation has looked at the labels.
func (w *world) looked(a *actor, s *secret) {
	if s != &w.app {
		return
	}
	a.seen.blind = false
	if a.fn.state == "Plan" || a.fn.state == "native "+rotation.StepCreate {
		a.seen.stalePlan = false
	}
}

// tried notes a login.
func (w *world) tried(a *actor, on *server, l login, ok bool) {
	if on != &w.servers[0] {
		return
	}
	a.seen.blindDB = a.seen.blindDB && l != w.app.current()
	a.seen.warned = false
	if ok && !slices.Contains(a.seen.loggedIn, l) {
		a.seen.loggedIn = append(slices.Clip(a.seen.loggedIn), l)
		slices.SortFunc(a.seen.loggedIn, func(a, b login) int { return strings.Compare(a.String(), b.String()) })
	}
}

// moved notes that a rotation has moved a label.
func (w *world) moved(a *actor, label, from, to string) {
	if from != to && label != rotation.Current && label != rotation.Previous {
		a.seen.took = slices.DeleteFunc(slices.Clone(a.seen.took), func(l labelled) bool { return l == labelled{label, to} })
		if from != "" && from != a.own() && from != w.app.holder(rotation.Current) {
			a.seen.took = append(a.seen.took, labelled{label, from})
		}
	}
	if label == rotation.Current && from != "" && from == w.facts.stored && a.seen.stalePlan {
		w.broken("5", "%s has moved AWSCURRENT off what a person stored after it had planned", a.name)
	}
	if label == rotation.Current {
		for i := range w.actors {
			if other := &w.actors[i]; other != a && other.alive() {
				other.seen.blind = true
			}
		}
	}
	if a.fn.state == "CreateSecret" && w.closed(a) {
		w.broken("8", "%s has moved %s after the window closed", a.name, label)
	}
	w.changed(a.name)
}

// changedAccount notes that a rotation has given an account a password.
func (w *world) changedAccount(a *actor, s *server, o op) {
	user := o.login.user
	a.seen.changed = true
	// What it had logged in with before proves nothing any more.
	a.seen.loggedIn = slices.DeleteFunc(slices.Clone(a.seen.loggedIn), func(l login) bool { return l.user == user && l.address == s.address })
	switch acc := s.account(user); {
	case s != &w.servers[0]:
		w.broken("7", "%s has changed user %s of another server, %s", a.name, user, s.address)
	case strings.TrimSuffix(user, cloneSuffix) != "app":
		w.broken("7", "%s has changed user %s, which is not this secret's", a.name, user)
	case acc.disabled:
		w.broken("7", "%s has changed user %s, which may not log in", a.name, user)
	case o.as != user && !w.alternates(a) && !w.lab.sc.recover:
		w.broken("7", "%s has changed user %s as the superuser without recoverPassword", a.name, user)
	}
	for _, v := range w.app.versions {
		if v.login.password == o.login.password && o.login.password != "" && (v.login.user != user || v.login.address != s.address) {
			w.broken("7", "%s has given user %s at %s the password that %s says is of %s at %s", a.name, user, s.address, w.name(v.id), v.login.user, v.login.address)
		}
	}
	if strings.HasPrefix(a.fn.state, "SetSecret") && a.fn.function != foreignARN && !a.fn.begun && w.closed(a) {
		w.broken("8", "%s has changed user %s after the window closed", a.name, user)
	}
	a.fn.begun = true
	w.changed(a.name)
}

// closed reports whether the window of a rotation is over.
func (w *world) closed(a *actor) bool {
	return w.lab.sc.window && !a.next && !w.now.Before(closesAt)
}

// alternates reports whether a rotation has the strategy alternating-users.
func (w *world) alternates(a *actor) bool {
	return w.lab.sc.alternating != (a.next && w.lab.sc.switches)
}

// accepted reports whether applications can log in.
func (w *world) accepted() bool {
	l := w.app.current()
	s := w.server(l.address)
	return s != nil && s.accepts(l.user, l.password)
}

// changed looks at AWSCURRENT after something has changed.
func (w *world) changed(by string) {
	switch {
	case w.accepted():
		w.facts.culprit = ""
		return
	case w.facts.culprit == "" || by == byPerson:
		w.facts.culprit = by
	}
	if w.lab.sc.alternating && !w.facts.disturbed && w.facts.culprit != beginning && (w.phase <= settling || !w.lab.sc.switches) {
		w.broken("6", "AWSCURRENT is refused, by %s", w.facts.culprit)
	}
}

// disturb notes that a person has acted.
func (w *world) disturb(g group) {
	for i := range w.actors {
		a := &w.actors[i]
		if !a.alive() {
			continue
		}
		a.seen.blindDB = a.seen.blindDB || g.has(passwords)
		a.seen.blind = a.seen.blind || g.has(labels|values)
		a.seen.stalePlan = a.seen.stalePlan || g.has(values)
	}
}

// ended looks at how an execution has ended.
func (w *world) ended(a *actor, result asl.Result) {
	w.tell("** %s has ended: %s, applications %q (%s)", a.name, a.outcome, a.says, result.Error)
	if a.outcome == "" || result.Error == asl.ErrorRuntime {
		w.broken("1", "the state machine failed by itself: %s: %s", result.Error, result.Cause)
		return
	}
	switch a.says {
	case "unaffected", "restored":
		w.saysFine(a)
		w.putBack(a)
	case "not changed":
		if a.seen.changed {
			w.broken("1", "%s ended %s, applications %q, and had changed a password", a.name, a.outcome, a.says)
		}
	case "at risk":
		if !a.critical {
			w.broken("1", "%s ended %s, applications %q, and no critical alert was sent", a.name, a.outcome, a.says)
		}
		w.warn()
	default:
		w.broken("1", "%s ended %s and says of applications %q", a.name, a.outcome, a.says)
	}
	if a.outcome == string(rotation.AlreadyRotating) && !w.facts.disturbed {
		for _, l := range a.seen.took {
			w.broken("4", "%s ended AlreadyRotating and has taken %s from %s", a.name, l.label, w.name(l.id))
		}
	}
}

// putBack checks that the other user of a pair is as before when a rotation has
// been undone, or that its new password keeps a label.
func (w *world) putBack(a *actor) {
	previous := w.app.version(w.app.holder(rotation.Previous))
	others := slices.ContainsFunc(w.actors, func(o actor) bool { return o.alive() && o.name != a.name })
	if others || !w.alternates(a) || a.outcome != string(rotation.RestoredCleanly) || w.facts.disturbed || w.lab.sc.begins != nil ||
		previous == nil || previous.login.user == w.app.current().user || w.app.isLabelled(a.own()) && w.app.holder("TUMBLER") != a.own() {
		return
	}
	if !w.servers[0].accepts(previous.login.user, previous.login.password) {
		w.broken("6", "%s ended %s, and AWSPREVIOUS is refused", a.name, a.outcome)
	}
}

// warn notes that somebody was told that AWSCURRENT may be refused.
func (w *world) warn() {
	w.facts.told, w.facts.fine = true, ""
	for i := range w.actors {
		w.actors[i].seen.warned = true
	}
}

// saysFine checks an ending that says that AWSCURRENT logs in.
func (w *world) saysFine(a *actor) {
	w.facts.fine = a.name
	w.facts.told = w.facts.told && (a.seen.warned || !w.accepted())
	switch current := w.app.current(); {
	case a.seen.blind || a.seen.blindDB:
		w.facts.fine = "" // what others did in the last moment nobody can see
	case !w.accepted() && (w.facts.told || w.underWay(w.facts.culprit, a)):
		w.facts.fine = "" // that is another rotation's doing, and its to tell or to put right
	case !slices.Contains(a.seen.loggedIn, current):
		w.broken("1", "%s ended %s, applications %q, and had not logged in with AWSCURRENT", a.name, a.outcome, a.says)
	case !w.accepted():
		w.broken("1", "%s ended %s, applications %q, and AWSCURRENT is refused, by %s", a.name, a.outcome, a.says, w.facts.culprit)
	}
}

// underWay reports whether an actor of this name, other than a, is at work.
func (w *world) underWay(name string, a *actor) bool {
	name = strings.TrimPrefix(name, lateOf)
	return slices.ContainsFunc(w.actors, func(o actor) bool { return o.alive() && o.name == name && name != a.name })
}

// atRest checks what holds whenever nobody acts.
func (w *world) atRest(when string) {
	w.tell("== %s: %s", when, w.picture())
	byRotation := w.facts.culprit != byPerson && w.facts.culprit != beginning
	if !w.accepted() && !w.facts.told && (byRotation || w.facts.fine != "") {
		w.broken("1", "%s AWSCURRENT is refused, by %s, and nobody was told", when, w.facts.culprit)
	}
	for _, acc := range w.servers[0].accounts {
		if !w.concerns(acc.name) {
			continue
		}
		known, held := "", false
		for _, v := range w.app.versions {
			if v.login.user == acc.name && v.login.password == acc.password {
				known, held = v.id, held || w.app.isLabelled(v.id)
			}
		}
		if known != "" && !held && !strings.Contains(w.facts.dropped, known) {
			w.broken("2", "%s %s, whose password user %s has, carries no label", when, w.name(known), acc.name)
		}
	}
}

// concerns reports whether an account is what the secret is about.
func (w *world) concerns(user string) bool {
	current := w.app.current().user
	pair := w.lab.sc.alternating && (w.phase <= settling || !w.lab.sc.switches)
	return user == current || pair && strings.TrimSuffix(user, cloneSuffix) == strings.TrimSuffix(current, cloneSuffix)
}

// noteDropped notes which versions a person has left without the label that kept
// them.
func (w *world) noteDropped(before secret) {
	for _, v := range before.versions {
		was, is := before.holder(rotation.Current) == v.id || before.holder(rotation.Previous) == v.id, w.app.holder(rotation.Current) == v.id || w.app.holder(rotation.Previous) == v.id
		if was && !is || before.isLabelled(v.id) && !w.app.isLabelled(v.id) {
			w.facts.dropped += v.id + " "
		}
	}
}

// oneRotated checks that of several rotations one succeeds when nothing fails.
func (w *world) oneRotated() {
	if w.facts.failed || w.facts.disturbed || w.lab.sc.begins != nil {
		return
	}
	var outcomes []string
	rotated := false
	for i := range w.actors {
		a := &w.actors[i]
		outcomes = append(outcomes, a.name+" "+a.outcome)
		rotated = rotated || a.outcome == string(rotation.Rotated)
		if a.outcome == string(rotation.NeedsAttention) {
			w.broken("4", "%s needs attention although nothing failed", a.name)
		}
	}
	if !rotated {
		w.broken("4", "nobody rotated although nothing failed: %s", strings.Join(outcomes, ", "))
	}
}

// lost reports whether nobody can know the password of AWSCURRENT's user.
func (w *world) lost() bool {
	l := w.app.current()
	acc := w.servers[0].account(l.user)
	if w.lab.sc.alternating || w.lab.sc.recover {
		return false
	}
	return acc == nil || !slices.ContainsFunc(w.app.versions, func(v version) bool {
		return v.login.user == acc.name && v.login.password == acc.password
	})
}

// repaired checks that the next rotation, or the one after, has put everything
// right.
func (w *world) repaired() {
	last := &w.actors[len(w.actors)-1]
	w.atRest("after " + last.name)
	switch {
	case last.outcome == string(rotation.Rotated):
		w.clean(last.name)
		w.phase = over
	case w.phase == again:
		if !w.facts.lost {
			w.broken("3", "two rotations afterwards have not repaired it: %s", last.outcome)
		}
		w.phase = over
	default:
		w.phase = again
		w.passTime(25 * time.Hour)
		w.startNext("N2")
	}
}

// clean checks what a success leaves.
func (w *world) clean(who string) {
	for _, l := range w.app.labels {
		if l.label != rotation.Current && l.label != rotation.Previous {
			w.broken("3", "%s has succeeded and label %s is left on %s", who, strings.SplitN(l.label, "-", 2)[0], w.name(l.id))
		}
	}
	if !w.accepted() {
		w.broken("1", "%s has succeeded and AWSCURRENT is refused, by %s", who, w.facts.culprit)
	}
}
