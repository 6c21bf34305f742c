package metrics_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

func TestPut(t *testing.T) {
	var out bytes.Buffer
	w := metrics.Writer{Out: &out, Deployment: "tumbler", Now: func() time.Time { return time.UnixMilli(1700000000123) }}
	w.Put(map[metrics.Name]float64{metrics.StepDuration: 12.5, metrics.Retries: 1},
		metrics.Dimensions{metrics.Step: "setsecret"}, map[string]string{"secret": "prod/app", "Deployment": "other"})
	var got any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, out.String())
	}
	want := map[string]any{
		"_aws": map[string]any{
			"Timestamp": 1700000000123.0,
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace":  "Tumbler",
				"Dimensions": []any{[]any{"Deployment", "Step"}},
				"Metrics": []any{
					map[string]any{"Name": "Retries", "Unit": "Count"},
					map[string]any{"Name": "StepDuration", "Unit": "Milliseconds"},
				},
			}},
		},
		"Deployment": "tumbler", "Step": "setsecret", "Retries": 1.0, "StepDuration": 12.5, "secret": "prod/app",
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestNothingToWriteTo(t *testing.T) {
	var none *metrics.Writer
	none.Put(map[metrics.Name]float64{metrics.Rotations: 1}, nil, nil)
	(&metrics.Writer{}).Put(map[metrics.Name]float64{metrics.Rotations: 1}, nil, nil)
	var out bytes.Buffer
	(&metrics.Writer{Out: &out}).Put(nil, nil, nil)
	if out.Len() > 0 {
		t.Errorf("wrote %s", out.String())
	}
}
