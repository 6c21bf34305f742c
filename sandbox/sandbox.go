// Package sandbox is a local AWS: one loopback endpoint that speaks the real
// wire protocols of Secrets Manager, Step Functions, Lambda, SNS, EventBridge
// and EventBridge Scheduler, with Tumbler deployed in it. It runs statemachine/rotation.asl.json as it is, with
// the handlers that the Lambda functions run.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
	sandboxlambda "github.com/tumbler-rotation/tumbler/sandbox/lambda"
	sandboxrds "github.com/tumbler-rotation/tumbler/sandbox/rds"
	sandboxredshift "github.com/tumbler-rotation/tumbler/sandbox/redshift"
	sandboxscheduler "github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	sandboxsecrets "github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/stepfunctions"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// Where the sandbox pretends to be.
const (
	Region  = "us-east-1"
	Account = wire.DefaultAccount
)

// DefaultPort is where `tumbler sandbox` listens.
const DefaultPort = 4599

// Config says what to start. The zero value is a quiet sandbox on a free port,
// without engines.
type Config struct {
	Port    int                             // 0: a free one
	Engines engine.Table                    // what the functions can talk to
	Log     *slog.Logger                    // the functions' log. Default: none.
	Now     func() time.Time                // the functions' clock. Default time.Now.
	OnAlert func(sandboxsns.Message)        // told of each SNS message. Optional.
	OnEvent func(sandboxevents.Event)       // told of each EventBridge event. Optional.
	Observe func(wire.Record)               // told of each API call. Optional.
	Task    func(asl.TaskFunc) asl.TaskFunc // wraps what runs the Task states. Optional.
	Clock   asl.Clock                       // of executions and schedules. Default: the machine's.

	// OneByOne runs the branches of a Parallel state one after the other, for tests
	// to whom the order of the calls matters.
	OneByOne bool

	// Pages are served beside the APIs, such as a console's. Optional.
	Pages map[string]http.Handler

	// Registry makes Plan look secrets up in the schedule group and refuse manual
	// and event requests for those that are not there, as deployed; without it a
	// request stands for itself. See [Sandbox.Configure].
	Registry bool

	// Open are secrets whose requests stand for themselves although there is a
	// registry: whoever starts an execution says how they are rotated. Optional.
	Open []string

	// Sleep is how Restore waits for late statements. Default: the machine's clock.
	Sleep func(ctx context.Context, d time.Duration) error

	// OnUndelivered is told of each start by a schedule or an event that was given
	// up, in words. Optional.
	OnUndelivered func(string)

	// Functions are rotation functions that are there already, by ARN; a request
	// may name each of them. One without a Handler was deleted after Tumbler had
	// been deployed. Optional.
	Functions map[string]Function

	// Strategy is that of native rotation through Tumbler's own function.
	// Default single-user.
	Strategy rotation.Strategy

	// Replace puts other handlers in the place of functions, by their name. Tests
	// of the tests use it. Optional.
	Replace map[string]lambdaboot.Builder

	// RotationBackoff is the pause before attempt n of a native rotation. Default:
	// n seconds.
	RotationBackoff func(attempt int) time.Duration

	// Policies are what the functions and state machines may do. Default: those of
	// a deployment whose functions reach AWS by themselves, for every secret.
	Policies *iam.Deployment

	// Retryer decides how the functions' AWS clients try again. Default: as
	// deployed.
	Retryer func() aws.Retryer
}

func (c Config) open(secretName string) bool { return slices.Contains(c.Open, secretName) }

// Sandbox is a running local AWS.
type Sandbox struct {
	URL             string // for AWS_ENDPOINT_URL
	StateMachineARN string
	FleetARN        string // the state machine for many secrets

	Secrets *sandboxsecrets.Service
	Outbox  *sandboxsns.Service
	Events  *sandboxevents.Service

	RDS       sandboxrds.Service      // knows what its methods are told
	Redshift  sandboxredshift.Service // likewise
	Scheduler *sandboxscheduler.Service

	now       func() time.Time // of schedules
	policies  *iam.Deployment
	retryer   func() aws.Retryer
	states    *stepfunctions.Service
	incidents sync.WaitGroup // calls of the function incident
	server    *wire.Server
	intercept atomic.Pointer[wire.Interceptor]
	clients   sync.Map // the HTTP client of each caller, which holds its connections
}

// Start starts a sandbox. The caller closes it. The error names the port and
// the remedy when it is in use.
func Start(ctx context.Context, cfg Config) (*Sandbox, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Clock == nil {
		cfg.Clock = asl.RealClock{}
	}
	s := &Sandbox{retryer: cfg.Retryer, now: cfg.Clock.Now, policies: cfg.Policies}
	if s.policies == nil {
		var err error
		if s.policies, err = iam.Load(iam.Open); err != nil {
			return nil, err
		}
	}
	if err := s.assumable(); err != nil {
		return nil, err
	}
	// The endpoint's services call the functions and the functions call the
	// endpoint, whose address is only known once it listens. Nobody calls before.
	work := &tasks{functions: functions{}, sns: map[string]*sns.Client{}, events: map[string]*eventbridge.Client{}}
	if err := s.listen(cfg, work); err != nil {
		return nil, err
	}
	if err := s.deploy(ctx, cfg, work); err != nil {
		s.Close()
		return nil, fmt.Errorf("deploying Tumbler to the sandbox: %w", err)
	}
	return s, nil
}

// listen serves the APIs.
func (s *Sandbox) listen(cfg Config, work *tasks) error {
	task := asl.TaskFunc(work.run)
	if cfg.Task != nil {
		task = cfg.Task(task)
	}
	task = s.permitted(task)
	s.Secrets = sandboxsecrets.New(sandboxsecrets.Config{Invoker: asService{work.functions, s.policies}, Now: cfg.Now, RotationBackoff: cfg.RotationBackoff})
	s.Outbox = sandboxsns.New(sandboxsns.Config{OnPublish: cfg.OnAlert, Now: cfg.Now})
	s.states = stepfunctions.New(stepfunctions.Config{Task: task, Account: Account, Region: Region, Log: cfg.Log, Clock: cfg.Clock, OneByOne: cfg.OneByOne, OnEnd: s.incident(work)})
	s.Events = sandboxevents.New(s.events(cfg, work))
	s.Scheduler = sandboxscheduler.New(s.schedules(cfg, work))
	handler, err := wire.New(wire.Config{
		Observe: cfg.Observe, Authorize: s.authorize, Pages: cfg.Pages,
		Intercept: func(ctx context.Context, call wire.Call) *wire.Failure {
			if intercept := s.intercept.Load(); intercept != nil {
				return (*intercept)(ctx, call)
			}
			return nil
		},
		Log: cfg.Log,
	}, s.Secrets, s.states, s.Outbox, s.Events, s.Scheduler, &s.RDS, &s.Redshift,
		sandboxlambda.New(work.functions.api()))
	if err != nil {
		return err
	}
	s.server, err = wire.Listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)), handler)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is in use on 127.0.0.1. Is a sandbox running already? Otherwise choose another port with --port", cfg.Port)
	}
	if err != nil {
		return fmt.Errorf("serving the sandbox's endpoint: %w", err)
	}
	s.URL = s.server.URL
	return nil
}

// deploy does what `cdk deploy` does on AWS.
func (s *Sandbox) deploy(ctx context.Context, cfg Config, work *tasks) error {
	topic, err := sns.NewFromConfig(s.AWS("deployment")).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("tumbler-alerts")})
	if err != nil {
		return err
	}
	machine, err := asl.Load(statemachine.Rotation, map[string]string{
		"PlanFunctionArn":         functionARN("plan") + version,
		"CreateSecretFunctionArn": functionARN("createsecret") + version,
		"SetSecretFunctionArn":    functionARN("setsecret") + version,
		"TestSecretFunctionArn":   functionARN("testsecret") + version,
		"FinishSecretFunctionArn": functionARN("finishsecret") + version,
		"RestoreFunctionArn":      functionARN("restore") + version,
		"AlertTopicArn":           aws.ToString(topic.TopicArn),
		"EventBusName":            "default",
	})
	if err != nil {
		return err
	}
	_, err = scheduler.NewFromConfig(s.AWS("deployment")).CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String(ScheduleGroup)})
	if err != nil {
		return err
	}
	group := ""
	if cfg.Registry {
		group = ScheduleGroup
	}
	for role, key := range machineKeys {
		client := s.AWS(key)
		work.sns[role], work.events[role] = sns.NewFromConfig(client), eventbridge.NewFromConfig(client)
	}
	for name, b := range builders(cfg.Engines) {
		if build, ok := cfg.Replace[name]; ok {
			b.build = build
		}
		env := lambdaboot.Env{AWS: s.AWS(name), Log: cfg.Log, Now: cfg.Now, Sleep: cfg.Sleep, Open: cfg.open, Deployment: lambdaboot.Deployment{
			RotatorARN: functionARN("rotator"), Functions: slices.Collect(maps.Keys(cfg.Functions)), Strategy: cfg.Strategy,
			EventInterval: time.Hour, ScheduleGroup: group, AlertTopicARN: aws.ToString(topic.TopicArn),
			StateMachineARN: iam.ARN("states", "stateMachine:tumbler-rotation"),
		}}
		if slices.Contains(s.policies.InVPC, name) {
			env.StateMachineARN = "" // of Step Functions there is no endpoint
		}
		work.functions[functionARN(name)] = Function{b.build(env), b.timeout}
	}
	for arn, f := range cfg.Functions {
		if f.Handler != nil {
			work.functions[arn] = f
		}
	}
	if s.StateMachineARN, err = s.states.Register("tumbler-rotation", machine); err != nil {
		return err
	}
	return s.deployFleet(work, aws.ToString(topic.TopicArn))
}

// AWS returns a client configuration for the sandbox. The endpoint records
// calls under the caller's name, which is also the access key id.
func (s *Sandbox) AWS(caller string) aws.Config {
	cfg := lambdaboot.Patient(aws.Config{
		Region:       Region,
		BaseEndpoint: &s.URL,
		Credentials:  credentials.NewStaticCredentialsProvider(caller, "sandbox", ""),
	})
	client, _ := s.clients.LoadOrStore(caller, cfg.HTTPClient)
	cfg.HTTPClient = client.(aws.HTTPClient)
	if s.retryer != nil {
		cfg.Retryer = s.retryer
	}
	return cfg
}

// Wait returns when an execution has ended.
func (s *Sandbox) Wait(ctx context.Context, executionARN string) (asl.Result, error) {
	return s.states.Wait(ctx, executionARN)
}

// Intercept makes API calls fail as f says, until it is called again; nil lets
// all pass.
func (s *Sandbox) Intercept(f wire.Interceptor) {
	if f == nil {
		s.intercept.Store(nil)
		return
	}
	s.intercept.Store(&f)
}

// Close aborts what is running and stops listening.
func (s *Sandbox) Close() {
	s.Scheduler.Close()
	s.states.Close()
	s.incidents.Wait()
	s.Secrets.Close()
	_ = s.server.Close() // nothing is kept that could be lost
}
