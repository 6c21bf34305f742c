// Package planning builds the functions that decide what is rotated. They need Secrets
// Manager, Step Functions and the registry, but no database.
package planning

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Plan builds the function plan.
func Plan(e lambdaboot.Env) lambda.Handler {
	return lambdaboot.Handler(e, "plan", rotation.Plan{
		Secrets: e.Secrets(), Executions: executions.For(e.AWS), Registry: registry.Optional(e.AWS, e.ScheduleGroup), Open: e.Open, Region: e.AWS.Region,
		RotatorARN: e.RotatorARN, Functions: e.Functions, EventInterval: e.EventInterval, Runbook: e.Runbook, Now: e.Now,
	}.Run)
}

// CreateSecret builds the function createsecret.
func CreateSecret(e lambdaboot.Env) lambda.Handler {
	return lambdaboot.Handler(e, "createsecret", rotation.Create{Secrets: e.Secrets(), Executions: executions.For(e.AWS), Now: e.Now}.Run)
}

// PlanWave builds the function planwave.
func PlanWave(e lambdaboot.Env) lambda.Handler {
	wave := fleet.PlanWave{
		Source: fleet.Source{Secrets: e.Secrets(), Region: e.AWS.Region, RotatorARN: e.RotatorARN},
		Labels: e.Secrets(), Executions: executions.For(e.AWS), Now: e.Now,
	}
	if e.ScheduleGroup != "" {
		wave.Registry = registry.For(e.AWS, e.ScheduleGroup)
	}
	return lambdaboot.Handler(e, "planwave", wave.Run)
}
