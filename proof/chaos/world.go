package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Options change a [World].
type Options struct {
	// Replace is for [sandbox.Config]: wrong functions, to see that they are
	// caught.
	Replace map[string]lambdaboot.Builder

	// Binaries is a directory with the functions' own binaries. They are run as
	// processes then, and a function that goes is killed (SIGKILL) from outside.
	Binaries string
}

// World is a target with a sandbox and a way to break things between them. It
// tries one case at a time.
type World struct {
	target    Target
	box       *sandbox.Sandbox
	clock     *asl.VirtualClock
	proxy     *proxy
	events    events
	secrets   *secretsmanager.Client
	states    *sfn.Client
	processes *deployed.Functions    // nil: functions run in this process
	function  atomic.Pointer[string] // the one that runs
	kills     atomic.Int64           // processes ended

	secretID  string
	superuser string        // its secret's name
	stop      chan struct{} // closed when the execution is to be aborted
	abort     atomic.Bool
}

// NewWorld starts one. The caller closes it.
func NewWorld(ctx context.Context, target Target, o Options) (*World, error) {
	w := &World{target: target, clock: asl.NewVirtualClock(time.Now())}
	w.events.reset(nil)
	var err error
	w.proxy, err = newProxy(target, &w.events)
	if err != nil {
		return nil, err
	}
	cfg := sandbox.Config{
		Engines: engine.Table{target.Family: target.Engine},
		Clock:   w.clock, Now: w.clock.Now,
		Task:     w.task,
		Observe:  w.events.observe,
		Replace:  o.Replace,
		Strategy: target.Strategy,

		RotationBackoff: func(int) time.Duration {
			w.events.enter(nativeState) // a new attempt is a new process
			return time.Millisecond
		},
		Retryer: hurried,
	}
	if o.Binaries != "" {
		w.processes = &deployed.Functions{Dir: o.Binaries}
		w.events.kill = w.kill
		cfg.Task = func(next asl.TaskFunc) asl.TaskFunc { return w.task(w.processes.Wrap(next)) }
	}
	if w.box, err = sandbox.Start(ctx, cfg); err != nil {
		w.proxy.close()
		return nil, err
	}
	if w.processes != nil {
		w.processes.Connect(w.box.URL)
	}
	w.box.Intercept(w.events.intercept)
	client := w.box.AWS("chaos")
	w.secrets, w.states = secretsmanager.NewFromConfig(client), sfn.NewFromConfig(client)
	if target.Strategy == rotation.AlternatingUsers {
		w.superuser = "superuser"
		if err := w.createSecret(ctx, w.superuser, target.Superuser, w.proxy.port()); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// hurried tries as often as deployed, and does not wait.
func hurried() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 3
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
	})
}

// Close ends the sandbox. The database is the caller's.
func (w *World) Close() {
	w.box.Close()
	if w.processes != nil {
		w.processes.Close()
	}
	w.proxy.close()
}

// nativeState stands for a state while Secrets Manager itself rotates.
const nativeState = "Native"

func (w *World) kill() {
	if function := w.function.Load(); function != nil {
		w.processes.Kill(*function)
		w.kills.Add(1)
	}
}

// Kills counts the processes that were ended from outside.
func (w *World) Kills() int { return int(w.kills.Load()) }

// task runs a state's task. It ends at once when its function dies, and it aborts
// the execution after a fault if the case says so.
func (w *World) task(next asl.TaskFunc) asl.TaskFunc {
	return func(ctx context.Context, t asl.Task) (json.RawMessage, error) {
		_, function, _ := strings.Cut(t.Resource, ":function:tumbler-")
		function, _, _ = strings.Cut(function, ":") // without the version
		w.function.Store(&function)
		died := w.events.enter(t.State)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type answer struct {
			result json.RawMessage
			err    error
		}
		answered := make(chan answer, 1)
		go func() {
			result, err := next(ctx, t)
			answered <- answer{result, err}
		}()
		var a answer
		select {
		case <-died:
			cancel()
			<-answered // what it still tries to do reaches nobody
			a.err = &asl.Failure{Name: "Lambda.Unknown", Cause: "the function's process is gone"}
		case a = <-answered:
		}
		if _, fired := w.events.happened(); len(fired) > 0 && w.abort.CompareAndSwap(true, false) {
			close(w.stop)
			<-ctx.Done()
		}
		return a.result, a.err
	}
}

// Hooks meddle with the first execution of a case in other ways than a [Fault].
// They are called one at a time. All are optional.
type Hooks struct {
	Event   func(n int, name string)                  // before each event
	Attempt func(state string)                        // before each attempt of a state
	Answer  func(state, operation string) *wire.Error // what Secrets Manager answers instead
	Ended   func()                                    // when the execution has ended
}

// Result is what came of a case.
type Result struct {
	Case       Case
	Events     []string // of the first execution, up to its end
	Ending     string   // the first execution's
	Errors     []string // "STATE: ERROR" of each attempt that failed in it
	Fired      []string // the faults that happened
	Violations []string
}

// Try runs one case on a fresh user and secret. The error is one of the harness.
func (w *World) Try(ctx context.Context, c Case) (Result, error) {
	return w.TryWith(ctx, c, Hooks{})
}

// TryWith is [World.Try] with hooks.
func (w *World) TryWith(ctx context.Context, c Case, h Hooks) (Result, error) {
	r := &Result{Case: c}
	t := trial{World: w, ctx: ctx, result: r}
	if err := t.prepare(); err != nil {
		return Result{}, fmt.Errorf("%s: %w", c, err)
	}
	w.events.reset(c.Faults)
	w.events.person = t.takePendingOff
	w.stop = make(chan struct{})
	w.abort.Store(c.Then != Retry)
	if w.target.Strategy == rotation.AlternatingUsers {
		w.events.tell(func(name string) { t.currentLogsIn("at " + name) })
		defer w.events.tell(nil)
	}
	w.events.hook(&h)
	t.run(h.Ended)
	if t.err != nil {
		return *r, fmt.Errorf("%s: %w", c, t.err)
	}
	return *r, nil
}

// prepare makes the user and its secret, and rotates it as often as the target
// says, without faults.
func (t *trial) prepare() error {
	user, err := t.target.NewUser(t.ctx)
	if err != nil {
		return err
	}
	t.secretID = fmt.Sprintf("chaos/%s-%x", user.Username, rand.Uint64())
	if err := t.createSecret(t.ctx, t.secretID, user, t.proxy.port()); err != nil {
		return err
	}
	for range t.target.Before {
		t.events.reset(nil)
		t.abort.Store(false)
		if ended := t.await(t.start(), false); t.err == nil && ended.State != string(rotation.Rotated) {
			return fmt.Errorf("a rotation without faults ended in %s: %s: %s", ended.State, ended.Error, ended.Cause)
		}
	}
	return t.err
}

// createSecret stores a document whose database is at a port of this machine.
func (w *World) createSecret(ctx context.Context, name string, doc secretdoc.Document, port int) error {
	var keys map[string]any
	if err := json.Unmarshal([]byte(doc.Encode().Reveal()), &keys); err != nil {
		return err
	}
	keys["host"], keys["port"] = "127.0.0.1", port
	if w.superuser != "" && name != w.superuser {
		keys["masterarn"] = w.superuser // native rotation knows no request
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	_, err = w.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(string(raw))})
	return err
}
