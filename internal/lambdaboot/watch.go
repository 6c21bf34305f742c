package lambdaboot

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tumbler-rotation/tumbler/internal/aws/alerttopic"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
	"github.com/tumbler-rotation/tumbler/internal/watch/incident"
)

// The functions that watch over rotations; the others run them.

// Incident builds the function incident.
func Incident(e Env) lambda.Handler {
	return handler(e, "incident", incident.Reporter{Executions: e.executions(), Secrets: e.secrets(), Topic: e.topic(), Runbook: e.Runbook, Now: e.Now}.Run)
}

// Audit builds the function audit.
func Audit(e Env) lambda.Handler {
	return handler(e, "audit", audit.Report{
		Auditor: audit.Auditor{
			Registry: e.configured(), Secrets: e.secrets(), Executions: e.executions(), StateMachine: e.StateMachineARN, Now: e.Now,
		},
		Metrics: auditMetrics{e.Metrics}, Topic: e.topic(),
		Log: func(s audit.Status) {
			e.Log.Warn("finding", keySecret, s.Secret, "state", string(s.State), "detail", s.Detail)
		},
	}.Run)
}

// Heartbeat builds the function heartbeat.
func Heartbeat(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		return handler(e, "heartbeat", audit.Heartbeat{
			Registry: e.configured(), Secrets: e.secrets(), Databases: engines,
			Beats: func(b audit.Beats) {
				e.Metrics.Put(map[metrics.Name]float64{metrics.Drift: float64(b.Drift), unreachable: float64(b.Unreachable)}, nil, nil)
			},
			Log:    func(secret, what string) { e.Log.Warn("no heartbeat", keySecret, secret, keyCause, what) },
			Advise: func(secret, what string) { e.Log.Warn("advice", keySecret, secret, keyCause, what) },
		}.Run)
	}
}

// Metrics of these functions alone.
const (
	unreachable metrics.Name = "Unreachable" // secrets whose database does not answer a heartbeat
	stuck       metrics.Name = "Stuck"       // secrets whose AWSPENDING was left behind
	missing     metrics.Name = "Missing"     // configured secrets that are gone or deleted
	unknown     metrics.Name = "Unknown"     // configured secrets that could not be looked at
)

type auditMetrics struct{ out *metrics.Writer }

// Count implements [audit.Metrics].
func (m auditMetrics) Count(counts map[audit.State]int) {
	names := map[audit.State]metrics.Name{
		audit.Overdue: metrics.Overdue, audit.Stuck: stuck, audit.Missing: missing, audit.Unknown: unknown,
	}
	values := map[metrics.Name]float64{}
	for state, n := range counts {
		values[names[state]] = float64(n)
	}
	m.out.Put(values, nil, nil)
}

func (e Env) topic() alerttopic.Topic {
	return alerttopic.Topic{API: sns.NewFromConfig(e.AWS), ARN: e.AlertTopicARN}
}

// configured is the registry of functions that cannot do without.
func (e Env) configured() *registry.Client {
	return registry.New(scheduler.NewFromConfig(e.AWS), e.ScheduleGroup)
}
