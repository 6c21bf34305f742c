package lambdaboot

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func TestMeasure(t *testing.T) {
	changed := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ended := rotation.Ending{Outcome: rotation.Rotated, Secret: "prod/app", Event: rotation.Event{CredentialGapMs: new(int64(17))}}
	for name, tc := range map[string]struct {
		out    any
		failed error
		want   []string
		not    string
	}{
		"a step":            {rotation.Created{}, nil, []string{`"StepDuration":1500`, `"Step":"f"`}, "Retries"},
		"a failed attempt":  {rotation.Created{}, errors.New("no"), []string{`"Retries":1`}, "Rotations"},
		"the end":           {ended, nil, []string{`"Rotations":1`, `"Outcome":"Rotated"`, `"CredentialGapMs":17`, `"secret":"prod/app"`}, "Retries"},
		"inside the window": {rotation.SetResult{ChangedAt: &changed}, nil, []string{`"WindowSlackSeconds":600`}, "Rotations"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			e := Env{Metrics: &metrics.Writer{Out: &log, Deployment: "d"}}
			payload := []byte(`{"plan":{"window":{"opensAt":"2026-03-01T11:00:00Z","closesAt":"2026-03-01T12:10:00Z"}}}`)
			e.measure("f", 1500*time.Millisecond, payload, tc.out, tc.failed)
			for _, want := range tc.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("no %s in %s", want, log.String())
				}
			}
			if strings.Contains(log.String(), `"`+tc.not+`":`) {
				t.Errorf("%s in %s", tc.not, log.String())
			}
		})
	}
}
