package eventbridge_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	eb "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var now = time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)

func setup(t *testing.T, cfg eventbridge.Config) (*eventbridge.Service, *eb.Client, string) {
	t.Helper()
	cfg.Now = func() time.Time { return now }
	svc := eventbridge.New(cfg)
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
	return svc, eb.New(eb.Options{
		Region: "eu-west-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "x"}, nil
		}),
	}), srv.URL
}

func entry(source, detailType, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{Source: &source, DetailType: &detailType, Detail: &detail}
}

func TestPutEvents(t *testing.T) {
	var told []string
	svc, client, url := setup(t, eventbridge.Config{
		Buses:   []string{"mine"},
		OnEvent: func(e eventbridge.Event) { told = append(told, e.DetailType) },
	})
	full := entry("tumbler", "Secret Rotated", `{"secret":"arn"}`)
	full.Resources = []string{"arn:x"}
	full.Time = aws.Time(now.Add(-time.Hour))
	full.EventBusName = aws.String("arn:aws:events:eu-west-1:123456789012:event-bus/mine")
	out, err := client.PutEvents(t.Context(), &eb.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		full, entry("tumbler", "Second", `{}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	events := svc.Events()
	if out.FailedEntryCount != 0 || len(events) != 2 || *out.Entries[0].EventId != events[0].ID {
		t.Fatalf("%+v %+v", out, events)
	}
	want := eventbridge.Event{
		Version: "0", ID: events[0].ID, DetailType: "Secret Rotated", Source: "tumbler", Account: "123456789012",
		Region: "eu-west-1", Time: now.Add(-time.Hour).Truncate(time.Second), Resources: []string{"arn:x"},
		Detail: json.RawMessage(`{"secret":"arn"}`), Bus: *full.EventBusName,
	}
	if diff := cmp.Diff(want, events[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Secret Rotated", "Second"}, told); diff != "" {
		t.Error(diff)
	}
	res, err := http.Get(url + "/_sandbox/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	if !strings.Contains(string(body), `"detail-type":"Second","source":"tumbler","account":"123456789012","time":"2026-03-04T05:06:07Z"`) {
		t.Errorf("page %s", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestEntriesFailAlone(t *testing.T) {
	svc, client, _ := setup(t, eventbridge.Config{})
	bus := entry("s", "t", "{}")
	bus.EventBusName = aws.String("other")
	entries := map[string]types.PutEventsRequestEntry{
		"":                                entry("s", "t", "{}"),
		"InvalidArgument Source":          entry("", "t", "{}"),
		"InvalidArgument DetailType":      entry("s", "", "{}"),
		"InvalidArgument Detail":          entry("s", "t", ""),
		"InvalidArgument 128":             entry("s", strings.Repeat("t", 129), "{}"),
		"InvalidArgument does not exist":  bus,
		"MalformedDetail malformed":       entry("s", "t", "{"),
		"MalformedDetail is":              entry("s", "t", "[]"),
		"MalformedDetail Detail":          entry("s", "t", "null"),
		"NotAuthorizedForSourceException": entry("aws.rds", "t", "{}"),
	}
	in := &eb.PutEventsInput{}
	var want []string
	for name, e := range entries {
		want = append(want, name)
		in.Entries = append(in.Entries, e)
	}
	out, err := client.PutEvents(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if out.FailedEntryCount != 9 || len(svc.Events()) != 1 {
		t.Errorf("%d failed, %d stored", out.FailedEntryCount, len(svc.Events()))
	}
	for i, r := range out.Entries {
		code, message, _ := strings.Cut(want[i], " ")
		if aws.ToString(r.ErrorCode) != code || !strings.Contains(aws.ToString(r.ErrorMessage), message) || (code == "") == (r.EventId == nil) {
			t.Errorf("%s: %q %q %v", want[i], aws.ToString(r.ErrorCode), aws.ToString(r.ErrorMessage), r.EventId)
		}
	}
}

func TestCallsFail(t *testing.T) {
	svc, client, _ := setup(t, eventbridge.Config{})
	for name, test := range map[string]struct {
		entries []types.PutEventsRequestEntry
		want    string
	}{
		"none":         {[]types.PutEventsRequestEntry{}, "greater than or equal to 1"},
		"eleven":       {make([]types.PutEventsRequestEntry, 11), "less than or equal to 10"},
		"all bad":      {[]types.PutEventsRequestEntry{entry("s", "t", "")}, "Detail is a required argument"},
		"a megabyte":   {[]types.PutEventsRequestEntry{entry("s", "t", `{"a":"`+strings.Repeat("x", 1<<20)+`"}`)}, "over the limit"},
		"all together": {[]types.PutEventsRequestEntry{entry("s", "t", `{"a":"`+strings.Repeat("x", 1<<19)+`"}`), entry("s", "t", `{"a":"`+strings.Repeat("x", 1<<19)+`"}`)}, "over the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.PutEvents(t.Context(), &eb.PutEventsInput{Entries: test.entries})
			if err == nil || !strings.Contains(err.Error(), "ValidationException") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if len(svc.Events()) != 0 {
		t.Error("events of failed calls are kept")
	}
}

func TestKeep(t *testing.T) {
	svc, client, _ := setup(t, eventbridge.Config{Keep: 2})
	for _, name := range []string{"a", "b", "c"} {
		if _, err := client.PutEvents(t.Context(), &eb.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry("s", name, "{}")}}); err != nil {
			t.Fatal(err)
		}
	}
	if events := svc.Events(); len(events) != 2 || events[0].DetailType != "b" {
		t.Errorf("%+v", events)
	}
}
