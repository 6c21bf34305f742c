package sns

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Limits of Publish.
const (
	maxMessageBytes  = 262144 // with the attributes
	maxSubjectLength = 100    // characters
	maxAttributeName = 256
)

type publishInput struct {
	TopicARN          string `xml:"TopicArn"`
	TargetARN         string `xml:"TargetArn"`
	PhoneNumber       string
	Subject           *string
	Message           string
	MessageStructure  string
	MessageAttributes map[string]attributeValue
}

type attributeValue struct {
	DataType    string
	StringValue string
	BinaryValue []byte
}

// Resource names the topic for the endpoint's hooks.
func (in *publishInput) Resource() string { return in.TopicARN + in.TargetARN }

type publishOutput struct {
	MessageID string `xml:"MessageId"`
}

func (s *Service) publish(_ context.Context, call wire.Call, in *publishInput) (*publishOutput, error) {
	arn, err := in.target()
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	m := Message{
		MessageID: wire.NewID(), TopicARN: arn, Body: in.Message, Structure: in.MessageStructure,
		Published: s.cfg.Now().UTC(), AccessKeyID: call.Caller.AccessKeyID,
	}
	if in.Subject != nil {
		m.Subject = *in.Subject
	}
	for name, a := range in.MessageAttributes {
		if m.Attributes == nil {
			m.Attributes = map[string]Attribute{}
		}
		m.Attributes[name] = Attribute(a)
	}

	s.publishing.Lock()
	defer s.publishing.Unlock()
	if !s.store(m) {
		return nil, errNoTopic()
	}
	if s.cfg.OnPublish != nil {
		s.cfg.OnPublish(m)
	}
	return &publishOutput{m.MessageID}, nil
}

// store puts the message into the outbox if its topic exists.
func (s *Service) store(m Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(m.TopicARN) == nil {
		return false
	}
	s.outbox.Add(m)
	return true
}

// target is the topic's ARN, from either of two parameters.
func (in *publishInput) target() (string, *wire.Error) {
	if in.PhoneNumber != "" {
		return "", errParameter("PhoneNumber Reason: the sandbox sends no text messages")
	}
	if in.TopicARN != "" && in.TargetARN != "" {
		return "", errParameter("TopicArn and TargetArn cannot both be present")
	}
	arn := in.TopicARN + in.TargetARN
	switch {
	case arn == "":
		return "", errParameter("TopicArn or TargetArn Reason: no value for required parameter")
	case strings.Count(arn, ":") < 5:
		return "", errParameter("TopicArn Reason: An ARN must have at least 6 elements, not %d", strings.Count(arn, ":")+1)
	case !arnPattern.MatchString(arn):
		return "", errParameter("TopicArn")
	}
	return arn, nil
}

func (in *publishInput) check() *wire.Error {
	size := len(in.Message)
	for name, a := range in.MessageAttributes {
		if err := a.check(name); err != nil {
			return err
		}
		size += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
	}
	switch {
	case in.Message == "":
		return errParameter("Empty message")
	case size > maxMessageBytes:
		return errParameter("Message too long")
	case in.Subject != nil && !validSubject(*in.Subject):
		return errParameter("Subject")
	case in.MessageStructure != "" && in.MessageStructure != "json":
		return errParameter("MessageStructure")
	case in.MessageStructure == "json":
		return checkStructure(in.Message)
	}
	return nil
}

// validSubject: "UTF-8 text with no line breaks or control characters" of at
// most 100 characters. (The page says less than 100; 100 are accepted.)
func validSubject(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxSubjectLength &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

func checkStructure(message string) *wire.Error {
	var byProtocol map[string]json.RawMessage
	if json.Unmarshal([]byte(message), &byProtocol) != nil {
		return errParameter("Message Structure - JSON message body failed to parse")
	}
	var text string
	if raw, ok := byProtocol["default"]; !ok || json.Unmarshal(raw, &text) != nil {
		return errParameter("Message Structure - No default entry in JSON message body")
	}
	return nil
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\..+)?$`)
)

// check applies the rules of "Amazon SNS message attributes".
func (a attributeValue) check(name string) *wire.Error {
	bad := func(format string, args ...any) *wire.Error {
		return wire.Errorf("ParameterValueInvalid", "The message attribute '"+name+"' "+format, args...)
	}
	switch kind, _, _ := strings.Cut(a.DataType, "."); {
	case len(name) > maxAttributeName || !attributeName.MatchString(name):
		return wire.Errorf("ParameterValueInvalid", "Invalid message attribute name.")
	case a.DataType == "":
		return bad("must contain non-empty message attribute type.")
	case !attributeType.MatchString(a.DataType):
		return bad("has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")
	case kind == "Binary" && len(a.BinaryValue) == 0, kind != "Binary" && a.StringValue == "":
		return bad("must contain non-empty message attribute value for message attribute type '%s'.", a.DataType)
	case kind == "Number":
		if _, err := strconv.ParseFloat(a.StringValue, 64); err != nil {
			return bad("with type 'Number' must use field 'String' with a number.")
		}
	case a.DataType == "String.Array" && !json.Valid([]byte(a.StringValue)):
		return bad("with type 'String.Array' must hold a JSON array.")
	}
	return nil
}
