package asl_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// A wait until a time ends with its second, as on AWS, and one that is over at once.
func TestWaitUntil(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := load(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","TimestampPath":"$.t","End":true}}}`)
	for until, want := range map[string]time.Duration{
		"2026-03-01T12:00:05Z": 5 * time.Second, "2026-03-01T12:00:05.999Z": 5 * time.Second,
		"2026-03-01T13:00:02+01:00": 2 * time.Second, "2026-03-01T11:00:00Z": 0, "2026-03-01T12:00:00.5Z": 0,
	} {
		clock := asl.NewVirtualClock(start)
		result := m.Run(t.Context(), asl.Run{Input: json.RawMessage(`{"t":"` + until + `"}`), Clock: clock})
		if took := clock.Now().Sub(start); result.Status != asl.Succeeded || took != want {
			t.Errorf("%s: %s after %s, want %s", until, result.Status, took, want)
		}
	}
}
