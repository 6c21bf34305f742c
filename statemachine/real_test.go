package statemachine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// want is what has to come of an execution. What is promised of every ending, promised
// checks beside it.
type want struct {
	path   string
	says   string // of applications
	labels string
	logIn  string // account=version whose password it has
}

func (e *estate) wants(r *realRun, w want) {
	e.Helper()
	got := want{r.path, r.event.Applications, e.labels(), e.logIn()}
	if got != w {
		e.Errorf("%s\n got %+v\nwant %+v\n%s: %s", r.name, got, w, r.Error, r.Cause)
	}
}

// heals runs another one, undisturbed, which has to put everything right.
func (e *estate) heals(request, name string) *realRun {
	e.Helper()
	e.traps, e.persons = nil, false
	r := e.run(request, name)
	if r.Status != asl.Succeeded {
		e.Errorf("the next one ended %s: %s", r.Path[len(r.Path)-1], r.Cause)
	}
	for label := range e.app().labels {
		if label != rotation.Current && label != rotation.Previous {
			e.Errorf("the next one has left %s", e.labels())
		}
	}
	return r
}

// ways are the ways in which a secret is rotated.
var ways = map[string]struct {
	request string
	states  []string // from the change on
	given   func(*estate)
}{
	"single user":                  {singleUser, []string{"SetSecret", "TestSecret", "FinishSecret"}, (*estate).asItIs},
	"recovering":                   {recovering, []string{"SetSecret", "TestSecret", "FinishSecret"}, (*estate).asItIs},
	"alternating users":            {alternating, []string{"SetSecret", "TestSecret", "FinishSecret"}, (*estate).asItIs},
	"rotation function":            {byRotationFunction, []string{"SetSecretByFunction", "TestSecretByFunction", "FinishSecret"}, (*estate).asItIs},
	"rotation function, no engine": {byRotationFunction, []string{"SetSecretByFunction", "TestSecretByFunction", "FinishSecret"}, (*estate).withoutEngine},
}

// The steps and the state machine fit together when nothing goes wrong.
func TestRealRotations(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			way.given(e)
			w := want{begin + announce + "Rotated", "unaffected", "CURRENT=a PREVIOUS=v1", "app=a"}
			switch way.request {
			case alternating:
				w.logIn = "app=v1 app_clone=a"
			case byRotationFunction:
				w.path = byAll + announce + "Rotated"
			}
			e.wants(e.run(way.request, "a"), w)
			e.heals(way.request, "b")
			e.heals(way.request, "c")
		})
	}
}

// Issue 9, case 1: a rotation function has changed the password and then failed, and
// the attempt after it does not begin. Whatever stops it, the password that works is
// never dropped.
func TestRealFunctionChangedThePasswordAndThenFailed(t *testing.T) {
	mishaps := map[string]func() error{
		"errs":      func() error { return &asl.Failure{Name: "ValueError", Cause: "cannot commit " + hidden + canary} },
		"times out": func() error { return errLate },
	}
	type stopper struct {
		name    string
		request string
		stop    func(*estate)
		person  bool
	}
	stoppers := []stopper{
		{"the window closes", strings.Replace(byRotationFunction, "{", `{"window":{"opensAt":"2026-03-01T11:00:00Z","closesAt":"2026-03-01T12:00:10Z"},`, 1), func(*estate) {}, false},
		{"a person stores another AWSCURRENT", byRotationFunction, func(e *estate) {
			e.before("CreateSecret", "", nth(2, e.person(func() { e.store("p", "app", "p") })))
		}, true},
	}
	for _, code := range fault.Codes() {
		for _, call := range []string{"", "Value", "MoveLabel"} {
			stoppers = append(stoppers, stopper{"CreateSecret " + call + " fails with " + string(code), byRotationFunction, func(e *estate) {
				e.before("CreateSecret", call, from(2, refused(code)))
			}, false})
		}
	}
	for mishap, fails := range mishaps {
		for _, s := range stoppers {
			for _, db2 := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/db2=%t", mishap, s.name, db2), func(t *testing.T) {
					e := newEstate(t)
					if db2 {
						e.withoutEngine()
					}
					e.after("SetSecretByFunction", "SetPassword", once(fails))
					s.stop(e)
					r := e.run(s.request, "a")
					current, previous := "v1", "v0"
					if s.person {
						current, previous = "p", "v1"
					}
					outcome := rotation.RestoredCleanly
					w := want{says: "restored", labels: fmt.Sprintf("CURRENT=%s PREVIOUS=%s TUMBLER=a", current, previous), logIn: "app=" + current}
					switch {
					case db2: // only the function can tell which password works
						outcome = rotation.NeedsAttention
						w = want{says: "at risk", labels: fmt.Sprintf("CURRENT=%s PENDING=a PREVIOUS=%s hold=a", current, previous), logIn: "app=a"}
					case r.Error == string(fault.WindowClosed):
						outcome = rotation.WindowClosed
					case r.Error == string(fault.AlreadyRotating):
						outcome = rotation.AlreadyRotating
					}
					w.path = bySet + again + restore + alert + string(outcome)
					e.wants(r, w)
					e.heals(byRotationFunction, "b")
				})
			}
		}
	}
}

// Issue 9, case 2: somebody takes AWSPENDING off or moves it between the change and
// the end. Nothing is called restored without a login, and a password that works is
// never lost.
func TestRealPersonMovesPending(t *testing.T) {
	acts := map[string]func(*estate) string{
		"off":        func(*estate) string { return "" },
		"to v0":      func(*estate) string { return "v0" },
		"to current": func(*estate) string { return "v1" },
		"to another": func(e *estate) string {
			e.app().values["p"] = e.document("app", "p")
			return "p"
		},
	}
	for name, way := range ways {
		for act, do := range acts {
			for i, state := range append(way.states, "Restore") {
				t.Run(name+"/"+act+"/"+state, func(t *testing.T) {
					e := newEstate(t)
					way.given(e)
					onto := ""
					moves := once(e.person(func() {
						delete(e.app().labels, rotation.Pending)
						if onto = do(e); onto != "" {
							e.app().labels[rotation.Pending] = onto
						}
					}))
					e.traps = append(e.traps, &trap{state: state, after: i == 0, do: moves}) // once it has changed the password
					if state == "Restore" {
						e.breaks("FinishSecret", fault.AccessDenied)
					}
					r := e.run(way.request, "a")
					if way.request == singleUser {
						e.wants(r, withPendingMoved(state, onto))
					}
					e.heals(way.request, "b")
				})
			}
		}
	}
}

// Somebody stores another AWSCURRENT between the plan and the end, which is theirs to
// do: it is never moved away from, and it logs in, or somebody is paged.
func TestRealPersonStoresAnotherValue(t *testing.T) {
	for name, way := range ways {
		for _, state := range append([]string{"CreateSecret", "Restore"}, way.states...) {
			t.Run(name+"/"+state, func(t *testing.T) {
				e := newEstate(t)
				way.given(e)
				e.before(state, "", once(e.person(func() { e.store("p", "app", "p") })))
				if state == "Restore" {
					e.breaks("FinishSecret", fault.AccessDenied)
				}
				r := e.run(way.request, "a")
				if current := e.app().labels[rotation.Current]; current != "p" {
					t.Errorf("ended %s with AWSCURRENT on %s", r.event.Outcome, current)
				}
			})
		}
	}
}

// A function that never sets the password is asked four times.
func TestRealFunctionNeverSets(t *testing.T) {
	for _, db2 := range []bool{false, true} {
		e := newEstate(t)
		w := want{bySet + strings.Repeat(anotherTry, tries-1) + again + restore + alert + "RestoredCleanly", "restored", "CURRENT=v1 PREVIOUS=v0 TUMBLER=a", "app=v1"}
		if db2 {
			e.withoutEngine()
			w = want{strings.Replace(w.path, "RestoredCleanly", "NeedsAttention", 1), "at risk", "CURRENT=v1 PENDING=a PREVIOUS=v0 hold=a", "app=v1"}
		}
		e.before("SetSecretByFunction", "", func() error { return &asl.Failure{Name: "ValueError" + canary, Cause: hidden + canary} })
		e.wants(e.run(byRotationFunction, "a"), w)
		e.heals(byRotationFunction, "b")
	}
}

// withPendingMoved is what comes of a single user's rotation.
func withPendingMoved(state, onto string) want {
	pending := ""
	if onto != "" {
		pending = "PENDING=" + onto + " "
	}
	if state != "Restore" { // the database has the new password, and AWSPENDING is not needed any more
		return want{begin + announce + "Rotated", "unaffected", "CURRENT=a " + pending + "PREVIOUS=v1", "app=a"}
	}
	failed := upTo("FinishSecret")
	if onto == "" || onto == "v1" {
		return want{failed + restore + alert + "RestoredCleanly", "restored", "CURRENT=v1 " + pending + "PREVIOUS=v0 TUMBLER=a", "app=v1"}
	}
	// A rotation may be at work there, so that nothing is changed under it.
	return want{failed + restore + alert + "NeedsAttention", "at risk", "CURRENT=v1 " + pending + "PREVIOUS=v0 hold=a", "app=a"}
}

// Issue 9, case 2: a is stopped after the change, b adopts its password and finishes,
// and a is redriven.
func TestRealRedriveAfterAnotherHasFinished(t *testing.T) {
	for name, way := range ways {
		for i, state := range way.states {
			t.Run(name+"/"+state, func(t *testing.T) {
				e := newEstate(t)
				way.given(e)
				if i == 0 {
					e.after(state, "", once(e.stop))
				} else {
					e.before(state, "", once(e.stopAtOnce))
				}
				a := e.run(way.request, "a")
				if a.Status != asl.Aborted || a.Checkpoint.State != state {
					t.Fatalf("%s in %+v", a.Status, a.Checkpoint)
				}
				if b := e.run(way.request, "b"); b.event.Outcome != rotation.Rotated || !b.event.Healed {
					t.Errorf("b: %+v", b.event)
				}
				labels, logIn := e.labels(), e.logIn()
				r := e.redrive(a)
				w := want{state + restore + alert + "RestoredCleanly", r.event.Applications, labels, logIn}
				if name == "rotation function, no engine" { // only the function can tell
					w = want{state + restore + alert + "NeedsAttention", "at risk", labels, logIn}
				}
				if state == "TestSecret" { // b has taken over a's password, which logs in
					w.path = strings.Replace(w.path, state, state+" FinishSecret", 1)
				}
				if state == "SetSecretByFunction" {
					w.path = strings.Replace(w.path, state, state+again, 1)
				}
				e.wants(r, w)
				e.heals(way.request, "c")
			})
		}
	}
}

// Stopping an execution does not stop the function that is under way.
func TestRealRedriveAfterItHasFinishedItself(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			way.given(e)
			e.after("FinishSecret", "", once(e.stop))
			a := e.run(way.request, "a")
			r := e.redrive(a) // what had been cut short was alerted; that it is settled is told, too
			e.wants(r, want{"FinishSecret" + alert + "Rotated", "unaffected", e.labels(), e.logIn()})
			if !strings.Contains(r.alert.Subject, "healed") || !strings.Contains(r.alert.Message, "Redriven, it succeeded") {
				t.Errorf("%+v", r.alert)
			}
			e.heals(way.request, "b")
		})
	}
}

// Issue 9, case 3: somebody who may store a value names another's account in it, and
// a superuser's secret. The account is left alone.
func TestRealHostileValue(t *testing.T) {
	for _, request := range []string{singleUser, recovering, alternating, byRotationFunction} {
		for _, user := range []string{"victim", "victim_clone"} {
			for stored := 1; stored <= 3; stored++ {
				for _, named := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%d/%t", request, user, stored, named), func(t *testing.T) {
						e := newEstate(t)
						e.server["victim_clone"] = &account{password: hidden + "of-the-clone"}
						request := request
						if named {
							request = strings.Replace(request, "{", `{"superuserSecretId":"`+masterARN+`",`, 1)
						}
						for i := range stored {
							e.store(fmt.Sprintf("h%d", i), user, "chosen")
						}
						for _, name := range []string{"a", "b", "c"} {
							r := e.run(request, name)
							if r.event.Outcome == rotation.Rotated {
								t.Errorf("%s ended %s", name, r.event.Outcome)
							}
						}
						for _, victim := range []string{"victim", "victim_clone", "master"} {
							if by := e.server[victim].changed; by != nil {
								t.Errorf("%s was changed by %s", victim, by)
							}
						}
					})
				}
			}
		}
	}
}

// The same, stored while a rotation runs, in a secret that has had no other version
// but the one which it has just lost AWSCURRENT to.
func TestRealHostileValueMeanwhile(t *testing.T) {
	for _, request := range []string{singleUser, recovering, alternating} {
		for _, state := range []string{"CreateSecret", "SetSecret", "TestSecret", "FinishSecret", "Restore"} {
			t.Run(request+"/"+state, func(t *testing.T) {
				e := newEstate(t)
				delete(e.app().values, "v0")
				delete(e.app().labels, rotation.Previous)
				if state == "Restore" {
					e.breaks("TestSecret", fault.PrivilegesDiffer)
				}
				e.before(state, "", once(e.person(func() { e.store("h0", "victim", "chosen") })))
				for _, name := range []string{"a", "b"} {
					r := e.run(request, name)
					if r.event.Outcome == rotation.Rotated {
						t.Errorf("%s ended %s", name, r.event.Outcome)
					}
				}
				for _, victim := range []string{"victim", "victim_clone", "master"} {
					if account := e.server[victim]; account != nil && account.changed != nil {
						t.Errorf("%s was changed by %s", victim, account.changed)
					}
				}
			})
		}
	}
}

// Versions that name another account are the proof that a stored value is hostile, and
// Secrets Manager forgets them in time. A user that the configuration names does not
// depend on them: nobody else's password is set, and the user's own can be.
func TestRealHostileValueOncePruned(t *testing.T) {
	for _, request := range []string{singleUser, recovering, alternating, byRotationFunction} {
		for _, user := range []string{"app", "victim"} {
			t.Run(request+"/"+user, func(t *testing.T) {
				e := newEstate(t)
				e.store("h0", user, "chosen")
				e.store("h1", user, "chosen")
				delete(e.app().values, "v0")
				delete(e.app().values, "v1")
				r := e.run(strings.Replace(request, "{", `{"username":"app",`, 1), "a")
				if user == "app" {
					if rotated := r.event.Outcome == rotation.Rotated; rotated != (request == recovering) {
						t.Errorf("ended %s: %s", r.event.Outcome, r.event.Error)
					}
					return
				}
				if by := e.server["victim"].changed; by != nil || r.event.Error != string(fault.AccountNotOurs) {
					t.Errorf("ended %s %s; the victim was changed by %s", r.event.Outcome, r.event.Error, by)
				}
			})
		}
	}
}

// Issue 9, case 3: a password has been changed in the database on purpose. The
// superuser makes the leaked one valid again on nobody's account, unless that is
// configured; and then people are told.
func TestRealPasswordChangedInTheDatabase(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			way.given(e)
			e.server["app"].password = hidden + "of-the-administrator"
			r := e.run(way.request, "a")
			changed := e.server["app"].changed
			if name == "recovering" {
				e.wants(r, want{bySuperuser + alert + "Rotated", "restored", "CURRENT=a PREVIOUS=v1", "app=a"})
				if !r.event.Recovered || r.alert.MessageAttributes["severity"].StringValue != "warning" {
					t.Errorf("%+v %+v", r.event, r.alert)
				}
			} else if r.event.Outcome != rotation.NeedsAttention || changed != nil {
				t.Errorf("ended %s; changed by %s", r.event.Outcome, changed)
			}
		})
	}
}

// Whenever the superuser has reset a password, in whatever step, and however it ended,
// people are told, and the event says so.
func TestRealResetsAreTold(t *testing.T) {
	for request, moments := range map[string][]string{
		recovering:  {"SetSecret", "Restore", "Restore after AWSCURRENT has moved", "TestSecret breaks"},
		alternating: {"SetSecret", "Restore", "TestSecret breaks"},
	} {
		for _, moment := range moments {
			// The attempt that resets it fails afterwards, and the next one finds all in place.
			for _, loses := range []string{"", "SetPassword", "EnsureClone"} {
				t.Run(request+"/"+moment+"/"+loses, func(t *testing.T) {
					e := newEstate(t)
					if request == alternating {
						e.run(request, "1")
						e.run(request, "2")
					}
					tries := 0
					for _, state := range []string{"SetSecret", "Restore"} {
						e.after(state, loses, func() error {
							if tries++; loses != "" && tries <= 3 {
								return fault.New(fault.OutcomeUnknown, "the answer is lost", "")
							}
							return nil
						})
					}
					lose := once(e.person(func() {
						e.server["app"].password = hidden + "of-nobody"
					}))
					switch moment {
					case "TestSecret breaks": // after a reset in SetSecret
						e.breaks("TestSecret", fault.PrivilegesDiffer)
						e.before("SetSecret", "", lose)
					case "Restore after AWSCURRENT has moved":
						e.before("FinishSecret", "MoveLabel", nth(2, func() error {
							return errors.Join(lose(), fault.New(fault.AccessDenied, "", ""))
						}))
					case "Restore":
						e.breaks("TestSecret", fault.PrivilegesDiffer)
						fallthrough
					default:
						e.before(moment, "", lose)
					}
					r := e.run(request, "a")
					if !r.event.Recovered || r.alert == nil || r.alert.MessageAttributes["severity"].StringValue != "warning" {
						t.Errorf("ended %s: %+v %+v", r.event.Outcome, r.event, r.alert)
					}
					if r.alert != nil && !strings.Contains(r.alert.Message, "uperuser has reset the password") && !strings.Contains(r.alert.Message, "\nSuperuser:      has reset a password") {
						t.Errorf("the message does not tell of it:\n%s", r.alert.Message)
					}
					if r.event.Applications != "restored" {
						t.Errorf("applications are called %s", r.event.Applications)
					}
				})
			}
		}
	}
}

// Issue 9, case 5: a has planned when b takes the secret, and finds that out only when
// it claims AWSPENDING. It has moved nothing, and what works has a label.
func TestRealLoserMovesNothing(t *testing.T) {
	for _, alive := range []bool{true, false} {
		t.Run(fmt.Sprintf("alive=%t", alive), func(t *testing.T) {
			e := newEstate(t)
			e.before("CreateSecret", "", once(e.stopAtOnce))
			a := e.run(singleUser, "a")
			loses := func() error {
				before := e.labels()
				r := e.redrive(a)
				e.wants(r, want{
					path: "CreateSecret" + restore + alert + "AlreadyRotating", says: "not changed", labels: before, logIn: e.logIn(),
				})
				return nil
			}
			if alive {
				e.before("TestSecret", "", once(loses))
			} else {
				e.before("TestSecret", "", once(e.stopAtOnce))
			}
			b := e.run(singleUser, "b")
			if !alive {
				_ = loses()
			} else if b.event.Outcome != rotation.Rotated || b.event.Healed {
				t.Errorf("b: %+v", b.event)
			}
			e.heals(singleUser, "c")
		})
	}
}

// a has planned over what a dead rotation left, and finds out only after its claim that
// b has settled it all. Nothing is left of a, so that nobody is told of a failure, nor
// that it is settled.
func TestRealLoserLeavesNothing(t *testing.T) {
	for _, request := range []string{singleUser, alternating} {
		t.Run(request, func(t *testing.T) {
			e := newEstate(t)
			e.before("TestSecret", "", once(e.stopAtOnce))
			e.run(request, "dead")
			delete(e.app().labels, rotation.Pending) // by a person; the label on hold is left
			e.traps = nil
			e.before("CreateSecret", "PutVersion", once(func() error { // a has read it all
				if b := e.run(request, "b"); b.event.Outcome != rotation.Rotated {
					t.Errorf("b: %+v", b.event)
				}
				return nil
			}))
			if r := e.run(request, "a"); r.event.Outcome != rotation.Refused || r.Error != string(fault.SecretChanged) {
				t.Errorf("a: %+v: %s", r.event, r.Error)
			}
			if got := e.labels(); got != "CURRENT=b PREVIOUS=v1" {
				t.Errorf("the labels are %s", got)
			}
			if c := e.run(request, "c"); c.event.Outcome != rotation.Rotated || c.event.Healed {
				t.Errorf("c: %+v", c.event)
			}
		})
	}
}

// SetSecret has died after the change, and then every attempt of it ends before it can
// look; Restore puts the password back and dies, too. The attempt after it finds
// everything in order, which it was not.
func TestRealRefusalThatIsNotSeenAnyMore(t *testing.T) {
	for name, code := range map[string]fault.Code{"refused for good": fault.AccessDenied, "the database stays away": fault.DatabaseUnreachable, "the window": fault.WindowClosed} {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			e.after("SetSecret", "", once(func() error { return errLate }))
			e.before("SetSecret", "Value", from(4, refused(code)))
			e.after("Restore", "", once(func() error { return errLate }))
			r := e.run(singleUser, "a")
			if r.event.Applications != "restored" || r.event.CredentialGapMs == nil && r.event.CredentialGapAtMostMs == nil {
				t.Errorf("%s: %+v", r.Error, r.event)
			}
			if !strings.Contains(r.alert.Message, "\nRefused:        perhaps, for ") || strings.Contains(r.alert.Subject, "unaffected") {
				t.Errorf("the message says:\n%s\n%s", r.alert.Subject, r.alert.Message)
			}
		})
	}
}

// Issue 9, case 5: however often rotations die between the change and their end, what
// works has a label.
func TestRealDeadRotationsLeaveALabel(t *testing.T) {
	for _, request := range []string{singleUser, alternating, byRotationFunction} {
		states := []string{"CreateSecret", "SetSecret", "TestSecret", "FinishSecret"}
		if request == byRotationFunction {
			states = []string{"CreateSecret", "SetSecretByFunction", "TestSecretByFunction", "FinishSecret"}
		}
		for _, first := range states {
			for _, second := range states {
				t.Run(fmt.Sprintf("%s/%s/%s", request, first, second), func(t *testing.T) {
					e := newEstate(t)
					for i, state := range []string{first, second} {
						e.traps = nil
						e.after(state, "", once(e.stop)) // it has done its work
						e.run(request, []string{"a", "b"}[i])
					}
					e.heals(request, "c")
				})
			}
		}
	}
}

// Issue 9, case 6: the account that AWSCURRENT of a pair names is gone from the
// database. AWSPREVIOUS logs in and there is a superuser.
func TestRealPairWhoseCurrentAccountIsGone(t *testing.T) {
	for _, state := range []string{"Plan", "CreateSecret", "SetSecret", "TestSecret", "FinishSecret", "Restore"} {
		t.Run(state, func(t *testing.T) {
			e := newEstate(t)
			e.heals(alternating, "a")
			e.before(state, "", once(e.person(func() { delete(e.server, "app_clone") })))
			if state == "Restore" {
				e.breaks("FinishSecret", fault.AccessDenied)
			}
			r := e.run(alternating, "b")
			w := want{bySuperuser + alert + "Rotated", "restored", "CURRENT=b PREVIOUS=a", "app=b app_clone=a"}
			switch state {
			case "TestSecret", "FinishSecret": // nobody needs it any more
				w.path, w.says, w.logIn = begin+announce+"Rotated", "unaffected", "app=b"
			case "Restore":
				w = want{upTo("FinishSecret") + restore + restore + alert + "RestoredCleanly", "restored", "CURRENT=a PREVIOUS=v1 TUMBLER=b", "app=v1 app_clone=a"}
			}
			e.wants(r, w)
			if r.alert != nil && !r.event.Recovered {
				t.Errorf("%+v", r.event)
			}
			e.heals(alternating, "c")
		})
	}
}

// An account that happens to have the clone's name is left alone.
func TestRealCloneOfSomebodyElse(t *testing.T) {
	e := newEstate(t)
	e.server["app_clone"] = &account{password: hidden + "of-somebody-else"}
	r := e.run(alternating, "a")
	e.wants(r, want{upTo("SetSecret") + restore + alert + "RestoredCleanly", "unaffected", "CURRENT=v1 PREVIOUS=v0 TUMBLER=a", "app=v1"})
	if by := e.server["app_clone"].changed; by != nil || r.Error != string(fault.AccountNotOurs) {
		t.Errorf("changed by %s; %s", by, r.Error)
	}
}

// Issue 9, case 9: a rotation has died, and the secret is rotated in another way then,
// and in the first way again.
func TestRealAnotherStrategyAfterADeath(t *testing.T) {
	strategies := map[string]string{"single": singleUser, "pair": alternating, "function": byRotationFunction}
	for first, request := range strategies {
		for second, then := range strategies {
			for _, state := range []string{"CreateSecret", "SetSecret", "TestSecret", "FinishSecret"} {
				for _, marks := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s/%s/%s/marks=%t", first, second, state, marks), func(t *testing.T) {
						e := newEstate(t)
						e.noMarks = !marks
						e.after(state, "", once(e.stop))
						e.after(state+"ByFunction", "", once(e.stop))
						if a := e.run(request, "a"); a.Status != asl.Aborted {
							t.Fatal(a.Status)
						}
						e.heals(then, "b")
						if marks || (first == "pair") == (second == "pair") {
							e.heals(request, "c") // else nothing proves any more whose the other user is
						}
					})
				}
			}
		}
	}
}

// FinishSecret has no permission: none at all, or only for AWSCURRENT.
func TestRealFinishMayNot(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			way.given(e)
			e.before("FinishSecret", "MoveLabel", refused(fault.AccessDenied))
			w := want{upTo("FinishSecret") + restore + alert + "RestoredCleanly", "restored", "CURRENT=v1 PREVIOUS=v0 TUMBLER=a", "app=v1"}
			switch name {
			case "alternating users": // nothing is known to put the clone back to, so that its password is kept
				w.says, w.labels, w.logIn = "unaffected", "CURRENT=v1 PREVIOUS=v0 hold=a", "app=v1 app_clone=a"
			case "rotation function":
				w.path = byAll + restore + alert + "RestoredCleanly"
			case "rotation function, no engine":
				w = want{byAll + restore + alert + "NeedsAttention", "at risk", "CURRENT=v1 PENDING=a PREVIOUS=v0 hold=a", "app=a"}
			}
			e.wants(e.run(way.request, "a"), w)
			e.heals(way.request, "b")
		})
		t.Run(name+", once AWSCURRENT is moved", func(t *testing.T) {
			e := newEstate(t)
			way.given(e)
			e.before("FinishSecret", "MoveLabel", from(2, refused(fault.AccessDenied)))
			r := e.run(way.request, "a")
			if outcome := r.event.Outcome; outcome != rotation.Rotated && name != "rotation function, no engine" {
				t.Errorf("ended %s", outcome)
			}
			if current := e.app().labels[rotation.Current]; e.short(current) != "a" {
				t.Errorf("AWSCURRENT is on %s", current)
			}
			e.heals(way.request, "b")
		})
	}
}

// Restore fails throughout: nobody knows which password works, so that every label
// stays, and a person is told what to do.
func TestRealRestoreFailsThroughout(t *testing.T) {
	for name, fails := range map[string]func(*estate){
		"the database cannot be reached": func(e *estate) { e.before("Restore", "Connect", refused(fault.DatabaseUnreachable)) },
		"the function breaks":            func(e *estate) { e.breaks("Restore", fault.Internal) },
		"the function is gone": func(e *estate) {
			e.before("Restore", "", func() error { return &asl.Failure{Name: "Lambda.ResourceNotFoundException", Cause: "gone"} })
		},
		"it takes too long": func(e *estate) { e.before("Restore", "", func() error { return errLate }) },
	} {
		for _, state := range []string{"TestSecret", "FinishSecret"} {
			t.Run(name+"/"+state, func(t *testing.T) {
				e := newEstate(t)
				e.breaks(state, fault.PrivilegeMissing)
				fails(e)
				r := e.run(singleUser, "a")
				says := []string{
					"AWSPENDING may be the only password that works", "\nSecret:         " + secretARN, "tumbler rotate " + secretARN,
					"tumbler explain my-application-cannot-log-in-now", "\nExecution:      " + arnOf("a"),
				}
				path := giveUp
				if name == "the database cannot be reached" { // which Restore says itself, after its last retry
					path = restore + alert + "NeedsAttention"
					says = append(says, "\nError:          PrivilegeMissing\n", "could not prove that AWSCURRENT works (DatabaseUnreachable: ")
				} else {
					says = append(says, "\nFailed:         PrivilegeMissing: ", "Then Restore with ", "Superuser: NotNeeded")
				}
				e.wants(r, want{upTo(state) + path, "at risk", "CURRENT=v1 PENDING=a PREVIOUS=v0 hold=a", "app=a"})
				for _, want := range says {
					if !strings.Contains(r.alert.Message, want) {
						t.Errorf("the message does not say %q:\n%s", want, r.alert.Message)
					}
				}
				e.heals(singleUser, "b")
			})
		}
	}
}

// Restore fails where no step had run. The text and the event say the same of
// applications.
func TestRealRestoreFailsBeforeAnyStep(t *testing.T) {
	waiting := strings.Replace(singleUser, "{", `{"outsideWindow":"wait","window":{"opensAt":"2026-03-01T13:00:00Z","closesAt":"2026-03-01T14:00:00Z"},`, 1)
	for name, tc := range map[string]struct {
		request, path string
		fails         int // Plan, the n-th time
	}{
		"at once":       {singleUser, upTo("Plan") + giveUp, 1},
		"after waiting": {waiting, waited + giveUp, 2},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			e.before("Plan", "", from(tc.fails, refused(fault.AccessDenied)))
			e.breaks("Restore", fault.Internal)
			r := e.run(tc.request, "a")
			e.wants(r, want{tc.path, "not changed", "CURRENT=v1 PREVIOUS=v0", "app=v1"})
			if !strings.Contains(r.alert.Message, "\nApplications:   not changed by this rotation") {
				t.Errorf("the message says:\n%s", r.alert.Message)
			}
		})
	}
}
