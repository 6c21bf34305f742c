// Package eventbridge is as much of Amazon EventBridge as the sandbox needs:
// PutEvents. The events are kept, given to a function and to the rules that they
// match, and shown at GET /_sandbox/events; what a rule could not deliver is at
// GET /_sandbox/undelivered.
//
// The rules are those of the "Amazon EventBridge API Reference", PutEvents,
// PutEventsRequestEntry and PutEventsResultEntry.
package eventbridge

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Config configures the service. The zero value is ready to use.
type Config struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// OnEvent is told of each event, in the order in which they came.
	// Optional.
	OnEvent func(Event)
	// Rules start something when an event matches. New panics on a rule that
	// cannot be used, which is a programming error.
	Rules []Rule
	// OnUndelivered is told of each event that a rule could not deliver. Optional.
	OnUndelivered func(Undelivered)
	// Buses are the names of event buses that exist beside "default".
	Buses []string
	// Keep is how many events, and how many undelivered ones, are kept; older ones
	// are forgotten. Default 1000.
	Keep int
}

// Event is an event as rules and targets see it (user guide: "AWS service event
// metadata"), with the bus it was put on.
type Event struct {
	Version    string          `json:"version"` // always "0"
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"` // whole seconds, UTC
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"` // an object

	Bus string `json:"-"`
}

// Service implements wire.Service and wire.Pager. It is safe for concurrent
// use.
type Service struct {
	cfg         Config
	events      *wire.Kept[Event]
	undelivered *wire.Kept[Undelivered]

	putting sync.Mutex // keeps OnEvent in order
}

var (
	_ wire.Service = (*Service)(nil)
	_ wire.Pager   = (*Service)(nil)
)

// New makes a service without events.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Rules = slices.Clone(cfg.Rules)
	for i := range cfg.Rules {
		if err := cfg.Rules[i].compile(); err != nil {
			panic("eventbridge: " + err.Error())
		}
	}
	return &Service{cfg: cfg, events: wire.NewKept[Event](cfg.Keep), undelivered: wire.NewKept[Undelivered](cfg.Keep)}
}

// Spec says how the service is reached.
func (s *Service) Spec() wire.Spec {
	return wire.Spec{Name: "events", Protocol: wire.JSON11, TargetPrefix: "AWSEvents"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{"PutEvents": wire.Op(s.putEvents)}
}

// Events is what was put, oldest first.
func (s *Service) Events() []Event { return s.events.All() }

// Undelivered is what rules could not deliver, oldest first.
func (s *Service) Undelivered() []Undelivered { return s.undelivered.All() }

// Pages serves the events.
func (s *Service) Pages() map[string]http.Handler {
	return map[string]http.Handler{
		"/_sandbox/events":      s.events.Page("events"),
		"/_sandbox/undelivered": s.undelivered.Page("undelivered"),
	}
}
