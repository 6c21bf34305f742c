package chaos

import (
	"context"
	"fmt"
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/sandbox/wire"
)

// Mode is how an event fails.
type Mode int

// The ways to fail. Lost: the connection breaks, and the function lives on. Down:
// it breaks, and so does everything that this state tries from then on. Gone: the
// function's process ends at that instant.
const (
	LostBefore Mode = iota // the request never arrives
	LostAfter              // it took effect, and the answer never arrives
	DownBefore
	DownAfter
	GoneBefore
	GoneAfter
)

// Modes are all of them.
var Modes = []Mode{LostBefore, LostAfter, DownBefore, DownAfter, GoneBefore, GoneAfter}

func (m Mode) String() string {
	return [...]string{"lost before", "lost after", "down before", "down after", "gone before", "gone after"}[m]
}

func (m Mode) after() bool { return m == LostAfter || m == DownAfter || m == GoneAfter }
func (m Mode) down() bool  { return m == DownBefore || m == DownAfter }
func (m Mode) gone() bool  { return m == GoneBefore || m == GoneAfter }

// Fault makes one event fail.
type Fault struct {
	At   int // the event's number in its run, from 1
	Mode Mode
}

func (f Fault) String() string { return fmt.Sprintf("event %d %s", f.At, f.Mode) }

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
	on     func(name string) // told of each event before it happens. Optional.
}

// reset starts a run with the faults that it will have.
func (e *events) reset(faults []Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n, e.faults, e.down, e.dead, e.fired, e.names = 0, faults, "", false, nil, nil
	e.died = make(chan struct{})
}

// enter says which state runs now, and that its function is alive. It returns a
// channel that is closed if it dies.
func (e *events) enter(state string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
	if e.dead {
		e.dead, e.died = false, make(chan struct{})
	}
	return e.died
}

// next is asked before each event. It returns nil to let it happen.
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
	if e.on != nil {
		e.on(name)
	}
	for _, f := range e.faults {
		if f.At == e.n {
			e.fired = append(e.fired, fmt.Sprintf("%s: %s", name, f.Mode))
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
	if e.dead {
		select {
		case <-e.died:
		default:
			close(e.died)
		}
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
		return nil
	}
	// Nobody waits for the answer of a function that is gone; one that has still
	// to take effect does so although nobody waits.
	if mode.gone() && !mode.after() {
		e.bury()
	}
	return &wire.Failure{AfterEffect: mode.after()}
}

var isFunction = map[string]bool{
	"plan": true, "createsecret": true, "setsecret": true, "testsecret": true,
	"finishsecret": true, "restore": true, "rotator": true,
}
