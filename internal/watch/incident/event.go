package incident

import (
	"cmp"
	"encoding/json"
	"time"
)

// Event is the function's input: an event of Step Functions, or messages of the queue of
// undelivered requests.
type Event struct {
	Source  string          `json:"source"`
	Detail  json.RawMessage `json:"detail"`
	Records []message       `json:"Records"`
}

// ended is the detail of an execution's status change.
type ended struct {
	ARN     string `json:"executionArn"`
	Status  string `json:"status"`
	Started int64  `json:"startDate"` // milliseconds since 1970
	Input   string `json:"input"`     // may be left out when it is large
}

func (e ended) started() time.Time {
	if e.Started == 0 {
		return time.Time{}
	}
	return time.UnixMilli(e.Started).UTC()
}

// message is a message of SQS (AWS Lambda developer guide, "Using Lambda with Amazon SQS").
type message struct {
	Body       string `json:"body"`
	Attributes map[string]struct {
		Value string `json:"stringValue"`
	} `json:"messageAttributes"`
}

// part is one thing to report: an execution, or else a request.
type part struct {
	execution  *ended
	request    json.RawMessage
	by, reason string
}

// sourceStates is the source of Step Functions' own events.
const sourceStates = "aws.states"

func (e Event) parts() []part {
	if e.Source == sourceStates {
		return []part{{execution: e.ended()}}
	}
	parts := make([]part, len(e.Records))
	for i, m := range e.Records {
		parts[i] = m.part()
	}
	return parts
}

func (e Event) ended() *ended {
	var d ended
	_ = json.Unmarshal(e.Detail, &d) // an alert without details is better than none
	return &d
}

// part reads a dead letter. Its body is the target's input from Scheduler, and the event
// from a rule. Sources: EventBridge Scheduler user guide, "Configuring a dead-letter
// queue"; EventBridge user guide, "Using dead-letter queues".
func (m message) part() part {
	attribute := func(name string) string { return m.Attributes[name].Value }
	p := part{
		request: json.RawMessage(m.Body),
		by:      cmp.Or(attribute("SCHEDULE_ARN"), attribute("RULE_ARN"), "a schedule or rule"),
		reason:  cmp.Or(attribute("ERROR_CODE"), "no reason was given"),
	}
	if text := attribute("ERROR_MESSAGE"); text != "" {
		p.reason += ": " + text
	}
	var e Event
	if json.Unmarshal(p.request, &e) == nil && e.Source == sourceStates {
		return part{execution: e.ended()} // the rule could not call this function
	}
	if e.Detail != nil {
		p.request = e.Detail
	}
	return p
}
