package eventbridge_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
)

// TestDocumentedRule: the rule in docs/triggers.md makes a request that Plan
// accepts.
func TestDocumentedRule(t *testing.T) {
	page, err := os.ReadFile("../../docs/triggers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d JSON blocks: the test wants pattern, paths and template", len(blocks))
	}
	// As GuardDuty sends it (user guide: "Processing GuardDuty findings with
	// Amazon EventBridge"), less what does not matter here. PutEvents refuses
	// sources of AWS, so another one stands for it.
	const source = "not.guardduty"
	finding := func(user, kind string) string {
		return `{"id":"f-1","type":"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.` + kind + `","severity":8,` +
			`"resource":{"resourceType":"AccessKey","accessKeyDetails":{"principalId":"AROA:i-1","userType":"AssumedRole","userName":"` + user + `"}}}`
	}
	var started []string
	rule := rotateNow(&started, nil)
	rule.Pattern = regexp.MustCompile(`"aws.guardduty"`).ReplaceAllString(blocks[0][1], `"`+source+`"`)
	if rule.Pattern == blocks[0][1] {
		t.Fatal("the pattern is not of GuardDuty's events")
	}
	if err := json.Unmarshal([]byte(blocks[1][1]), &rule.InputPaths); err != nil {
		t.Fatal(err)
	}
	rule.InputTemplate = blocks[2][1]
	rule.Start = func(_ context.Context, input json.RawMessage) error {
		started = append(started, string(input))
		return nil
	}
	_, client, _ := setup(t, eventbridge.Config{Rules: []eventbridge.Rule{rule}})
	put(t, client,
		entry(source, "GuardDuty Finding", finding("orders-app-role", "OutsideAWS")),
		entry(source, "GuardDuty Finding", finding("orders-app-role", "InsideAWS")),
		entry(source, "GuardDuty Finding", finding("another-role", "OutsideAWS")),
		entry(source, "Something else", finding("orders-app-role", "OutsideAWS")),
	)
	if len(started) != 2 {
		t.Fatalf("%d of 4 events started a rotation, want 2", len(started))
	}
	got, err := rotation.ParseRequest(json.RawMessage(started[0]))
	if err != nil {
		t.Fatal(err)
	}
	want := rotation.Request{
		SecretID: "prod/orders/app", Strategy: rotation.SingleUser, OutsideWindow: rotation.OutsideRotate,
		Trigger: rotation.Trigger{
			Source: rotation.SourceEvent,
			Reason: "GuardDuty UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS, finding f-1",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
