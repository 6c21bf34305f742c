// Package lambdaboot is what every Lambda function's main calls: it wires a
// step to AWS, logs each invocation, and reports errors under their code.
//
// The sandbox builds the same handlers with another [Env]. They are built in packages by
// what they need of AWS, below this one: a client that a function does not use costs it
// time at each cold start. FinishSecret, on which applications wait, needs Secrets
// Manager only and is here.
package lambdaboot

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Env is what the functions are built from.
type Env struct {
	AWS aws.Config
	Log *slog.Logger
	Now func() time.Time
	Deployment

	Metrics *metrics.Writer // nil: none are written

	// What the sandbox does otherwise than a deployment. Optional.
	Open  func(secretName string) bool                     // secrets whose requests stand for themselves
	Sleep func(ctx context.Context, d time.Duration) error // how Restore waits for late statements
}

// Deployment is what a function is told about the deployment that it is part
// of. All of it is optional.
type Deployment struct {
	Name          string            // TUMBLER_DEPLOYMENT
	RotatorARN    string            // TUMBLER_ROTATOR_ARN: Tumbler's own native rotation function
	Functions     []string          // TUMBLER_ROTATION_FUNCTIONS: ARNs that a request may name, separated by commas
	ScheduleGroup string            // TUMBLER_SCHEDULE_GROUP: the registry; none: every request stands for itself
	Strategy      rotation.Strategy // TUMBLER_STRATEGY: of secrets that the rotator does not find in the registry

	EventInterval time.Duration // TUMBLER_EVENT_INTERVAL, default 1h: how old AWSCURRENT is at least before an event rotates it

	Runbook string // TUMBLER_RUNBOOK: where the runbook is published, for alerts

	AlertTopicARN   string // TUMBLER_ALERT_TOPIC_ARN: where the functions incident and audit send alerts
	StateMachineARN string // TUMBLER_STATE_MACHINE_ARN: whose executions the functions audit and preflight look at
}

// deployment reads the environment variables.
func deployment(getenv func(string) string) Deployment {
	d := Deployment{
		Name:          getenv("TUMBLER_DEPLOYMENT"),
		RotatorARN:    getenv("TUMBLER_ROTATOR_ARN"),
		ScheduleGroup: getenv("TUMBLER_SCHEDULE_GROUP"),
		Strategy:      rotation.Strategy(getenv("TUMBLER_STRATEGY")),

		Runbook: getenv("TUMBLER_RUNBOOK"),

		AlertTopicARN: getenv("TUMBLER_ALERT_TOPIC_ARN"), StateMachineARN: getenv("TUMBLER_STATE_MACHINE_ARN"),
	}
	var err error
	if d.EventInterval, err = time.ParseDuration(getenv("TUMBLER_EVENT_INTERVAL")); err != nil {
		d.EventInterval = time.Hour // nobody is let through by a value that cannot be read
	}
	for arn := range strings.SplitSeq(getenv("TUMBLER_ROTATION_FUNCTIONS"), ",") {
		if arn = strings.TrimSpace(arn); arn != "" {
			d.Functions = append(d.Functions, arn)
		}
	}
	return d
}

// Builder makes a function's handler.
type Builder func(Env) lambda.Handler

// Start runs the function on the Lambda runtime. It does not return.
func Start(build Builder) {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	d := deployment(os.Getenv)
	lambda.Start(build(Env{
		AWS: AWS(os.Getenv), Log: log, Now: time.Now, Deployment: d,
		Metrics: &metrics.Writer{Out: os.Stdout, Deployment: d.Name},
	}))
}

// FinishSecret builds the function finishsecret.
func FinishSecret(e Env) lambda.Handler {
	finish := rotation.Finish{Secrets: e.Secrets(), Now: e.Now}
	return ReadyOr(Handler(e, "finishsecret", finish.Ready), Handler(e, "finishsecret", finish.Run))
}

// Secrets is Secrets Manager.
func (e Env) Secrets() *secretsmgr.Client {
	return secretsmgr.New(secretsmanager.NewFromConfig(e.AWS))
}
