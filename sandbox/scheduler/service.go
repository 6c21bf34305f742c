// Package scheduler is Amazon EventBridge Scheduler for the sandbox: schedule
// groups and schedules over the real wire protocol, and the firing of what is
// scheduled, on a clock that may be virtual or faster than real time.
//
// The rules are those of the "Amazon EventBridge Scheduler API Reference" and
// User Guide; "derived" marks what they leave open. Different from AWS: UTC is
// the only time zone, a target is whatever [Config.Start] can start, invocations
// are punctual where AWS takes up to 60 seconds, deleting a group is immediate,
// and there are no tags.
package scheduler

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Config is the service's configuration.
type Config struct {
	// Start starts what a schedule targets. An error that is a [*wire.Error] with
	// a status below 500 is final, any other is tried again. Required.
	Start func(ctx context.Context, targetARN string, input json.RawMessage) error
	// Clock is the time that schedules run on. Default asl.RealClock.
	Clock asl.Clock
	// Random spreads invocations over a flexible time window: a number in [0,1)
	// for each. Default math/rand.
	Random func() float64
	// OnDeadLetter is told of each invocation that was given up. Optional.
	OnDeadLetter func(DeadLetter)
	// Keep is how many dead letters are kept. Default 1000.
	Keep int
}

// Service is the API. Make it with [New], and end it with [Service.Close].
type Service struct {
	cfg         Config
	deadLetters *wire.Kept[DeadLetter]

	mu        sync.Mutex
	groups    map[string]*group    // by ARN
	schedules map[string]*schedule // by ARN
	answered  []string             // what client tokens were used for, oldest first
	open      context.Context      // until Close
	close     context.CancelFunc
	running   sync.WaitGroup
}

var (
	_ wire.Service = (*Service)(nil)
	_ wire.Pager   = (*Service)(nil)
)

// New makes the service. It panics without a Start, which is a programming
// error.
func New(cfg Config) *Service {
	if cfg.Start == nil {
		panic("scheduler: Config.Start is required")
	}
	if cfg.Clock == nil {
		cfg.Clock = asl.RealClock{}
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	open, cancel := context.WithCancel(context.Background())
	return &Service{
		cfg: cfg, deadLetters: wire.NewKept[DeadLetter](cfg.Keep), open: open, close: cancel,
		groups: map[string]*group{}, schedules: map[string]*schedule{},
	}
}

// Close stops all schedules and waits for invocations under way.
func (s *Service) Close() {
	s.mu.Lock() // so that no schedule is launched after the wait has begun
	s.close()
	s.mu.Unlock()
	s.running.Wait()
}

// Spec says how the service is reached.
func (*Service) Spec() wire.Spec {
	return wire.Spec{Name: "scheduler", Protocol: wire.RESTJSON, MessageKey: "Message"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"CreateSchedule":      wire.Op(s.createSchedule).At(http.MethodPost, "/schedules/{Name}"),
		"UpdateSchedule":      wire.Op(s.updateSchedule).At(http.MethodPut, "/schedules/{Name}"),
		"GetSchedule":         wire.Op(s.getSchedule).At(http.MethodGet, "/schedules/{Name}"),
		"DeleteSchedule":      wire.Op(s.deleteSchedule).At(http.MethodDelete, "/schedules/{Name}"),
		"ListSchedules":       wire.Op(s.listSchedules).At(http.MethodGet, "/schedules"),
		"CreateScheduleGroup": wire.Op(s.createGroup).At(http.MethodPost, "/schedule-groups/{Name}"),
		"GetScheduleGroup":    wire.Op(s.getGroup).At(http.MethodGet, "/schedule-groups/{Name}"),
		"DeleteScheduleGroup": wire.Op(s.deleteGroup).At(http.MethodDelete, "/schedule-groups/{Name}"),
		"ListScheduleGroups":  wire.Op(s.listGroups).At(http.MethodGet, "/schedule-groups"),
	}
}

// DeadLetters is what was given up, oldest first.
func (s *Service) DeadLetters() []DeadLetter { return s.deadLetters.All() }

// Pages serves the dead letters.
func (s *Service) Pages() map[string]http.Handler {
	return map[string]http.Handler{"/_sandbox/dead-letters": s.deadLetters.Page("deadLetters")}
}

// hold keeps a virtual clock still while the caller runs and does not sleep on
// it.
func (s *Service) hold() (release func()) {
	if virtual, ok := s.cfg.Clock.(*asl.VirtualClock); ok {
		return virtual.Hold()
	}
	return func() {}
}

func (s *Service) now() time.Time { return s.cfg.Clock.Now().UTC() }
