// Package metrics names Tumbler's CloudWatch metrics and writes them in the
// embedded metric format, as lines of a function's log: no call is made and no
// permission is needed. The alarms and the dashboard in infra use the same names.
//
// Every dimension has a limited number of values. Secrets and executions are not dimensions
// but fields of the log line, where they can be searched.
//
// Source: Amazon CloudWatch user guide, "Specification: Embedded metric format".
package metrics

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Namespace is where all metrics are.
const Namespace = "Tumbler"

// Name is the name of a metric.
type Name string

// The metrics. Each has the dimension [Deployment] and those that are named here.
const (
	Rotations          Name = "Rotations"          // count, by Outcome, once for each execution
	StepDuration       Name = "StepDuration"       // milliseconds, by Step, of each attempt
	Retries            Name = "Retries"            // count of attempts that failed, by Step
	CredentialGapMs    Name = "CredentialGapMs"    // milliseconds in which a login with AWSCURRENT was refused
	WindowSlackSeconds Name = "WindowSlackSeconds" // seconds from the commit to the window's end
	Overdue            Name = "Overdue"            // secrets whose last window passed without a rotation
	Drift              Name = "Drift"              // secrets whose AWSCURRENT or grants are not what they should be
)

// Names are all of them.
var Names = []Name{Rotations, StepDuration, Retries, CredentialGapMs, WindowSlackSeconds, Overdue, Drift}

// Dimension is the name of a dimension.
type Dimension string

// The dimensions.
const (
	Deployment Dimension = "Deployment" // TUMBLER_DEPLOYMENT: the deployment's name
	Outcome    Dimension = "Outcome"    // an ending: Rotated, RestoredCleanly, ...
	Step       Dimension = "Step"       // a function: plan, setsecret, ...
)

// unit is CloudWatch's name of the metric's unit.
func (n Name) unit() string {
	switch n {
	case StepDuration, CredentialGapMs:
		return "Milliseconds"
	case WindowSlackSeconds:
		return "Seconds"
	}
	return "Count"
}

// Writer writes the metrics of one deployment. The zero Writer drops them. It is
// safe for concurrent use.
type Writer struct {
	Out        io.Writer        // the function's standard output
	Deployment string           // Required.
	Now        func() time.Time // Optional.

	mu sync.Mutex
}

// Dimensions are the values of the dimensions beside [Deployment].
type Dimensions map[Dimension]string

// Put writes values that were measured at the same time. fields, such as the secret, are
// added to the line for searches; they are not dimensions and cost nothing. Errors are
// dropped, because a metric must not fail a rotation.
func (w *Writer) Put(values map[Name]float64, dims Dimensions, fields map[string]string) {
	if w == nil || w.Out == nil || len(values) == 0 {
		return
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	type metric struct{ Name, Unit string }
	line := map[string]any{string(Deployment): w.Deployment}
	names := []string{string(Deployment)}
	for _, d := range slices.Sorted(maps.Keys(dims)) {
		line[string(d)] = dims[d]
		names = append(names, string(d))
	}
	for key, value := range fields {
		if _, taken := line[key]; !taken {
			line[key] = value
		}
	}
	var list []metric
	for _, name := range slices.Sorted(maps.Keys(values)) {
		line[string(name)] = values[name]
		list = append(list, metric{string(name), name.unit()})
	}
	line["_aws"] = map[string]any{
		"Timestamp":         now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{"Namespace": Namespace, "Dimensions": [][]string{names}, "Metrics": list}},
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.Out.Write(append(encoded, '\n'))
}
