package eventbridge_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
)

// examples/chat/rule.json makes of a rotation that failed what AWS's chat integration
// shows. Source: Amazon Q Developer in chat applications administrator guide, "Custom
// notifications".
func TestChatRule(t *testing.T) {
	raw, err := os.ReadFile("../../examples/chat/rule.json")
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
		Name: "chat", Region: "eu-west-1", Pattern: string(file.EventPattern), InputPaths: file.InputTransformer.InputPathsMap, InputTemplate: file.InputTransformer.InputTemplate,
		Start: func(_ context.Context, input json.RawMessage) error {
			sent = append(sent, input)
			return nil
		},
	}}})
	put(t, client, entry("tumbler", "Rotation Succeeded", `{"outcome":"Rotated"}`))
	put(t, client, entry("somebody", "Rotation Failed", `{"outcome":"NeedsAttention"}`))
	put(t, client, entry("tumbler", "Rotation Failed",
		`{"outcome":"NeedsAttention","secretArn":"arn:secret","applications":"at risk","step":"SetSecret","error":"LoginRefused","execution":"arn:execution","startedAt":"2026-03-01T12:00:00Z"}`))
	if len(sent) != 1 {
		t.Fatalf("%d messages: %s", len(sent), sent)
	}
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
	decoder := json.NewDecoder(strings.NewReader(string(sent[0])))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&message); err != nil {
		t.Fatalf("%v: %s", err, sent[0])
	}
	if message.Version != "1.0" || message.Source != "custom" || message.Content.TextType != "client-markdown" ||
		message.Content.Title != "Tumbler: NeedsAttention, applications at risk" ||
		!strings.Contains(message.Content.Description, "`arn:secret` failed in SetSecret with *LoginRefused*") ||
		message.Metadata.ThreadID != "arn:secret" || len(message.Metadata.RelatedResources) != 2 || strings.ContainsAny(string(sent[0]), "<>") {
		t.Errorf("%s", sent[0])
	}
}
