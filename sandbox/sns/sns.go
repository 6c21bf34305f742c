// Package sns is as much of Amazon SNS as the sandbox needs: topics, and an
// outbox that keeps what was published, tells a function of it and shows it at
// GET /_sandbox/outbox. Nothing is delivered to subscribers.
//
// The rules are those of the "Amazon Simple Notification Service API
// Reference", Publish, CreateTopic, Subscribe and ListTopics. FIFO topics, text
// messages to phones and mobile push are not there.
package sns

import (
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Config configures the service. The zero value is ready to use.
type Config struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// OnPublish is told of each message, in the order in which they were
	// published. Optional.
	OnPublish func(Message)
	// Keep is how many messages the outbox keeps; older ones are forgotten.
	// Default 1000.
	Keep int
}

// Message is a published message.
type Message struct {
	MessageID string `json:"messageId"`
	TopicARN  string `json:"topicArn"`
	// Subject is "" when there is none.
	Subject string `json:"subject,omitempty"`
	// Body is the message; with MessageStructure "json" a JSON object of texts
	// by protocol.
	Body       string               `json:"message"`
	Structure  string               `json:"messageStructure,omitempty"`
	Attributes map[string]Attribute `json:"messageAttributes,omitempty"`
	Published  time.Time            `json:"published"`
	// AccessKeyID is the publisher's.
	AccessKeyID string `json:"accessKeyId"`
}

// Attribute is a message attribute.
type Attribute struct {
	// DataType is String, String.Array, Number or Binary, perhaps with a label
	// of the publisher's own after another dot.
	DataType    string `json:"dataType"`
	StringValue string `json:"stringValue,omitempty"`
	BinaryValue []byte `json:"binaryValue,omitempty"`
}

// Service implements wire.Service and wire.Pager. It is safe for concurrent
// use.
type Service struct {
	cfg    Config
	outbox *wire.Kept[Message]

	mu     sync.Mutex
	topics []*topic
	// publishing keeps OnPublish in order without holding mu meanwhile.
	publishing sync.Mutex
}

type topic struct {
	arn           string
	subscriptions []subscription
}

type subscription struct{ arn, protocol, endpoint string }

var (
	_ wire.Service = (*Service)(nil)
	_ wire.Pager   = (*Service)(nil)
)

// New makes a service without topics.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, outbox: wire.NewKept[Message](cfg.Keep)}
}

// Spec says how the service is reached.
func (s *Service) Spec() wire.Spec {
	return wire.Spec{Name: "sns", Protocol: wire.Query, Namespace: "http://sns.amazonaws.com/doc/2010-03-31/"}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"CreateTopic": wire.Op(s.createTopic),
		"ListTopics":  wire.Op(s.listTopics),
		"Publish":     wire.Op(s.publish),
		"Subscribe":   wire.Op(s.subscribe),
	}
}

// Messages is what the outbox holds, oldest first.
func (s *Service) Messages() []Message { return s.outbox.All() }

// Pages serves the outbox.
func (s *Service) Pages() map[string]http.Handler {
	return map[string]http.Handler{"/_sandbox/outbox": s.outbox.Page("messages")}
}

// find returns the topic of an ARN. Called with the lock held.
func (s *Service) find(arn string) *topic {
	i := slices.IndexFunc(s.topics, func(t *topic) bool { return t.arn == arn })
	if i < 0 {
		return nil
	}
	return s.topics[i]
}

func errParameter(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}

func errNoTopic() *wire.Error {
	return &wire.Error{Code: "NotFound", Message: "Topic does not exist", Status: http.StatusNotFound}
}

// arnPattern splits an ARN as far as it matters here.
var arnPattern = regexp.MustCompile(`^arn:[^:]+:sns:[^:]*:[^:]*:[^:]+$`)
