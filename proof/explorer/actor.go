package explorer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// actor is a rotation: an execution of the state machine, or one by Secrets Manager
// itself. It always stands before the call that it wants to make next. Actors are
// copied with their world.
type actor struct {
	name    string // of the execution; two actors have the same when one is a redrive
	native  string // the function of a native rotation; "": it is an execution
	redrive int    // the actor that this one goes on with, once it has been stopped; -1: none
	next    bool   // it is one of the rotations afterwards

	started, ended, aborted bool
	want                    op

	at        place      // of an execution
	fn        invocation // under way, if fn.state is set
	passwords int        // how often a function was called that makes them

	heard []taskAnswer // all that it has been answered

	attempt, step int // of a native rotation

	outcome  string
	says     string // of applications
	critical bool   // such an alert was sent

	seen seen
}

func (a *actor) execution() bool { return a.native == "" }

func (a *actor) arn() string {
	return "arn:aws:states:eu-central-1:123456789012:execution:tumbler-rotation:" + a.name
}

// own is the version that it writes.
func (a *actor) own() string {
	if a.execution() {
		return rotation.VersionID(a.arn())
	}
	return rotation.VersionID("native " + a.name)
}

func (a *actor) alive() bool { return a.started && !a.ended && a.want.verb != none }

// answered gives an execution what came of a task or a pause.
func (a *actor) answered(answer taskAnswer) {
	a.at = a.at.after(answer)
	a.heard = append(a.heard[:len(a.heard):len(a.heard)], answer)
}

// waits reports whether it is in a Wait state. That takes so long that others who
// are at work get on meanwhile.
func (a *actor) waits() bool { return a.want.verb == pause && a.fn.state == "" }

func (a *actor) hash(d digest) digest {
	d = d.number(uint64(a.at.key)).number(uint64(a.fn.key)).number(uint64(a.attempt)<<8|uint64(a.step)).add(a.outcome, a.want.wait.String())
	d = d.flag(a.started, a.ended, a.aborted, a.critical, a.fn.begun, a.want.verb == none)
	return a.seen.hash(d)
}

// begin starts an actor.
func (w *world) begin(i int) {
	a := &w.actors[i]
	a.started = true
	if !a.execution() {
		a.want = op{verb: rotateSecret, secret: secretARN, id: a.own()}
		return
	}
	a.at = place{key: start.add(a.name, string(w.lab.sc.request(a.next)))}
	if a.redrive >= 0 {
		return // it waits until the other one has been stopped
	}
	w.advance(a)
}

// redriven begins the actors that go on with one that has been stopped.
func (w *world) redriven(of int) {
	for i := range w.actors {
		a := &w.actors[i]
		if a.redrive != of || a.ended || !a.started {
			continue
		}
		if from := &w.actors[of]; from.aborted {
			w.tell("** %s is redriven in %s", from.name, from.at.state)
			a.at, a.passwords, a.seen = placeAt(from.at.state, from.at.input), 10+from.passwords, from.seen
			w.advance(a)
		} else {
			a.ended = true
		}
	}
}

// advance lets an execution go on to its next call, or to its end.
func (w *world) advance(a *actor) {
	id := asl.Execution{ARN: a.arn(), Name: a.name, StartTime: epoch}
	for {
		if a.fn.state != "" {
			step := w.lab.oracle.ask(a.fn)
			if a.want = step.op; a.want.verb != none {
				return
			}
			w.returns(a, step.result)
		}
		if a.aborted {
			w.ends(a)
			return
		}
		want := w.lab.oracle.next(id, w.lab.sc.request(a.next), a.at, w.now)
		a.at = want.at
		switch {
		case want.result != nil:
			if w.lab.ended != nil {
				w.lab.ended(a, *want.result)
			}
			w.ended(a, *want.result)
			w.ends(a)
			return
		case want.pause > 0:
			a.want = op{verb: pause, wait: want.pause}
			return
		}
		w.call(a, want)
	}
}

// ends takes an actor off.
func (w *world) ends(a *actor) {
	a.ended, a.want, a.fn = true, op{}, invocation{}
	for i := range w.actors {
		if &w.actors[i] == a {
			w.redriven(i)
		}
	}
}

// call performs a task, or begins to.
func (w *world) call(a *actor, want *wish) {
	if m := want.sent; m != nil {
		a.critical = a.critical || m.critical
		if m.outcome != "" {
			a.outcome, a.says = m.outcome, m.says
		}
		a.answered(taskAnswer{out: json.RawMessage(`{"MessageId":"1","FailedEntryCount":0}`)})
		return
	}
	if want.calls.function == foreignARN && strings.HasPrefix(want.calls.state, "SetSecret") && w.closed(a) {
		w.broken("8", "%s has invoked the function that sets the password after the window closed", a.name)
	}
	a.fn = want.calls.begin(a.nextPassword(want.calls.state == "CreateSecret"), w.now)
}

// nextPassword is the beginning of the passwords that a function makes. No two are
// the same.
func (a *actor) nextPassword(makes bool) string {
	if !makes {
		return ""
	}
	a.passwords++
	return fmt.Sprintf("pw-%s-%d-", a.name, a.passwords)
}

// returns is the end of a function.
func (w *world) returns(a *actor, answer taskAnswer) {
	if answer.err != nil {
		w.tell("%-8s %-20s fails with %s", a.name, a.fn.state, answer.err.Name)
	}
	foreign := a.fn.function == foreignARN
	a.fn = invocation{}
	if foreign && answer.err == nil {
		answer.out = json.RawMessage(`{"StatusCode":200}`)
	}
	a.answered(answer)
}

// dies ends the function that is under way.
func (w *world) dies(a *actor) {
	if !a.execution() {
		w.nextStep(a, false)
		return
	}
	w.returns(a, taskAnswer{err: &asl.Failure{Name: "Sandbox.Timedout", Cause: "the function was killed"}})
	w.advance(a)
}

// answered gives an actor the answer to its call.
func (w *world) answered(a *actor, out answer) {
	out.now = w.now
	switch {
	case a.want.verb == pause && a.fn.state == "":
		a.answered(taskAnswer{})
		w.advance(a)
	case a.execution():
		a.fn = a.fn.after(out)
		w.advance(a)
	default:
		w.nativeAnswered(a, out)
	}
}

var nativeSteps = []string{rotation.StepCreate, rotation.StepSet, rotation.StepTest, rotation.StepFinish}

// nativeAnswered lets a native rotation go on.
func (w *world) nativeAnswered(a *actor, out answer) {
	switch a.want.verb {
	case rotateSecret:
		if !out.moved {
			a.outcome = "not started"
			w.ends(a)
			return
		}
		w.invokeNative(a)
	case unstage:
		a.outcome = string(rotation.Rotated)
		w.ends(a)
	default:
		a.fn = a.fn.after(out)
		w.goOnNative(a)
	}
}

func (w *world) invokeNative(a *actor) {
	step := nativeSteps[a.step]
	input, _ := json.Marshal(rotation.NativeInput{Step: step, SecretID: secretARN, ClientRequestToken: a.own()}) // strings
	a.fn = invocation{state: "native " + step, function: a.native, input: input, request: w.lab.sc.request(a.next)}.begin(a.nextPassword(step == rotation.StepCreate), w.now)
	w.goOnNative(a)
}

func (w *world) goOnNative(a *actor) {
	step := w.lab.oracle.ask(a.fn)
	if a.want = step.op; a.want.verb != none {
		return
	}
	if step.result.err != nil {
		w.tell("%-8s %-20s fails with %s", a.name, a.fn.state, step.result.err.Name)
	}
	w.nextStep(a, step.result.err == nil)
}

// nextStep invokes the function for the next step, or for the first one again when
// one has failed: Secrets Manager tries a rotation several times.
func (w *world) nextStep(a *actor, ok bool) {
	const attempts = 2
	a.step++
	if !ok || a.step == len(nativeSteps) && w.app.holder(rotation.Current) != a.own() {
		a.attempt, a.step = a.attempt+1, 0
	}
	switch {
	case a.attempt == attempts:
		a.outcome = "abandoned"
		w.warn() // Secrets Manager says so in an event of its own
		w.ends(a)
	case a.step == len(nativeSteps):
		a.fn = invocation{state: "Secrets Manager"}
		a.want = op{verb: unstage, secret: secretARN, id: a.own()}
	default:
		w.invokeNative(a)
	}
}

// stop is StopExecution. What the function incident says of it is said at once. The
// function that is under way goes on to its end.
func (w *world) stop(a *actor) {
	a.aborted = true
	var state struct {
		Plan rotation.Planned `json:"plan"`
	}
	_ = json.Unmarshal(a.at.input, &state) // the state machine has made it
	labels := map[string]string{}
	for _, l := range w.app.labels {
		labels[l.label] = l.id
	}
	alert := rotation.Interruption{
		Execution: rotation.Execution{ARN: a.arn(), StartedAt: epoch}, Plan: state.Plan,
		Step: a.at.state, Status: "ABORTED", Labels: labels, Now: w.now,
	}.Ending()
	w.tell("** %s is stopped; alert %s, applications %s", a.name, alert.Severity, alert.Event.Applications)
	if alert.Severity == "critical" {
		w.warn()
	}
	a.outcome = "stopped"
}
