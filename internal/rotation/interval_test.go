package rotation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// AWSCURRENT is 16 minutes old. Events have to wait for their interval; nobody else.
func TestEventsWaitForTheirInterval(t *testing.T) {
	for _, tc := range []struct {
		source   string
		outside  string
		interval time.Duration
		want     fault.Code
	}{
		{rotation.SourceEvent, "", 15 * time.Minute, ""},
		{rotation.SourceEvent, "", 16 * time.Minute, ""},
		{rotation.SourceEvent, "", 17 * time.Minute, fault.TooSoon},
		{rotation.SourceEvent, "", 2 * time.Hour, fault.TooSoon},
		{rotation.SourceEvent, rotation.OutsideRotate, 2 * time.Hour, fault.TooSoon}, // is about windows
		{rotation.SourceEvent, "", 0, ""},
		{rotation.SourceManual, "", 2 * time.Hour, ""},
		{rotation.SourceSchedule, "", 2 * time.Hour, ""},
	} {
		request, err := json.Marshal(rotation.Request{SecretID: "prod/app", OutsideWindow: tc.outside, Trigger: rotation.Trigger{Source: tc.source}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = rotation.Plan{
			Secrets: secret(nil), Executions: running(nil), Region: "us-east-1", Now: atNoon, EventInterval: tc.interval,
		}.Run(t.Context(), rotation.PlanInput{Request: request, Execution: rotation.Execution{ARN: thisExecution}})
		if fault.CodeOf(err) != tc.want || tc.want == "" && err != nil {
			t.Errorf("%s, %s: got %v, want %q", tc.source, tc.interval, err, tc.want)
		}
		if err != nil && !strings.Contains(fault.From(err).Hint, "ask again after 2026-03-01") {
			t.Errorf("no time is said: %v", err)
		}
	}
}
