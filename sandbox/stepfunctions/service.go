package stepfunctions

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Config is the service's configuration.
type Config struct {
	// Task performs the tasks of all executions. Required.
	Task asl.TaskFunc
	// Account and Region are where the state machines are; other callers do
	// not see them. Default wire.DefaultAccount and us-east-1.
	Account, Region string
	// Clock is the time the executions run on. Default asl.RealClock.
	Clock asl.Clock
	// Jitter is asl.Run's. Default random.
	Jitter func() float64
	// OneByOne is asl.Run's.
	OneByOne bool
	// Keep is how many closed executions each state machine remembers; AWS
	// keeps them for 90 days. Default 1000.
	Keep int
	// Observe is told of every event of every execution, in order for each
	// execution and concurrently for different ones. It must not call back into
	// the service. Optional.
	Observe func(Execution, asl.Event)
	// OnEnd is told of each execution that ended without success, unless the service
	// is closing, like a rule for "Step Functions Execution Status Change". It may
	// call the service; Close waits for it. Optional.
	OnEnd func(Ended)
	// Log is told of executions that ended without success, by their names
	// only. Optional.
	Log *slog.Logger
}

// Execution identifies an execution to an observer.
type Execution struct{ ARN, Name, StateMachineARN string }

// Ended is what the event of a status change says (developer guide, "Automating
// Step Functions event delivery with EventBridge").
type Ended struct {
	Execution
	Status  asl.Status
	Input   string
	Started time.Time
}

// Service is the API. Make it with [New], and end it with [Service.Close].
type Service struct {
	cfg Config

	mu         sync.Mutex
	machines   map[string]*machine // by ARN
	executions map[string]*execution
	sequence   int64 // of executions started
	closed     bool
	running    sync.WaitGroup
}

var _ wire.Service = (*Service)(nil)

// machine is a registered state machine.
type machine struct {
	arn, name  string
	definition *asl.Machine
	created    time.Time
	executions []*execution // oldest first
}

// New makes the service. It panics without a Task, which is a programming error.
func New(cfg Config) *Service {
	if cfg.Task == nil {
		panic("stepfunctions: Config.Task is required")
	}
	if cfg.Account == "" {
		cfg.Account = wire.DefaultAccount
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Clock == nil {
		cfg.Clock = asl.RealClock{}
	}
	if cfg.Keep == 0 {
		cfg.Keep = 1000
	}
	return &Service{cfg: cfg, machines: map[string]*machine{}, executions: map[string]*execution{}}
}

// Register makes a state machine known and returns its ARN. It fails when the
// name is taken or is not one that AWS would accept.
func (s *Service) Register(name string, definition *asl.Machine) (arn string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	m := &machine{
		arn: s.arn("stateMachine", name), name: name, definition: definition, created: s.cfg.Clock.Now(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.machines[m.arn] != nil {
		return "", fmt.Errorf("state machine %q is registered already", name)
	}
	s.machines[m.arn] = m
	return m.arn, nil
}

// Close aborts the executions that are running, waits until they have ended and
// refuses new ones.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	for _, e := range s.executions {
		if e.status == asl.Running {
			e.stop(&asl.Failure{Name: "Sandbox.Closed", Cause: "The sandbox was shut down."})
		}
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Spec says how the service is reached.
func (*Service) Spec() wire.Spec {
	return wire.Spec{Name: "states", Protocol: wire.JSON10, TargetPrefix: "AWSStepFunctions"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"StartExecution":                   wire.Op(s.startExecution),
		"StopExecution":                    wire.Op(s.stopExecution),
		"RedriveExecution":                 wire.Op(s.redriveExecution),
		"DescribeExecution":                wire.Op(s.describeExecution),
		"DescribeMapRun":                   wire.Op(s.describeMapRun),
		"ListMapRuns":                      wire.Op(s.listMapRuns),
		"ListExecutions":                   wire.Op(s.listExecutions),
		"GetExecutionHistory":              wire.Op(s.getExecutionHistory),
		"DescribeStateMachine":             wire.Op(s.describeStateMachine),
		"ListStateMachines":                wire.Op(s.listStateMachines),
		"DescribeStateMachineForExecution": wire.Op(s.describeStateMachineForExecution),
	}
}
