package sns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const alerts = "arn:aws:sns:eu-west-1:123456789012:alerts"

func setup(t *testing.T, cfg sns.Config) (*sns.Service, *awssns.Client, string) {
	t.Helper()
	cfg.Now = func() time.Time { return now }
	svc := sns.New(cfg)
	h, err := wire.New(wire.Config{}, svc)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := wire.Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	client := awssns.New(awssns.Options{
		Region: "eu-west-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "x"}, nil
		}),
	})
	out, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil || *out.TopicArn != alerts {
		t.Fatal(out, err)
	}
	return svc, client, srv.URL
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	apiErr, ok := errors.AsType[smithy.APIError](err)
	if !ok || apiErr.ErrorCode() != code || !strings.Contains(apiErr.ErrorMessage(), message) {
		t.Errorf("got %v, want %s %q", err, code, message)
	}
}

func TestPublish(t *testing.T) {
	var told []string
	svc, client, url := setup(t, sns.Config{OnPublish: func(m sns.Message) { told = append(told, m.Subject) }})
	in := &awssns.PublishInput{
		TopicArn: aws.String(alerts), Subject: aws.String("Rotation failed: ü & <b>"), Message: aws.String("line 1\nline 2 & + %"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"code":  {DataType: aws.String("String"), StringValue: aws.String("NeedsAttention")},
			"count": {DataType: aws.String("Number.int"), StringValue: aws.String("-1.5e3")},
			"list":  {DataType: aws.String("String.Array"), StringValue: aws.String(`["a"]`)},
			"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		},
	}
	out, err := client.Publish(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := []sns.Message{{
		MessageID: *out.MessageId, TopicARN: alerts, Subject: *in.Subject, Body: *in.Message, Published: now, AccessKeyID: "key",
		Attributes: map[string]sns.Attribute{
			"code": {DataType: "String", StringValue: "NeedsAttention"}, "count": {DataType: "Number.int", StringValue: "-1.5e3"},
			"list": {DataType: "String.Array", StringValue: `["a"]`}, "bytes": {DataType: "Binary", BinaryValue: []byte{0, 255}},
		},
	}}
	if diff := cmp.Diff(want, svc.Messages()); diff != "" {
		t.Error(diff)
	}
	if _, err := client.Publish(t.Context(), &awssns.PublishInput{
		TargetArn: aws.String(alerts), MessageStructure: aws.String("json"), Message: aws.String(`{"default":"d","sms":"s"}`),
	}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{*in.Subject, ""}, told); diff != "" {
		t.Error(diff)
	}
	res, err := http.Get(url + "/_sandbox/outbox")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	if !strings.Contains(string(body), `"message":"line 1\nline 2 \u0026 + %"`) || !strings.Contains(string(body), `"messageStructure":"json"`) {
		t.Errorf("page %s", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestPublishRefuses(t *testing.T) {
	svc, client, _ := setup(t, sns.Config{})
	text := func(s string) *string { return &s }
	attribute := func(name, kind, value string) awssns.PublishInput {
		return awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), MessageAttributes: map[string]types.MessageAttributeValue{
			name: {DataType: &kind, StringValue: &value},
		}}
	}
	for name, test := range map[string]struct {
		in            awssns.PublishInput
		code, message string
	}{
		"no topic":         {awssns.PublishInput{Message: text("m")}, "InvalidParameter", "TopicArn or TargetArn Reason: no value for required parameter"},
		"not an ARN":       {awssns.PublishInput{TopicArn: text("alerts"), Message: text("m")}, "InvalidParameter", "An ARN must have at least 6 elements, not 1"},
		"another's ARN":    {awssns.PublishInput{TopicArn: text("arn:aws:sqs:a:b:c"), Message: text("m")}, "InvalidParameter", "TopicArn"},
		"two topics":       {awssns.PublishInput{TopicArn: text(alerts), TargetArn: text(alerts), Message: text("m")}, "InvalidParameter", "both"},
		"phone":            {awssns.PublishInput{PhoneNumber: text("+1"), Message: text("m")}, "InvalidParameter", "PhoneNumber"},
		"unknown topic":    {awssns.PublishInput{TopicArn: text(alerts + "2"), Message: text("m")}, "NotFound", "Topic does not exist"},
		"empty":            {awssns.PublishInput{TopicArn: text(alerts), Message: text("")}, "InvalidParameter", "Empty message"},
		"too long":         {awssns.PublishInput{TopicArn: text(alerts), Message: text(strings.Repeat("m", 262145))}, "InvalidParameter", "Message too long"},
		"subject":          {awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), Subject: text(strings.Repeat("s", 101))}, "InvalidParameter", "Subject"},
		"subject line":     {awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), Subject: text("a\nb")}, "InvalidParameter", "Subject"},
		"empty subject":    {awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), Subject: text("")}, "InvalidParameter", "Subject"},
		"structure":        {awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), MessageStructure: text("xml")}, "InvalidParameter", "MessageStructure"},
		"structure parse":  {awssns.PublishInput{TopicArn: text(alerts), Message: text("m"), MessageStructure: text("json")}, "InvalidParameter", "JSON message body failed to parse"},
		"no default":       {awssns.PublishInput{TopicArn: text(alerts), Message: text(`{"sms":"s"}`), MessageStructure: text("json")}, "InvalidParameter", "No default entry in JSON message body"},
		"attribute name":   {attribute("a b", "String", "x"), "ParameterValueInvalid", "name"},
		"attribute type":   {attribute("a", "Text", "x"), "ParameterValueInvalid", "supported type prefixes"},
		"no type":          {attribute("a", "", "x"), "ParameterValueInvalid", "non-empty message attribute type"},
		"attribute value":  {attribute("a", "String", ""), "ParameterValueInvalid", "must contain non-empty message attribute value for message attribute type 'String'"},
		"attribute number": {attribute("a", "Number", "x"), "ParameterValueInvalid", "Number"},
		"attribute array":  {attribute("a", "String.Array", "x"), "ParameterValueInvalid", "array"},
		"no binary":        {attribute("a", "Binary", "x"), "ParameterValueInvalid", "Binary"},
		"attributes count": {attribute("a", "String", strings.Repeat("x", 262144)), "InvalidParameter", "Message too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Publish(t.Context(), &test.in)
			wantError(t, err, test.code, test.message)
		})
	}
	if len(svc.Messages()) != 0 {
		t.Error("refused messages are kept")
	}
	// Exactly the limits are fine.
	if _, err := client.Publish(t.Context(), &awssns.PublishInput{
		TopicArn: text(alerts), Message: text(strings.Repeat("m", 262144)), Subject: text(strings.Repeat("ü", 100)),
	}); err != nil {
		t.Error(err)
	}
}

func TestTopics(t *testing.T) {
	_, client, _ := setup(t, sns.Config{})
	for _, name := range []string{"", "a b", strings.Repeat("a", 257), "x.fifo"} {
		_, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: &name})
		wantError(t, err, "InvalidParameter", "Topic Name")
	}
	want := []string{alerts}
	for i := range 120 {
		name := fmt.Sprint("t-", i)
		for range 2 { // creating it again returns the same one
			out, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: &name})
			if err != nil || !strings.HasSuffix(*out.TopicArn, ":"+name) {
				t.Fatal(out, err)
			}
		}
		want = append(want, "arn:aws:sns:eu-west-1:123456789012:"+name)
	}
	var got []string
	p := awssns.NewListTopicsPaginator(client, &awssns.ListTopicsInput{})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range page.Topics {
			got = append(got, *topic.TopicArn)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err := client.ListTopics(t.Context(), &awssns.ListTopicsInput{NextToken: aws.String("x")})
	wantError(t, err, "InvalidParameter", "NextToken")
}

func TestSubscribe(t *testing.T) {
	_, client, _ := setup(t, sns.Config{})
	subscribe := func(arn, protocol, endpoint string, returnARN bool) (string, error) {
		out, err := client.Subscribe(t.Context(), &awssns.SubscribeInput{
			TopicArn: &arn, Protocol: &protocol, Endpoint: &endpoint, ReturnSubscriptionArn: returnARN,
		})
		if err != nil {
			return "", err
		}
		return *out.SubscriptionArn, nil
	}
	if got, err := subscribe(alerts, "email", "a@example.com", false); err != nil || got != "pending confirmation" {
		t.Error(got, err)
	}
	first, err := subscribe(alerts, "email", "a@example.com", true)
	if err != nil || !strings.HasPrefix(first, alerts+":") {
		t.Error(first, err)
	}
	if again, err := subscribe(alerts, "email", "a@example.com", true); err != nil || again != first {
		t.Error(again, err)
	}
	if got, err := subscribe(alerts, "sqs", "arn:aws:sqs:a:b:c", false); err != nil || got == first {
		t.Error(got, err)
	}
	_, err = subscribe("x", "sqs", "e", false)
	wantError(t, err, "InvalidParameter", "TopicArn")
	for _, protocol := range []string{"http", "https"} { // which would wait for ever
		_, err = subscribe(alerts, protocol, protocol+"://127.0.0.1:1/", false)
		wantError(t, err, "InvalidParameter", "delivers no messages")
	}
	_, err = subscribe(alerts, "pigeon", "e", false)
	wantError(t, err, "InvalidParameter", "protocol string: pigeon")
	_, err = subscribe(alerts, "sqs", "", false)
	wantError(t, err, "InvalidParameter", "Endpoint")
	_, err = subscribe(alerts+"2", "sqs", "e", false)
	wantError(t, err, "NotFound", "Topic does not exist")
}

func TestKeep(t *testing.T) {
	svc, client, _ := setup(t, sns.Config{Keep: 2})
	for _, m := range []string{"a", "b", "c"} {
		if _, err := client.Publish(t.Context(), &awssns.PublishInput{TopicArn: aws.String(alerts), Message: &m}); err != nil {
			t.Fatal(err)
		}
	}
	if got := svc.Messages(); len(got) != 2 || got[0].Body != "b" {
		t.Errorf("%+v", got)
	}
}
