// Package watching builds the functions that are not steps of the state machine: audit,
// heartbeat, incident, preflight, and the rotator for native rotation. Their cold starts do
// not matter.
package watching

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tumbler-rotation/tumbler/internal/aws/alerttopic"
	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/rdsapi"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
	"github.com/tumbler-rotation/tumbler/internal/watch/incident"
)

// Preflight builds the function preflight.
func Preflight(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		return lambdaboot.Handler(e, "preflight", rotation.Preflight{
			Secrets: e.Secrets(), Executions: executions.For(e.AWS), Registry: registry.Optional(e.AWS, e.ScheduleGroup), Open: e.Open,
			Databases: rdsapi.For(e.AWS).Direct(engines), Servers: rdsapi.For(e.AWS), Proxies: rdsapi.For(e.AWS),
			Region: e.AWS.Region, RotatorARN: e.RotatorARN, Functions: e.Functions, StateMachineARN: e.StateMachineARN, Now: e.Now,
		}.Run)
	}
}

// Rotator builds the function rotator.
func Rotator(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		return lambdaboot.Handler(e, "rotator", rotation.Rotator{
			Secrets: e.Secrets(), Databases: rdsapi.For(e.AWS).Direct(engines), Servers: rdsapi.For(e.AWS),
			Registry: registry.Optional(e.AWS, e.ScheduleGroup), Strategy: e.Strategy, Now: e.Now,
		}.Run)
	}
}

// Incident builds the function incident.
func Incident(e lambdaboot.Env) lambda.Handler {
	return lambdaboot.Handler(e, "incident", incident.Reporter{Executions: executions.For(e.AWS), Secrets: e.Secrets(), Topic: topic(e), Runbook: e.Runbook, Now: e.Now}.Run)
}

// Audit builds the function audit.
func Audit(e lambdaboot.Env) lambda.Handler {
	return lambdaboot.Handler(e, "audit", audit.Report{
		Auditor: audit.Auditor{
			Registry: registry.For(e.AWS, e.ScheduleGroup), Secrets: e.Secrets(), Executions: executions.For(e.AWS), StateMachine: e.StateMachineARN, Now: e.Now,
		},
		Metrics: auditMetrics{e.Metrics}, Topic: topic(e),
		Log: func(s audit.Status) {
			e.Log.Warn("finding", "secret", s.Secret, "state", string(s.State), "detail", s.Detail)
		},
	}.Run)
}

// Heartbeat builds the function heartbeat.
func Heartbeat(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		return lambdaboot.Handler(e, "heartbeat", audit.Heartbeat{
			Registry: registry.For(e.AWS, e.ScheduleGroup), Secrets: e.Secrets(), Databases: engines,
			Report: func(b audit.HeartbeatCounts) {
				e.Metrics.Put(map[metrics.Name]float64{metrics.Drift: float64(b.Drift), unreachable: float64(b.Unreachable)}, nil, nil)
			},
			Log:    func(secret, what string) { e.Log.Warn("no heartbeat", "secret", secret, "cause", what) },
			Advise: func(secret, what string) { e.Log.Warn("advice", "secret", secret, "cause", what) },
		}.Run)
	}
}

// Metrics of these functions alone.
const (
	unreachable metrics.Name = "Unreachable" // secrets whose database does not answer a heartbeat
	stuck       metrics.Name = "Stuck"       // secrets whose AWSPENDING was left behind
	missing     metrics.Name = "Missing"     // configured secrets that are gone or deleted
	unknown     metrics.Name = "Unknown"     // configured secrets that could not be examined
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

func topic(e lambdaboot.Env) alerttopic.Topic {
	return alerttopic.Topic{API: sns.NewFromConfig(e.AWS), ARN: e.AlertTopicARN}
}
