package sns

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// pageSize is how many topics ListTopics returns at once.
const pageSize = 100

// protocols of Subscribe.
var protocols = []string{"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}

type createTopicInput struct {
	Name string
}

// Resource names the topic for the endpoint's hooks.
func (in *createTopicInput) Resource() string { return in.Name }

type topicOutput struct {
	TopicARN string `xml:"TopicArn"`
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// createTopic returns the topic of that name if there is one already.
func (s *Service) createTopic(_ context.Context, call wire.Call, in *createTopicInput) (*topicOutput, error) {
	if strings.HasSuffix(in.Name, ".fifo") {
		return nil, errParameter("Topic Name Reason: the sandbox has no FIFO topics")
	}
	if !topicName.MatchString(in.Name) {
		return nil, errParameter("Topic Name")
	}
	arn := fmt.Sprintf("arn:aws:sns:%s:%s:%s", call.Caller.Region, call.Caller.Account, in.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(arn) == nil {
		s.topics = append(s.topics, &topic{arn: arn})
	}
	return &topicOutput{arn}, nil
}

type listTopicsInput struct {
	NextToken string
}

type listTopicsOutput struct {
	Topics    topicList
	NextToken string `xml:",omitempty"`
}

// topicList makes the element appear even when it is empty, as AWS does.
type topicList struct {
	Member []topicOutput `xml:"member"`
}

func (s *Service) listTopics(_ context.Context, call wire.Call, in *listTopicsInput) (*listTopicsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := fmt.Sprintf("arn:aws:sns:%s:%s:", call.Caller.Region, call.Caller.Account)
	var all []topicOutput
	for _, t := range s.topics {
		if strings.HasPrefix(t.arn, mine) {
			all = append(all, topicOutput{t.arn})
		}
	}
	page, next, ok := wire.Page(all, in.NextToken, pageSize)
	if !ok {
		return nil, errParameter("NextToken")
	}
	return &listTopicsOutput{Topics: topicList{page}, NextToken: next}, nil
}

type subscribeInput struct {
	TopicARN              string `xml:"TopicArn"`
	Protocol              string
	Endpoint              string
	ReturnSubscriptionARN bool `xml:"ReturnSubscriptionArn"`
}

// Resource names the topic for the endpoint's hooks.
func (in *subscribeInput) Resource() string { return in.TopicARN }

type subscribeOutput struct {
	SubscriptionARN string `xml:"SubscriptionArn"`
}

// subscribe notes a subscription; nothing is ever delivered to it, nor can it
// be confirmed. An endpoint that would be listening is told so.
func (s *Service) subscribe(_ context.Context, _ wire.Call, in *subscribeInput) (*subscribeOutput, error) {
	switch {
	case !arnPattern.MatchString(in.TopicARN):
		return nil, errParameter("TopicArn")
	case !slices.Contains(protocols, in.Protocol):
		return nil, errParameter("Amazon SNS does not support this protocol string: %s", in.Protocol)
	case in.Protocol == "http", in.Protocol == "https":
		return nil, errParameter("Protocol Reason: the sandbox delivers no messages; every one of them is at /_sandbox/outbox")
	case in.Endpoint == "":
		return nil, errParameter("Endpoint")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(in.TopicARN)
	if t == nil {
		return nil, errNoTopic()
	}
	i := slices.IndexFunc(t.subscriptions, func(have subscription) bool {
		return have.protocol == in.Protocol && have.endpoint == in.Endpoint
	})
	if i < 0 {
		i = len(t.subscriptions)
		t.subscriptions = append(t.subscriptions, subscription{t.arn + ":" + wire.NewID(), in.Protocol, in.Endpoint})
	}
	// These protocols need their endpoint's consent.
	if slices.Contains([]string{"email", "email-json"}, in.Protocol) && !in.ReturnSubscriptionARN {
		return &subscribeOutput{"pending confirmation"}, nil
	}
	return &subscribeOutput{t.subscriptions[i].arn}, nil
}
