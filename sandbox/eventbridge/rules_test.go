package eventbridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	eb "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// rotateNow is the deployment's rule. It remembers what it started.
func rotateNow(started *[]string, err error) eventbridge.Rule {
	return eventbridge.Rule{
		Name: "tumbler-rotate-now", Region: "eu-west-1", Pattern: statemachine.EventPattern,
		InputPaths: map[string]string{"secretId": statemachine.EventSecretID}, InputTemplate: statemachine.EventRequest,
		Start: func(_ context.Context, input json.RawMessage) error {
			*started = append(*started, string(input))
			return err
		},
	}
}

func put(t *testing.T, client *eb.Client, entries ...types.PutEventsRequestEntry) {
	t.Helper()
	out, err := client.PutEvents(t.Context(), &eb.PutEventsInput{Entries: entries})
	if err != nil {
		t.Fatal(err)
	}
	if out.FailedEntryCount > 0 {
		t.Fatalf("%d entries failed", out.FailedEntryCount)
	}
}

func TestRotateNow(t *testing.T) {
	var started []string
	svc, client, _ := setup(t, eventbridge.Config{Rules: []eventbridge.Rule{rotateNow(&started, nil)}, Buses: []string{"other"}})
	elsewhere := entry("tumbler.rotate-now", "Rotate", `{"secretId":"other-bus"}`)
	elsewhere.EventBusName = aws.String("other")
	byARN := entry("tumbler.rotate-now", "Rotate", `{"secretId":"by-arn"}`)
	byARN.EventBusName = aws.String("arn:aws:events:eu-west-1:123456789012:event-bus/default")
	put(t, client,
		entry("tumbler.rotate-now", "Rotate", `{"secretId":"prod/app","strategy":"alternating-users"}`),
		entry("tumbler.rotate-now", "x", `{"secretId":"say \"<hi>\""}`),
		entry("tumbler", "Rotation Succeeded", `{"secretId":"prod/app"}`),
		entry("tumbler.rotate-now.not", "Rotate", `{"secretId":"prod/app"}`),
		elsewhere, byARN,
	)
	want := []string{
		`{"secretId":"prod/app","trigger":{"source":"event"}}`,
		`{"secretId":"say \"\u003chi\u003e\"","trigger":{"source":"event"}}`,
		`{"secretId":"by-arn","trigger":{"source":"event"}}`,
	}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Error(diff)
	}
	if letters := svc.Undelivered(); letters != nil {
		t.Errorf("undelivered: %+v", letters)
	}
}

func TestUndelivered(t *testing.T) {
	var started []string
	told := 0
	svc, client, url := setup(t, eventbridge.Config{
		Rules: []eventbridge.Rule{
			rotateNow(&started, wire.Errorf("StateMachineDoesNotExist", "gone")), rotateNow(&started, errors.New("canary-secret")),
		},
		OnUndelivered: func(eventbridge.Undelivered) { told++ },
	})
	put(t, client, entry("tumbler.rotate-now", "Rotate", `{"secret":"prod/app"}`), entry("tumbler.rotate-now", "Rotate", `{"secretId":"prod/app"}`))
	var got []string
	for _, letter := range svc.Undelivered() {
		got = append(got, letter.Rule+" "+letter.ErrorCode+": "+letter.ErrorMessage)
	}
	const noJSON = "tumbler-rotate-now INVALID_JSON: the input template does not make valid JSON of the event"
	want := []string{
		noJSON, noJSON, "tumbler-rotate-now StateMachineDoesNotExist: gone", "tumbler-rotate-now InternalError: The target could not be started.",
	}
	if diff := cmp.Diff(want, got); diff != "" || told != len(want) {
		t.Errorf("told of %d:\n%s", told, diff)
	}
	res, err := http.Get(url + "/_sandbox/undelivered")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(string(page), `"errorCode":"INVALID_JSON"`) {
		t.Errorf("%s", page)
	}
}

func TestPattern(t *testing.T) {
	event := eventbridge.Event{
		Source: "aws.guardduty", DetailType: "GuardDuty Finding", Account: "123456789012", Resources: []string{"a", "b"},
		Detail: json.RawMessage(`{"type":"UnauthorizedAccess","severity":8,"deep":{"list":[1,"two",null,{"x":1}],"yes":true,"none":null}}`),
	}
	for pattern, want := range map[string]bool{
		`{"source":["aws.guardduty"]}`:                                         true,
		`{"source":["x","aws.guardduty"],"detail-type":["GuardDuty Finding"]}`: true,
		`{"source":["AWS.guardduty"]}`:                                         false,
		`{"source":["aws.guardduty"],"detail":{"type":["Recon"]}}`:             false,
		`{"detail":{"severity":[8]}}`:                                          true,
		`{"detail":{"severity":[8.0]}}`:                                        false,
		`{"detail":{"severity":["8"]}}`:                                        false,
		`{"detail":{"deep":{"list":["two"],"yes":[true],"none":[null]}}}`:      true,
		`{"detail":{"deep":{"list":["three"]}}}`:                               false,
		`{"detail":{"deep":["two"]}}`:                                          false,
		`{"detail":{"type":{"x":["y"]}}}`:                                      false,
		`{"detail":{"absent":[null]}}`:                                         false,
		`{"resources":["b"]}`:                                                  true,
	} {
		p, err := eventbridge.ParsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := p.Matches(event); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{
		`{}`: "at least one field", `[]`: "not a JSON object", `{`: "not a JSON object",
		`{"source":"x"}`:                       "source must be an object or an array",
		`{"source":[]}`:                        "source is empty",
		`{"detail":{}}`:                        "detail is empty",
		`{"detail":{"type":[{"prefix":"x"}]}}`: "detail.type has a content filter",
		`{"$or":[{"source":["x"]}]}`:           "$or has a content filter",
	} {
		if _, err := eventbridge.ParsePattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}

func TestInputTransformer(t *testing.T) {
	var started []string
	rule := rotateNow(&started, nil)
	rule.InputPaths = map[string]string{"type": "$.detail.type", "n": "$.detail.n", "all": "$.detail"}
	rule.InputTemplate = `{"secretId":"prod/app","trigger":{"source":"event","reason":"it is \"<type>\" of <n>"},"n":<n>,"all":<all>}`
	_, client, _ := setup(t, eventbridge.Config{Rules: []eventbridge.Rule{rule}})
	put(t, client, entry("tumbler.rotate-now", "x", `{"type":"a \"b\"","n":7}`))
	want := []string{`{"secretId":"prod/app","trigger":{"source":"event","reason":"it is \"a \"b\"\" of 7"},"n":7,"all":{"n":7,"type":"a \"b\""}}`}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Error(diff)
	}
	for name, edit := range map[string]func(*eventbridge.Rule){
		"no name":              func(r *eventbridge.Rule) { r.Name = "" },
		"no start":             func(r *eventbridge.Rule) { r.Start = nil },
		"bad pattern":          func(r *eventbridge.Rule) { r.Pattern = "{}" },
		"unknown path":         func(r *eventbridge.Rule) { r.InputPaths = map[string]string{"n": "$.a[0]"} },
		"no such path":         func(r *eventbridge.Rule) { r.InputPaths = nil },
		"template is not JSON": func(r *eventbridge.Rule) { r.InputTemplate = `{"a":<n>` },
	} {
		bad := rule
		edit(&bad)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			eventbridge.New(eventbridge.Config{Rules: []eventbridge.Rule{bad}})
		}()
	}
}
