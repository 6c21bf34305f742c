package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Limits of PutEvents.
const (
	maxEntries    = 10
	maxTotalBytes = 1 << 20 // "the total entry size must be less than 1MB"
	timeBytes     = 14      // what an entry's Time counts for
	maxDetailType = 128
)

type putEventsInput struct {
	Entries []entry
}

type entry struct {
	Source       *string
	DetailType   *string
	Detail       *string
	EventBusName *string
	Resources    []string
	Time         *wire.Time
}

type putEventsOutput struct {
	FailedEntryCount int
	Entries          []resultEntry
}

type resultEntry struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// putEvents takes each entry by itself: the answer says which ones failed, in
// the order of the request.
func (s *Service) putEvents(ctx context.Context, call wire.Call, in *putEventsInput) (*putEventsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	out := &putEventsOutput{Entries: make([]resultEntry, len(in.Entries))}
	s.putting.Lock()
	defer s.putting.Unlock()
	for i, e := range in.Entries {
		if err := s.checkEntry(call, e); err != nil {
			out.FailedEntryCount++
			out.Entries[i] = resultEntry{ErrorCode: err.Code, ErrorMessage: err.Message}
			continue
		}
		event := s.event(call, e)
		out.Entries[i] = resultEntry{EventID: event.ID}
		s.events.Add(event)
		if s.cfg.OnEvent != nil {
			s.cfg.OnEvent(event)
		}
		s.route(ctx, event)
	}
	return out, nil
}

// check finds what fails the whole call.
func (in *putEventsInput) check() *wire.Error {
	invalid := func(format string, args ...any) *wire.Error {
		return wire.Errorf("ValidationException", format, args...)
	}
	const at = "1 validation error detected: Value at 'entries' failed to satisfy constraint: "
	switch {
	case len(in.Entries) == 0:
		return invalid(at + "Member must have length greater than or equal to 1")
	case len(in.Entries) > maxEntries:
		return invalid(at+"Member must have length less than or equal to %d", maxEntries)
	}
	total, missing := 0, ""
	complete := false
	for _, e := range in.Entries {
		total += e.size()
		if m := e.missing(); m != "" {
			missing = m
		} else {
			complete = true
		}
	}
	if total >= maxTotalBytes {
		return invalid("Total size of the entries in the request is over the limit.")
	}
	// "If you submit a request in which none of the entries have each of these
	// properties, EventBridge fails the entire request."
	if !complete {
		return invalid("%s", requiredText(missing))
	}
	return nil
}

// size is an entry's size (user guide: "Calculating PutEvents event entry
// size").
func (e entry) size() int {
	n := 0
	for _, p := range []*string{e.Source, e.DetailType, e.Detail} {
		if p != nil {
			n += len(*p)
		}
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	if e.Time != nil {
		n += timeBytes
	}
	return n
}

// missing names the first required member that is absent, or "".
func (e entry) missing() string {
	for _, m := range []struct {
		name  string
		value *string
	}{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if m.value == nil || *m.value == "" {
			return m.name
		}
	}
	return ""
}

func requiredText(member string) string {
	return fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", member, member)
}

// checkEntry finds what fails one entry.
func (s *Service) checkEntry(call wire.Call, e entry) *wire.Error {
	if m := e.missing(); m != "" {
		return wire.Errorf("InvalidArgument", "%s", requiredText(m))
	}
	var object map[string]json.RawMessage
	switch {
	case strings.HasPrefix(strings.ToLower(*e.Source), "aws."):
		return wire.Errorf("NotAuthorizedForSourceException", "Not authorized for the source.")
	case utf8.RuneCountInString(*e.DetailType) > maxDetailType:
		return wire.Errorf("InvalidArgument", "Parameter DetailType is not valid. Reason: it is longer than %d characters.", maxDetailType)
	case json.Unmarshal([]byte(*e.Detail), &object) != nil || object == nil:
		return wire.Errorf("MalformedDetail", "Detail is malformed.")
	case !s.hasBus(call, e.bus()):
		// Derived: the reference does not say what becomes of the event.
		return wire.Errorf("InvalidArgument", "Event bus %s does not exist.", e.bus())
	}
	return nil
}

func (e entry) bus() string {
	if e.EventBusName == nil || *e.EventBusName == "" {
		return "default"
	}
	return *e.EventBusName
}

// hasBus knows buses by their name and by their ARN.
func (s *Service) hasBus(call wire.Call, bus string) bool {
	name := Event{Bus: bus, Account: call.Caller.Account, Region: call.Caller.Region}.busName()
	return name == "default" || slices.Contains(s.cfg.Buses, name)
}

func (s *Service) event(call wire.Call, e entry) Event {
	when := s.cfg.Now()
	if e.Time != nil {
		when = e.Time.Time
	}
	resources := e.Resources
	if resources == nil {
		resources = []string{}
	}
	return Event{
		Version: "0", ID: wire.NewID(), DetailType: *e.DetailType, Source: *e.Source,
		Account: call.Caller.Account, Region: call.Caller.Region,
		Time: when.UTC().Truncate(time.Second), Resources: resources,
		Detail: json.RawMessage(*e.Detail), Bus: e.bus(),
	}
}

// busName is the name of a bus that may be given by its ARN.
func (e Event) busName() string {
	return strings.TrimPrefix(e.Bus, fmt.Sprintf("arn:aws:events:%s:%s:event-bus/", e.Region, e.Account))
}
