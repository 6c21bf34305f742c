package rotation_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// docs/event.schema.json is what others parse events by: every event is valid by it, and
// an event with every field.
func TestEventsFollowTheirSchema(t *testing.T) {
	raw, err := os.ReadFile("../../docs/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	announced := []rotation.Outcome{rotation.Rotated, rotation.AlreadyRotating, rotation.WindowClosed, rotation.Refused, rotation.RestoredCleanly, rotation.NeedsAttention}
	full := rotation.Event{
		Outcome: rotation.Rotated, SecretARN: "arn", Applications: "unaffected", Execution: "arn", VersionID: "v", Step: "s", Error: "e", RestoreError: "r",
		Trigger:   rotation.Trigger{Source: rotation.SourceSchedule, ScheduledAt: new(noon), Reason: "r"},
		StartedAt: noon, EndedAt: noon.Add(time.Second), Changes: []string{"c"}, Recovered: true, StaleKeys: []string{"url"}, Advice: []string{"a"}, Healed: true,
		ReplicaLagMs: new(int64(1)), ReplicasBehind: []string{"eu-west-1"}, CredentialGapMs: new(int64(1)), CredentialGapAtMostMs: new(int64(1)),
	}
	for field, value := range reflect.ValueOf(full).Fields() {
		if value.IsZero() {
			t.Errorf("this test's event has no %s", field.Name)
		}
	}
	events := []rotation.Event{full}
	for _, e := range alerts(t) {
		if slices.Contains(announced, e.Outcome) {
			events = append(events, e.Event)
		}
	}
	for _, e := range events {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
	// No field of an event is missing above, and none of the schema's is made up.
	b, _ := json.Marshal(full)
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range doc.(map[string]any)["properties"].(map[string]any) {
		if _, ok := fields[name]; !ok && name != "superuser" { // which only the state machine adds
			t.Errorf("no event has a field %s", name)
		}
	}
	full.Outcome = "Made up"
	b, _ = json.Marshal(full)
	value, _ := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if schema.Validate(value) == nil {
		t.Error("the schema takes everything")
	}
}
