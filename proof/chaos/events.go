package chaos

import (
	"context"
	"fmt"
	"sync"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// events numbers what the functions do to the outside: calls of Secrets Manager
// and round trips with the database.
type events struct {
	mu     sync.Mutex
	state  string // the state that runs
	n      int
	faults []Fault
	down   string        // the state in which nothing works any more
	dead   bool          // the function's process is gone
	died   chan struct{} // closed when it goes
	fired  []string
	names  []string
	on     func(name string) // told of events; see next. Optional.
	due    bool              // something may have changed since on was told
	kill   func()            // ends the process of the function that runs. Optional.
	hooks  *Hooks            // for the first execution. Optional.
	person func()            // takes AWSPENDING off
}

// reset starts a run with the faults that it will have.
func (e *events) reset(faults []Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n, e.faults, e.down, e.dead, e.fired, e.names = 0, faults, "", false, nil, nil
	e.due = true
	e.died = make(chan struct{})
}

// enter says which state runs now, and that its function is alive. It returns a
// channel that is closed if it dies.
func (e *events) enter(state string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
	if e.hooks != nil && e.hooks.Attempt != nil {
		e.hooks.Attempt(state)
	}
	if e.dead {
		e.dead, e.died = false, make(chan struct{})
	}
	return e.died
}

// next is asked before each event. It returns nil to let it happen. It tells on
// first, unless nothing can have changed since it was last told, or all is yet as
// in a run without faults, which is looked at by itself.
func (e *events) next(what string) *Mode {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		return new(GoneBefore)
	}
	if e.down != "" && e.down == e.state {
		return new(DownBefore)
	}
	e.n++
	name := e.state + " " + what
	e.names = append(e.names, name)
	if e.hooks != nil && e.hooks.Event != nil {
		e.hooks.Event(e.n, name)
	}
	if e.on != nil && e.due && (len(e.faults) == 0 || len(e.fired) > 0) {
		e.on(name)
		e.due = false
	}
	e.due = e.due || !reads[what]
	for _, f := range e.faults {
		if f.At == e.n {
			e.due = true
			e.fired = append(e.fired, fmt.Sprintf("%s: %s", name, f.Mode))
			if f.Mode == Unlabelled {
				e.person()
				return nil
			}
			if e.dead = f.Mode.gone(); f.Mode.down() {
				e.down = e.state
			}
			return new(f.Mode)
		}
	}
	return nil
}

// bury tells that a dead function's last event is over.
func (e *events) bury() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dead {
		return
	}
	select {
	case <-e.died:
	default:
		if e.kill != nil {
			e.kill()
		}
		close(e.died)
	}
}

// happened returns the names of the events and of the faults so far.
func (e *events) happened() (names, fired []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.names...), append([]string(nil), e.fired...)
}

// intercept is for the sandbox: calls of the functions are events, others pass.
func (e *events) intercept(_ context.Context, call wire.Call) *wire.Failure {
	if call.Service != "secretsmanager" || !isFunction[call.Caller.AccessKeyID] {
		return nil
	}
	mode := e.next(call.Operation)
	if mode == nil {
		return e.answer(call)
	}
	return &wire.Failure{AfterEffect: mode.after()}
}

// answer is an error that AWS answers with, if the hooks say so.
func (e *events) answer(call wire.Call) *wire.Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hooks == nil || e.hooks.Answer == nil {
		return nil
	}
	if err := e.hooks.Answer(e.state, call.Operation); err != nil {
		return &wire.Failure{Err: err}
	}
	return nil
}

// hook sets the hooks.
func (e *events) hook(h *Hooks) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks = h
}

// tell sets who is told of events.
func (e *events) tell(on func(name string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on = on
}

// observe is for the sandbox: a call has taken effect, or not, and is about to
// be answered, or not.
func (e *events) observe(r wire.Record) {
	if r.Injected {
		e.bury() // an error that AWS answers with kills nobody
	}
}

// login is a round trip that logs in.
const login = "login"

// reads are the events that change nothing.
var reads = map[string]bool{login: true, "DescribeSecret": true, "GetSecretValue": true}

var isFunction = map[string]bool{
	"plan": true, "createsecret": true, "setsecret": true, "testsecret": true,
	"finishsecret": true, "restore": true, "rotator": true,
}
