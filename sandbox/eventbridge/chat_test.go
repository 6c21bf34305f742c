package eventbridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
)

// ruleOf has a rule of the examples at work, and what it sends.
func ruleOf(t *testing.T, path string) (*[]json.RawMessage, *sdk.Client) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		EventPattern     json.RawMessage
		InputTransformer struct {
			InputPathsMap map[string]string
			InputTemplate string
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var sent []json.RawMessage
	_, client, _ := setup(t, eventbridge.Config{Rules: []eventbridge.Rule{{
		Name: "example", Region: "eu-west-1", Pattern: string(file.EventPattern), InputPaths: file.InputTransformer.InputPathsMap, InputTemplate: file.InputTransformer.InputTemplate,
		Start: func(_ context.Context, input json.RawMessage) error {
			sent = append(sent, input)
			return nil
		},
	}}})
	return &sent, client
}

// fits holds a message to the schema that was written from the receiver's page.
func fits(t *testing.T, schema string, message json.RawMessage) {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile("testdata/" + schema + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v", message, err)
	}
}

// secret is the one that incident is about.
const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/app-AbCdEf"

// incident is a rotation for which a person is needed, one for which nobody is, and one
// that succeeds.
func incident(t *testing.T, client *sdk.Client) {
	t.Helper()
	failed := `{"outcome":"NeedsAttention","secretArn":"` + secret + `","applications":"at risk","step":"SetSecret","error":"LoginRefused","execution":"arn:execution"}`
	put(t, client, entry("tumbler", "Rotation Failed", failed))
	put(t, client, entry("tumbler", "Rotation Failed", strings.Replace(failed, "NeedsAttention", "Refused", 1)))
	put(t, client, entry("tumbler", "Rotation Succeeded", `{"outcome":"Rotated","secretArn":"`+secret+`"}`))
}

// examples/pagerduty pages for what a person is needed for, and settles it when the secret
// has been rotated again: both are about the same incident.
func TestPagerDutyRules(t *testing.T) {
	pages, client := ruleOf(t, "../../examples/pagerduty/trigger.json")
	incident(t, client)
	settles, client := ruleOf(t, "../../examples/pagerduty/resolve.json")
	incident(t, client)
	if len(*pages) != 1 || len(*settles) != 1 {
		t.Fatalf("%s, %s", *pages, *settles)
	}
	var page, settle struct {
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct{ Summary, Severity string }
	}
	for message, into := range map[string]any{string((*pages)[0]): &page, string((*settles)[0]): &settle} {
		fits(t, "pagerduty", json.RawMessage(message))
		if err := json.Unmarshal([]byte(message), into); err != nil || strings.ContainsAny(message, "<>") {
			t.Fatal(message, err)
		}
	}
	if page.EventAction != "trigger" || page.Payload.Severity != "critical" || page.Payload.Summary != "NeedsAttention: "+secret+", applications at risk" ||
		settle.EventAction != "resolve" || settle.DedupKey != secret || page.DedupKey != secret {
		t.Errorf("%+v, %+v", page, settle)
	}
}

// examples/opsgenie pages for what a person is needed for. One secret is one alert, however
// often it fails.
func TestOpsgenieRule(t *testing.T) {
	sent, client := ruleOf(t, "../../examples/opsgenie/create.json")
	incident(t, client)
	if len(*sent) != 1 {
		t.Fatalf("%s", *sent)
	}
	fits(t, "opsgenie", (*sent)[0])
	var alert struct{ Message, Alias, Priority string }
	if err := json.Unmarshal((*sent)[0], &alert); err != nil || strings.ContainsAny(string((*sent)[0]), "<>") {
		t.Fatalf("%s: %v", (*sent)[0], err)
	}
	if alert.Message != "Tumbler: NeedsAttention, applications at risk" || alert.Alias != secret || alert.Priority != "P1" {
		t.Errorf("%+v", alert)
	}
}

// examples/chat/rule.json makes of a rotation that failed what AWS's chat integration
// shows. Source: Amazon Q Developer in chat applications administrator guide, "Custom
// notifications".
func TestChatRule(t *testing.T) {
	sent, client := ruleOf(t, "../../examples/chat/rule.json")
	put(t, client, entry("tumbler", "Rotation Succeeded", `{"outcome":"Rotated"}`))
	put(t, client, entry("somebody", "Rotation Failed", `{"outcome":"NeedsAttention"}`))
	put(t, client, entry("tumbler", "Rotation Failed",
		`{"outcome":"NeedsAttention","secretArn":"arn:secret","applications":"at risk","step":"SetSecret","error":"LoginRefused","execution":"arn:execution","startedAt":"2026-03-01T12:00:00Z"}`))
	if len(*sent) != 1 {
		t.Fatalf("%d messages: %s", len(*sent), *sent)
	}
	fits(t, "chat", (*sent)[0])
	text := string((*sent)[0])
	var message struct {
		Version, Source string
		Content         struct {
			TextType, Title, Description string
			NextSteps, Keywords          []string
		}
		Metadata struct {
			ThreadID, Summary, EventType string
			RelatedResources             []string
		}
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&message); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if message.Version != "1.0" || message.Source != "custom" || message.Content.TextType != "client-markdown" ||
		message.Content.Title != "Tumbler: NeedsAttention, applications at risk" ||
		!strings.Contains(message.Content.Description, "`arn:secret` failed in SetSecret with *LoginRefused*") ||
		message.Metadata.ThreadID != "arn:secret" || len(message.Metadata.RelatedResources) != 2 || strings.ContainsAny(text, "<>") {
		t.Error(text)
	}
}
