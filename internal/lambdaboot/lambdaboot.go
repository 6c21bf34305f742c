// Package lambdaboot is what every Lambda function's main calls: it wires a
// step to AWS, logs each invocation, and reports errors under their code.
//
// The sandbox builds the same handlers with another [Env].
package lambdaboot

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/redshift"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/rdsapi"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/engine"
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
	cfg, err := config.LoadDefaultConfig(context.Background(), ClientOptions)
	if err != nil {
		log.Error("loading the AWS configuration", "error", err.Error())
		os.Exit(1)
	}
	d := deployment(os.Getenv)
	lambda.Start(build(Env{
		AWS: cfg, Log: log, Now: time.Now, Deployment: d,
		Metrics: &metrics.Writer{Out: os.Stdout, Deployment: d.Name},
	}))
}

// ClientOptions make a VPC without a route to AWS fail within seconds and with
// a message, where the SDK's defaults outlast the function: three attempts of
// two seconds to connect.
func ClientOptions(o *config.LoadOptions) error {
	o.HTTPClient = awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 2 * time.Second }).
		WithTimeout(8 * time.Second)
	o.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 3 })
	}
	return nil
}

// Plan builds the function plan.
func Plan(e Env) lambda.Handler {
	return handler(e, "plan", rotation.Plan{
		Secrets: e.secrets(), Executions: e.executions(), Registry: e.registry(), Open: e.Open, Region: e.AWS.Region,
		RotatorARN: e.RotatorARN, Functions: e.Functions, EventInterval: e.EventInterval, Runbook: e.Runbook, Now: e.Now,
	}.Run)
}

// CreateSecret builds the function createsecret.
func CreateSecret(e Env) lambda.Handler {
	return handler(e, "createsecret", rotation.Create{Secrets: e.secrets(), Executions: e.executions(), Now: e.Now}.Run)
}

// SetSecret builds the function setsecret.
func SetSecret(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		return handler(e, "setsecret", rotation.Set{
			Secrets: e.secrets(), Databases: e.servers().Direct(engines), Servers: e.servers(), Now: e.Now,
		}.Run)
	}
}

// TestSecret builds the function testsecret.
func TestSecret(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		test := rotation.Test{Secrets: e.secrets(), Databases: e.servers().Direct(engines), Kept: &rotation.Kept{}}
		return readyOr(handler(e, "testsecret", test.Ready), handler(e, "testsecret", test.Run))
	}
}

// FinishSecret builds the function finishsecret.
func FinishSecret(e Env) lambda.Handler {
	finish := rotation.Finish{Secrets: e.secrets(), Now: e.Now}
	return readyOr(handler(e, "finishsecret", finish.Ready), handler(e, "finishsecret", finish.Run))
}

// Restore builds the function restore.
func Restore(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		restore := rotation.Restore{
			Secrets: e.secrets(), Databases: e.servers().Direct(engines), Servers: e.servers(), Runbook: e.Runbook, Now: e.Now, Sleep: e.Sleep,
		}
		return readyOr(handler(e, "restore", restore.Ready), handler(e, "restore", restore.Run))
	}
}

// Preflight builds the function preflight.
func Preflight(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		return handler(e, "preflight", rotation.Preflight{
			Secrets: e.secrets(), Executions: e.executions(), Registry: e.registry(), Open: e.Open,
			Databases: e.servers().Direct(engines), Servers: e.servers(), Proxies: e.servers(),
			Region: e.AWS.Region, RotatorARN: e.RotatorARN, Functions: e.Functions, StateMachineARN: e.StateMachineARN, Now: e.Now,
		}.Run)
	}
}

// Rotator builds the function rotator.
func Rotator(engines engine.Table) Builder {
	return func(e Env) lambda.Handler {
		return handler(e, "rotator", rotation.Rotator{
			Secrets: e.secrets(), Databases: e.servers().Direct(engines), Servers: e.servers(),
			Registry: e.registry(), Strategy: e.Strategy, Now: e.Now,
		}.Run)
	}
}

func (e Env) secrets() *secretsmgr.Client {
	return secretsmgr.New(secretsmanager.NewFromConfig(e.AWS))
}

// servers knows RDS and Redshift.
func (e Env) servers() rdsapi.Resolver {
	return rdsapi.Resolver{RDS: rds.NewFromConfig(e.AWS), Redshift: redshift.NewFromConfig(e.AWS)}
}

// registry is nil when there is none.
func (e Env) registry() rotation.Registry {
	if e.ScheduleGroup == "" {
		return nil
	}
	return registry.New(scheduler.NewFromConfig(e.AWS), e.ScheduleGroup)
}

func (e Env) executions() *executions.Client {
	return executions.New(sfn.NewFromConfig(e.AWS))
}
