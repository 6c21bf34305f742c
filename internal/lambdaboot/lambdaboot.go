// Package lambdaboot is what every Lambda function's main calls: it wires a
// step to AWS, logs each invocation, and reports errors under their code.
//
// The sandbox builds the same handlers with another [Env]. The packages below this one group
// them by the AWS clients that they need, because an unused client costs time at each cold
// start. FinishSecret, for which applications wait, needs Secrets Manager only and is here.
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

// Env has the dependencies of the functions.
type Env struct {
	AWS aws.Config
	Log *slog.Logger
	Now func() time.Time
	Deployment

	Metrics *metrics.Writer // nil: none are written

	// Set by the sandbox only. Optional.
	Open  func(secretName string) bool                     // secrets that may be rotated without a registry entry
	Sleep func(ctx context.Context, d time.Duration) error // how Restore waits for late statements
}

// Deployment is a function's configuration by environment variables. All are optional.
type Deployment struct {
	Name          string            // TUMBLER_DEPLOYMENT
	RotatorARN    string            // TUMBLER_ROTATOR_ARN: Tumbler's own native rotation function
	Functions     []string          // TUMBLER_ROTATION_FUNCTIONS: ARNs that a request may name, separated by commas
	ScheduleGroup string            // TUMBLER_SCHEDULE_GROUP: the registry; "": every request is complete by itself
	Strategy      rotation.Strategy // TUMBLER_STRATEGY: for secrets that the rotator does not find in the registry

	EventInterval time.Duration // TUMBLER_EVENT_INTERVAL, default 1h: minimum age of AWSCURRENT for a rotation by an event

	Runbook string // TUMBLER_RUNBOOK: URL of the runbook, for alerts

	AlertTopicARN   string // TUMBLER_ALERT_TOPIC_ARN: for alerts of the functions incident and audit
	StateMachineARN string // TUMBLER_STATE_MACHINE_ARN: for the functions audit and preflight, which list its executions
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
		d.EventInterval = time.Hour // an invalid value must not disable the limit
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

// Secrets returns a client of Secrets Manager.
func (e Env) Secrets() *secretsmgr.Client {
	return secretsmgr.New(secretsmanager.NewFromConfig(e.AWS))
}
