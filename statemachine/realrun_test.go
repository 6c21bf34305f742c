package statemachine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// Walks with the real steps of package rotation. What they are handed and what comes
// of it are JSON, as between Step Functions and Lambda.

// Requests. They stand for themselves: there is no registry.
const (
	singleUser         = `{"secretId":"app/db"}`
	recovering         = `{"secretId":"app/db","recoverPassword":true}`
	alternating        = `{"secretId":"app/db","strategy":"alternating-users"}`
	byRotationFunction = `{"secretId":"app/db","rotationFunction":"` + functionARN + `"}`
)

func arnOf(name string) string {
	return "arn:aws:states:eu-central-1:123456789012:execution:tumbler-rotation:" + name
}

var realMachine = sync.OnceValue(func() *asl.Machine {
	m, err := asl.Load(statemachine.Rotation, substitutions)
	if err != nil {
		panic(err)
	}
	return m
})

// realRun is an execution and what came of it.
type realRun struct {
	asl.Result
	name string
	path string
	pair bool // the other user of the pair is the secret's, too

	alert *struct {
		Subject, Message  string
		MessageAttributes map[string]struct{ StringValue string }
	}
	event  rotation.Event
	logins []string // "user password", that succeeded; also before a redrive
	moved  []string // labels
	told   []string // everything that left a step or the state machine

	stop context.CancelFunc
}

// run runs one execution to its end and holds it to what is promised.
func (e *estate) run(request, name string) *realRun {
	e.Helper()
	return e.execute(&realRun{name: name}, asl.Run{Input: json.RawMessage(request)})
}

// redrive goes on with an execution that has ended without success.
func (e *estate) redrive(r *realRun) *realRun {
	e.Helper()
	return e.execute(&realRun{name: r.name, logins: r.logins}, asl.Run{ResumeFrom: r.Checkpoint})
}

// stop is StopExecution of the one that runs. The function that is under way goes on.
func (e *estate) stop() error {
	e.running[len(e.running)-1].stop()
	return nil
}

// stopAtOnce stops it before a function is invoked.
func (e *estate) stopAtOnce() error {
	_ = e.stop() // cannot fail
	return errLate
}

func (e *estate) execute(r *realRun, run asl.Run) *realRun {
	e.Helper()
	ctx, stop := context.WithCancel(e.Context())
	defer stop()
	r.stop = stop
	outer := e.clock // of an execution in whose midst this one runs: no time passes for that one
	e.clock = asl.NewVirtualClock(outer.Now())
	e.running = append(e.running, r)
	before := e.look()

	run.OneByOne = true
	run.Clock, run.Jitter = e.clock, func() float64 { return 1 }
	run.Execution = asl.Execution{ARN: arnOf(r.name), Name: r.name, StartTime: epoch}
	run.Task = func(ctx context.Context, t asl.Task) (json.RawMessage, error) { return e.task(ctx, r, t) }
	run.Observe = func(ev asl.Event) {
		if !mayQuote(ev) {
			r.told = append(r.told, string(ev.Input)+string(ev.Output)+ev.Error+ev.Cause)
		}
	}
	r.Result = realMachine().Run(ctx, run)
	r.path = strings.Join(r.Path, " ")
	r.pair = strings.Contains(string(run.Input), "alternating") || run.ResumeFrom != nil && strings.Contains(string(run.ResumeFrom.ExecutionInput), "alternating")
	if e.running = e.running[:len(e.running)-1]; len(e.running) > 0 {
		e.clock = outer
	}
	e.promised(r, before)
	return r
}

// task performs a task by the real step.
func (e *estate) task(ctx context.Context, r *realRun, t asl.Task) (out json.RawMessage, err error) {
	c := client{e, r, t.State}
	if err := e.spring(t.State, "", false); err != nil {
		return nil, lambdaError(ctx, e, err)
	}
	now := e.clock.Now
	switch t.State {
	case "Plan":
		out, err = invoke(ctx, t.Input, rotation.Plan{Secrets: c, Executions: c, Region: "eu-central-1", Functions: []string{functionARN}, Now: now}.Run)
	case "CreateSecret":
		out, err = invoke(ctx, t.Input, rotation.Create{Secrets: c, Executions: c, NewPassword: c.newPassword, Now: now}.Run)
	case "SetSecret":
		out, err = invoke(ctx, t.Input, rotation.Set{Secrets: c, Databases: c.engines(), Servers: c, Now: now}.Run)
	case "ReadyToTest":
		out, err = invoke(ctx, t.Input, rotation.Test{Secrets: c, Databases: c.engines()}.Ready)
	case "ReadyToFinish":
		out, err = invoke(ctx, t.Input, rotation.Finish{Secrets: c, Now: now}.Ready)
	case "ReadyToRestore":
		out, err = invoke(ctx, t.Input, rotation.Restore{Secrets: c, Databases: c.engines(), Servers: c}.Ready)
	case "TestSecret":
		out, err = invoke(ctx, t.Input, rotation.Test{Secrets: c, Databases: c.engines()}.Run)
	case "FinishSecret":
		out, err = invoke(ctx, t.Input, rotation.Finish{Secrets: c, Now: now}.Run)
	case "Restore":
		out, err = invoke(ctx, t.Input, rotation.Restore{Secrets: c, Databases: c.engines(), Servers: c, Now: now, Sleep: c.Sleep}.Run)
	case "SetSecretByFunction", "TestSecretByFunction":
		var in struct{ Payload rotation.NativeInput }
		if err = json.Unmarshal(t.Input, &in); err == nil {
			err = c.foreign(in.Payload.Step, in.Payload.ClientRequestToken)
		}
		out = json.RawMessage(`{"StatusCode":200,"Payload":"` + canary + `"}`)
	case "SendAlert":
		err = json.Unmarshal(t.Input, &r.alert)
		out = json.RawMessage(`{"MessageId":"1"}`)
	case "Announce":
		var in struct {
			Entries []struct{ Detail rotation.Event }
		}
		if err = json.Unmarshal(t.Input, &in); err == nil {
			r.event = in.Entries[0].Detail
		}
		out = json.RawMessage(`{"FailedEntryCount":0}`)
	}
	if err == nil {
		err = e.spring(t.State, "", true)
	}
	if err != nil {
		return nil, lambdaError(ctx, e, err)
	}
	return out, nil
}

// invoke is what package lambdaboot does around a step.
func invoke[In, Out any](ctx context.Context, payload json.RawMessage, run func(context.Context, In) (Out, error)) (json.RawMessage, error) {
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fault.Wrap(err, fault.InvalidRequest, "the function's payload has not the expected shape", "")
	}
	out, err := run(ctx, in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// errLate says that a function's answer never comes.
var errLate = errors.New("late")

// lambdaError is what Step Functions makes of a function's error.
func lambdaError(ctx context.Context, e *estate, err error) error {
	if f, ok := errors.AsType[*asl.Failure](err); ok {
		return f
	}
	if errors.Is(err, errLate) {
		return e.clock.Sleep(ctx, 1000*second)
	}
	why := fault.From(err)
	cause, err := json.Marshal(map[string]string{"errorMessage": why.Message(), "errorType": string(why.Code)})
	if err != nil {
		return err
	}
	return &asl.Failure{Name: string(why.Code), Cause: string(cause)}
}

// sight is what was to be seen when an execution began.
type sight struct {
	passwords  map[string]string // by user
	unlabelled map[string]string // the version that alone has a user's password, and no label
	accepted   bool              // applications can log in
}

func (e *estate) look() sight {
	s := sight{passwords: map[string]string{}, unlabelled: map[string]string{}, accepted: e.accepts(rotation.Current)}
	for user, a := range e.server {
		s.passwords[user] = a.password
		if id, labelled := e.holder(user); id != "" && !labelled {
			s.unlabelled[user] = id
		}
	}
	return s
}

// accepts reports whether what a label's version says logs in.
func (e *estate) accepts(label string) bool {
	user, password := e.app().login(e.app().labels[label])
	a := e.server[user]
	return a != nil && a.password == password
}

// promised holds an execution that has ended to docs/guarantees.md.
func (e *estate) promised(r *realRun, before sight) {
	e.Helper()
	broken := func(format string, args ...any) {
		e.Helper()
		e.Errorf("%s: %s\n%s\nlabels %s; log in: %s", r.name, fmt.Sprintf(format, args...), r.path, e.labels(), e.logIn())
	}
	for _, text := range r.told {
		if strings.Contains(text, hidden) || strings.Contains(text, canary) {
			broken("a password is told: %s", text)
		}
	}
	for user, id := range e.look().unlabelled {
		if e.concerns(user, r.pair) && before.unlabelled[user] != id { // else a person has done that
			broken("version %s, whose password %s has, carries no label", e.short(id), user)
		}
	}
	if r.Status == asl.Aborted {
		return // nothing was said
	}
	said := r.event.Applications
	user, password := e.app().login(e.app().labels[rotation.Current])
	critical := r.alert != nil && r.alert.MessageAttributes["severity"].StringValue == "critical"
	switch said {
	case "unaffected", "restored":
		if !slices.Contains(r.logins, user+" "+password) {
			broken("applications are said to be %s, and nobody has logged in with AWSCURRENT", said)
		}
		if !e.accepts(rotation.Current) {
			broken("applications are said to be %s, and AWSCURRENT is refused", said)
		}
	case "not changed":
		if after := e.look(); !maps.Equal(after.passwords, before.passwords) && !e.persons {
			broken("applications are said to be not changed, and a password is another")
		}
		if slices.Contains(r.moved, rotation.Current) {
			broken("applications are said to be not changed, and AWSCURRENT was moved")
		}
	case "at risk":
		if !critical {
			broken("applications are at risk, and nobody is paged")
		}
	default:
		broken("of applications is said: %q", said)
	}
	if before.accepted && !e.accepts(rotation.Current) && !critical && !(e.persons && said == "not changed") {
		broken("AWSCURRENT is refused, and nobody is paged")
	}
	if (r.Status == asl.Succeeded) != (r.event.Outcome == rotation.Rotated) || r.Path[len(r.Path)-1] != string(r.event.Outcome) {
		broken("the event says %s", r.event.Outcome)
	}
}

// concerns reports whether an account is what the secret is about.
func (e *estate) concerns(user string, pair bool) bool {
	current, _ := e.app().login(e.app().labels[rotation.Current])
	return user == current || pair && strings.TrimSuffix(user, "_clone") == strings.TrimSuffix(current, "_clone")
}

// holder finds the version that has an account's password, and whether a label leads to
// one. Of several it is the one that people would name first.
func (e *estate) holder(user string) (id string, labelled bool) {
	s := e.app()
	for _, label := range slices.Sorted(maps.Keys(s.labels)) {
		if u, password := s.login(s.labels[label]); u == user && password == e.server[user].password {
			return s.labels[label], true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.values)) {
		if u, password := s.login(id); u == user && password == e.server[user].password {
			return id, false
		}
	}
	return "", false
}

// labels says where they are, in short.
func (e *estate) labels() string {
	var list []string
	for label, id := range e.app().labels {
		name := strings.TrimPrefix(label, "AWS")
		if label == rotation.Hold(id) {
			name = "hold"
		}
		list = append(list, name+"="+e.short(id))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// short is the name of the execution that made a version, or the version's own.
func (e *estate) short(id string) string {
	for _, name := range []string{"a", "b", "c"} {
		if id == rotation.VersionID(arnOf(name)) {
			return name
		}
	}
	return id
}

// logIn lists the accounts and whose version's password they have.
func (e *estate) logIn() string {
	var list []string
	for user := range e.server {
		if id, _ := e.holder(user); id != "" {
			list = append(list, user+"="+e.short(id))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
