// Package console is a page of the sandbox on which one watches: the states of the last
// rotation light up, labels move between versions, alerts come, and an application's
// logins are accepted or refused. It shows no secret value.
package console

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Where the pages are.
const (
	Path       = "/_sandbox/console"
	statePath  = Path + "/state"
	rotatePath = Path + "/rotate"
	faultPath  = Path + "/fault"
)

//go:embed console.html
var page []byte

// Config is what the console looks at, which is known once the sandbox is up.
type Config struct {
	AWS             aws.Config
	StateMachineARN string
	SecretID        string
	Login           func(context.Context) error // with AWSCURRENT, as an application does
	Intercept       func(wire.Interceptor)      // makes calls fail
	Interval        time.Duration               // between two looks. Default: 300 ms
}

// Console keeps what the page shows. Its zero value knows of alerts only.
type Console struct {
	mu     sync.Mutex
	cfg    Config
	state  State
	asked  time.Time // when a page last looked
	logins []Second
}

// State is what a page is told.
type State struct {
	Secret    string            `json:"secret"`
	Execution string            `json:"execution"`
	Steps     map[string]Step   `json:"steps"`
	Ending    string            `json:"ending"` // of the execution, once it has ended
	Why       string            `json:"why"`
	Labels    map[string]string `json:"labels"` // label -> version id
	Alerts    []Alert           `json:"alerts"` // the latest first
	Logins    []Second          `json:"logins"` // the latest last
	Fault     string            `json:"fault"`  // that is switched on
	Faults    []string          `json:"faults"`
}

// Step is a state of the last execution.
type Step struct {
	Status string `json:"status"` // running, retrying, done or failed
	Note   string `json:"note"`
}

// Alert is a message to people.
type Alert struct {
	At      time.Time `json:"at"`
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
}

// Second counts an application's logins in a fifth of one.
type Second struct {
	At       int64 `json:"at"` // Unix, in milliseconds
	Accepted int   `json:"accepted"`
	Refused  int   `json:"refused"`
}

const (
	keptAlerts  = 20
	keptLogins  = 300 // a minute
	bucket      = 200 * time.Millisecond
	attention   = 5 * time.Second // how long after a page has looked it is worth to log in
	betweenLogs = 20 * time.Millisecond
)

// faults are what may be switched on: each call of the kind fails until it is switched
// off.
var faults = map[string]wire.Interceptor{
	"FinishSecret may not move AWSCURRENT": afterChange("finishsecret", "UpdateSecretVersionStage"),
	"CreateSecret may not store a version": denied("createsecret", "PutSecretValue"),
	"SetSecret may not read the secret":    denied("setsecret", "GetSecretValue"),
	"Plan is throttled":                    failing("plan", "DescribeSecret", "ThrottlingException"),
}

// afterChange lets pass what is asked before the change, when functions show that they
// are ready.
func afterChange(function, operation string) wire.Interceptor {
	var changing atomic.Bool
	deny := denied(function, operation)
	return func(ctx context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == "setsecret" {
			changing.Store(true)
		}
		failure := deny(ctx, call)
		if failure == nil || !changing.Swap(false) {
			return nil
		}
		return failure
	}
}

func denied(function, operation string) wire.Interceptor {
	return failing(function, operation, "AccessDeniedException")
}

func failing(function, operation, code string) wire.Interceptor {
	return func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function && call.Operation == operation {
			return &wire.Failure{Err: wire.Errorf(code, "switched on in the console")}
		}
		return nil
	}
}

// Pages are for the sandbox's endpoint.
func (c *Console) Pages() map[string]http.Handler {
	return map[string]http.Handler{
		Path: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'")
			_, _ = w.Write(page) // whoever left does not read it
		}),
		statePath:  http.HandlerFunc(c.serveState),
		rotatePath: c.act(c.rotate),
		faultPath:  c.act(c.fault),
	}
}

func (c *Console) serveState(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	c.asked = time.Now()
	state := c.state
	state.Logins = slices.Clone(c.logins)
	state.Alerts = slices.Clone(c.state.Alerts)
	body, err := json.Marshal(state)
	c.mu.Unlock()
	if err != nil {
		http.Error(w, "the state cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// act serves a button. A page of another site cannot send the header without being asked
// about it first, which nobody answers.
func (c *Console) act(do func(context.Context, string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("X-Tumbler-Console") != "1" {
			http.Error(w, "only the console's own buttons do this", http.StatusForbidden)
			return
		}
		if err := do(r.Context(), r.URL.Query().Get("name")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

// config is what Run was given; ok is false before.
func (c *Console) config() (cfg Config, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg, c.cfg.Intercept != nil
}

var errNotUp = errors.New("the sandbox is not up yet")

func (c *Console) rotate(ctx context.Context, _ string) error {
	cfg, ok := c.config()
	if !ok {
		return errNotUp
	}
	input, err := json.Marshal(map[string]any{
		"secretId": cfg.SecretID, "outsideWindow": "rotate", "trigger": map[string]string{"source": "manual", "reason": "the console's button"},
	})
	if err != nil {
		return err
	}
	_, err = sfn.NewFromConfig(cfg.AWS).StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &cfg.StateMachineARN, Input: aws.String(string(input))})
	return err
}

func (c *Console) fault(_ context.Context, name string) error {
	chosen, known := faults[name]
	if !known && name != "" {
		return errors.New("there is no such fault")
	}
	cfg, ok := c.config()
	if !ok {
		return errNotUp
	}
	cfg.Intercept(chosen) // nil lets all pass
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Fault = name
	return nil
}

// Alert notes a message.
func (c *Console) Alert(m sns.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Alerts = append([]Alert{{time.Now().UTC(), m.Subject, m.Body}}, c.state.Alerts...)
	c.state.Alerts = c.state.Alerts[:min(len(c.state.Alerts), keptAlerts)]
}

// Run keeps the state until ctx ends.
func (c *Console) Run(ctx context.Context, cfg Config) {
	if cfg.Interval == 0 {
		cfg.Interval = 300 * time.Millisecond
	}
	c.mu.Lock()
	c.cfg = cfg
	c.state.Secret, c.state.Steps = cfg.SecretID, map[string]Step{}
	for name := range faults {
		c.state.Faults = append(c.state.Faults, name)
	}
	slices.Sort(c.state.Faults)
	c.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() { c.every(ctx, cfg.Interval, c.readLabels) })
	all.Go(func() { c.every(ctx, cfg.Interval, c.followLast) })
	all.Go(func() { c.every(ctx, betweenLogs, c.login) })
	all.Wait()
}

func (c *Console) every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

func (c *Console) readLabels(ctx context.Context) {
	out, err := secretsmanager.NewFromConfig(c.cfg.AWS).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &c.cfg.SecretID})
	if err != nil {
		return // the next look tells
	}
	labels := map[string]string{}
	for id, names := range out.VersionIdsToStages {
		for _, name := range names {
			labels[name] = id
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Labels = labels
}

// followLast follows the last execution, if it is a new one, to its end.
func (c *Console) followLast(ctx context.Context) {
	api := sfn.NewFromConfig(c.cfg.AWS)
	list, err := api.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &c.cfg.StateMachineARN, MaxResults: 1})
	if err != nil || len(list.Executions) == 0 {
		return
	}
	arn := aws.ToString(list.Executions[0].ExecutionArn)
	c.mu.Lock()
	known := c.state.Execution == arn
	if !known {
		c.state.Execution, c.state.Steps, c.state.Ending, c.state.Why = arn, map[string]Step{}, "", ""
	}
	c.mu.Unlock()
	if known {
		return
	}
	ending, err := follow.Config{API: api, Interval: c.cfg.Interval / 3, OnStep: c.step, OnSecond: func() {}}.Execution(ctx, arn)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Ending = ending.State
	if ending.Error != "" {
		c.state.Why = ending.Error + ": " + strings.TrimPrefix(ending.Cause, ending.Error+": ")
	}
}

func (c *Console) step(s follow.Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := map[follow.Kind]string{follow.Entered: "running", follow.Paused: "retrying", follow.Retried: "running", follow.Left: "done", follow.Failed: "failed"}[s.Kind]
	steps := map[string]Step{} // what is being written out stays as it is
	for name, step := range c.state.Steps {
		steps[name] = step
	}
	steps[s.State] = Step{status, s.Error}
	c.state.Steps = steps
}

// login counts one, while somebody looks.
func (c *Console) login(ctx context.Context) {
	c.mu.Lock()
	looking := time.Since(c.asked) < attention
	c.mu.Unlock()
	if !looking || c.cfg.Login == nil {
		return
	}
	err := c.cfg.Login(ctx)
	refused := fault.Is(err, fault.LoginRefused)
	if err != nil && !refused {
		return // the database is gone, or the sandbox ends
	}
	at := time.Now().Truncate(bucket).UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.logins); n == 0 || c.logins[n-1].At != at {
		c.logins = append(c.logins, Second{At: at})
		c.logins = c.logins[max(0, len(c.logins)-keptLogins):]
	}
	last := &c.logins[len(c.logins)-1]
	if refused {
		last.Refused++
	} else {
		last.Accepted++
	}
}
