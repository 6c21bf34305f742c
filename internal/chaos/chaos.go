// Package chaos breaks rotations in every place: each call of Secrets Manager
// and each round trip with a real database fails in turn, before it takes effect
// and after, with the function living on and with its process gone. Whatever
// comes next (Step Functions' retry, a redrive, a new run, a native rotation, or
// nobody for a while), the promises of docs/guarantees.md are checked by real
// logins.
package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/asl"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/follow"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/sandbox"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Target is a database server and how its users are rotated.
type Target struct {
	Name     string // for people
	Strategy rotation.Strategy
	Engine   engine.Engine
	Family   string // of secretdoc.Traits
	Host     string
	Port     int

	// NewUser makes a user and returns its secret's document.
	NewUser func(ctx context.Context) (secretdoc.Document, error)

	// Superuser is the document of one; for alternating users.
	Superuser secretdoc.Document

	// Goodbye tells a client's farewell, which nobody waits for.
	Goodbye func(chunk []byte) bool
}

// Then is what comes after a fault.
type Then int

// What can come after a fault.
const (
	Retry   Then = iota // Step Functions goes on: retries and Catch
	Redrive             // the execution was aborted and is redriven
	NewRun              // it was aborted and another one is started
	Native              // it was aborted, and Secrets Manager tries to rotate
	Nobody              // it was aborted, and nothing happens for a while
)

// Thens are all of them.
var Thens = []Then{Retry, Redrive, NewRun, Native, Nobody}

func (t Then) String() string {
	return [...]string{"retry", "redrive", "new run", "native rotation", "nobody"}[t]
}

// Case is one thing to try.
type Case struct {
	Faults []Fault
	Then   Then
}

func (c Case) String() string {
	faults := make([]string, len(c.Faults))
	for i, f := range c.Faults {
		faults[i] = f.String()
	}
	return strings.Join(faults, ", ") + "; then " + c.Then.String()
}

// World is a target with a sandbox and a way to break things between them.
type World struct {
	// EveryEvent checks at each event that AWSCURRENT logs in, where that is
	// promised (alternating users). Otherwise it is checked at faults and ends.
	EveryEvent bool

	target  Target
	box     *sandbox.Sandbox
	proxy   *proxy
	events  events
	secrets *secretsmanager.Client
	states  *sfn.Client

	secretID  string
	superuser string        // its secret's name
	stop      chan struct{} // closed when the execution is to be aborted
	abort     bool
}

// NewWorld starts one. replace is for sandbox.Config.Replace: nil, or wrong
// functions to see that they are caught. The caller closes it.
func NewWorld(ctx context.Context, target Target, replace map[string]lambdaboot.Builder) (*World, error) {
	w := &World{target: target}
	w.events.reset(nil)
	var err error
	w.proxy, err = newProxy(net.JoinHostPort(target.Host, strconv.Itoa(target.Port)), &w.events, target.Goodbye)
	if err != nil {
		return nil, err
	}
	w.box, err = sandbox.Start(ctx, sandbox.Config{
		Engines: engine.Table{target.Family: target.Engine},
		Clock:   asl.NewVirtualClock(time.Now()),
		Task:    w.task,
		Replace: replace,

		RotationBackoff: func(int) time.Duration { return time.Millisecond },
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 3
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		},
	})
	if err != nil {
		w.proxy.close()
		return nil, err
	}
	w.box.Intercept(w.events.intercept)
	client := w.box.AWS("chaos")
	w.secrets, w.states = secretsmanager.NewFromConfig(client), sfn.NewFromConfig(client)
	if target.Strategy == rotation.AlternatingUsers {
		w.superuser = "superuser"
		if err := w.createSecret(ctx, w.superuser, target.Superuser); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// Close ends the sandbox. The database is the caller's.
func (w *World) Close() {
	w.box.Close()
	w.proxy.close()
}

// task runs a state's task. It ends at once when its function dies, and it aborts
// the execution after a fault if the case says so.
func (w *World) task(next asl.TaskFunc) asl.TaskFunc {
	return func(ctx context.Context, t asl.Task) (json.RawMessage, error) {
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
		if _, fired := w.events.happened(); w.abort && len(fired) > 0 {
			w.abort = false
			close(w.stop)
			<-ctx.Done()
		}
		return a.result, a.err
	}
}

// Result is what came of a case.
type Result struct {
	Case       Case
	Events     []string // of the first execution, up to its end
	Fired      []string // the faults that happened
	Violations []string
}

// Try runs one case on a fresh user and secret. The error is one of the harness.
func (w *World) Try(ctx context.Context, c Case) (Result, error) {
	user, err := w.target.NewUser(ctx)
	if err != nil {
		return Result{}, err
	}
	w.secretID = fmt.Sprintf("chaos/%s-%x", user.Username, rand.Uint64())
	if err := w.createSecret(ctx, w.secretID, user); err != nil {
		return Result{}, err
	}
	r := &Result{Case: c}
	t := trial{World: w, ctx: ctx, result: r}
	w.events.reset(c.Faults)
	w.stop, w.abort = make(chan struct{}), c.Then != Retry
	if w.EveryEvent {
		w.events.on = func(name string) { t.currentLogsIn("at " + name) }
	}
	defer func() { w.events.on = nil }()
	t.run()
	return *r, t.err
}

// trial is one case as it runs.
type trial struct {
	*World
	ctx    context.Context
	result *Result
	err    error // of the harness
}

func (t *trial) run() {
	arn := t.start()
	ended := t.await(arn, true)
	t.result.Events, t.result.Fired = t.events.happened()
	t.World.abort = false
	t.atRest("after the fault", ended)
	switch {
	case t.err != nil:
		return
	case ended.Status != sfntypes.ExecutionStatusAborted:
	case t.result.Case.Then == Redrive:
		_, err := t.states.RedriveExecution(t.ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn})
		t.fail(err)
		t.atRest("after the redrive", t.await(arn, false))
	case t.result.Case.Then == Native:
		t.events.reset(nil)
		t.native()
		t.somethingLogsIn("after the native rotation")
	}
	t.events.reset(nil)
	last := t.await(t.start(), false)
	if t.err == nil && last.State != string(rotation.Rotated) {
		t.violation("the next run ended in %s: %s: %s", last.State, last.Error, last.Cause)
	}
	t.currentLogsIn("after the next run")
	t.labels("after the next run")
}

// start starts an execution.
func (t *trial) start() string {
	request := rotation.Request{SecretID: t.secretID, Strategy: t.target.Strategy, SuperuserSecretID: t.superuser}
	input, err := json.Marshal(request)
	t.fail(err)
	out, err := t.states.StartExecution(t.ctx, &sfn.StartExecutionInput{
		StateMachineArn: &t.box.StateMachineARN, Input: aws.String(string(input)),
	})
	t.fail(err)
	if err != nil {
		return ""
	}
	return aws.ToString(out.ExecutionArn)
}

// await waits for an execution's end, and aborts it when the case says so.
func (t *trial) await(arn string, stoppable bool) follow.Ending {
	if t.err != nil {
		return follow.Ending{}
	}
	ctx, cancel := context.WithTimeout(t.ctx, time.Minute)
	defer cancel()
	if stoppable {
		go func() {
			select {
			case <-t.stop:
				_, _ = t.states.StopExecution(t.ctx, &sfn.StopExecutionInput{ExecutionArn: &arn})
			case <-ctx.Done():
			}
		}()
	}
	if _, err := t.box.Wait(ctx, arn); err != nil {
		t.fail(fmt.Errorf("waiting for %s: %w", arn, err))
		return follow.Ending{}
	}
	ending, err := follow.Config{API: t.states}.Execution(ctx, arn)
	t.fail(err)
	return ending
}

func (t *trial) native() {
	_, err := t.secrets.RotateSecret(t.ctx, &secretsmanager.RotateSecretInput{
		SecretId:          &t.secretID,
		RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:123456789012:function:tumbler-rotator"),
		RotationRules:     &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	if _, busy := errors.AsType[*types.InvalidRequestException](err); !busy {
		t.fail(err) // busy: it sees the dead run's AWSPENDING and keeps its hands off
	}
	t.box.Secrets.Wait()
}

func (t *trial) fail(err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
}

func (t *trial) violation(format string, args ...any) {
	t.result.Violations = append(t.result.Violations, fmt.Sprintf(format, args...))
}

// createSecret stores a document, with the proxy's address in the server's place.
func (w *World) createSecret(ctx context.Context, name string, doc secretdoc.Document) error {
	var keys map[string]any
	if err := json.Unmarshal([]byte(doc.Encode().Reveal()), &keys); err != nil {
		return err
	}
	keys["host"], keys["port"] = "127.0.0.1", w.proxy.port()
	raw, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	_, err = w.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(string(raw))})
	return err
}

// document reads a version and points it at the server itself.
func (t *trial) document(v rotation.Version) (secretdoc.Document, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &t.secretID}
	if v.ID != "" {
		in.VersionId = &v.ID
	}
	if v.Label != "" {
		in.VersionStage = &v.Label
	}
	out, err := t.secrets.GetSecretValue(t.ctx, in)
	if err != nil {
		return secretdoc.Document{}, err
	}
	doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
	return doc.At(t.target.Host, t.target.Port), err
}
