package rotation

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
)

// function is one Lambda function. Its code is functions/<name>.
type function struct {
	name        string
	id          string // begins the logical ids; ${<id>FunctionArn} in the state machines
	description string
	memory      float64 // MB
	// timeout in seconds. It is shorter than the TimeoutSeconds of the calling state,
	// so that the function's own error arrives before the state times out.
	timeout float64
	// database is set for functions that connect to the database. They are in the VPC,
	// if there is one.
	database bool
	step     bool // a state of the rotation's state machine calls it
	// schedules is set for the function that contains the list of schedules. It is
	// created after the state machine that they start.
	schedules bool
	allowed   func(*deployment) []statement
	wanted    func(*deployment) bool // nil: always
}

func functions() []function {
	return []function{
		{
			name: "plan", id: "Plan", step: true,
			description: "Decides from the secret's metadata whether to rotate now",
			memory:      128, timeout: 30,
			allowed: (*deployment).planMay,
		},
		{
			name: "createsecret", id: "CreateSecret", step: true,
			description: "Stores a new password in a version staged AWSPENDING",
			memory:      128, timeout: 30,
			allowed: (*deployment).createSecretMay,
		},
		{
			name: "setsecret", id: "SetSecret", step: true,
			description: "Gives the database the new password",
			memory:      256, timeout: 60, database: true,
			allowed: (*deployment).setSecretMay,
		},
		{
			name: "testsecret", id: "TestSecret", step: true,
			description: "Logs in with the new password",
			memory:      256, timeout: 30, database: true,
			allowed: (*deployment).testSecretMay,
		},
		{
			name: "finishsecret", id: "FinishSecret", step: true,
			description: "Moves AWSCURRENT to the new version",
			memory:      128, timeout: 30,
			allowed: (*deployment).finishSecretMay,
		},
		{
			name: "restore", id: "Restore", step: true,
			description: "Makes AWSCURRENT a password that works after a failure",
			memory:      256, timeout: 60, database: true,
			allowed: (*deployment).restoreMay,
		},
		{
			name: "preflight", id: "Preflight",
			description: "Tells whether a secret would rotate, and changes nothing",
			memory:      256, timeout: 60, database: true,
			allowed: (*deployment).preflightMay,
		},
		{
			name: "audit", id: "Audit",
			description: "Looks for rotations that did not happen",
			memory:      128, timeout: 300,
			allowed: (*deployment).auditMay, wanted: (*deployment).isWatched,
		},
		{
			name: "incident", id: "Incident",
			description: "Alerts of executions that could not alert themselves",
			memory:      128, timeout: 30,
			allowed: (*deployment).incidentMay, wanted: (*deployment).isWatched,
		},
		{
			name: "heartbeat", id: "Heartbeat",
			description: "Logs in with every AWSCURRENT",
			memory:      256, timeout: 300, database: true,
			allowed: (*deployment).heartbeatMay, wanted: (*deployment).hasHeartbeat,
		},
		{
			name: "planwave", id: "PlanWave",
			description: "Plans the next wave of a fleet",
			memory:      512, timeout: 300,
			allowed: (*deployment).planWaveMay, wanted: (*deployment).hasFleet,
		},
		{
			name: "rotator", id: "Rotator",
			description: "Rotates natively, when Secrets Manager calls it",
			memory:      256, timeout: 60, database: true,
			allowed: (*deployment).rotatorMay, wanted: (*deployment).hasRotator,
		},
		{
			name: "rotateimmediately", id: "RotateImmediately",
			description: "Starts a rotation when its configuration is deployed",
			memory:      128, timeout: 30,
			allowed: (*deployment).rotateImmediatelyMay, wanted: (*deployment).rotatesImmediately,
		},
		{
			name: "registry", id: "Registry",
			description: "Makes the schedules, where they are too many for the template",
			memory:      256, timeout: 900, schedules: true,
			allowed: (*deployment).registryMay, wanted: (*deployment).appliesSchedules,
		},
	}
}

func (s *shared) bootstrapDir(f function) string {
	return filepath.Join(s.codeDir, string(s.cfg.Architecture), f.name)
}

// code is the function's asset: its binary and the files that it reads.
func (d *deployment) code(f function) awss3assets.Asset {
	from := d.bootstrapDir(f)
	if f.schedules {
		from = d.withSchedules(from)
		defer os.RemoveAll(from) // the asset has its own copy
	}
	return awss3assets.NewAsset(d.scope, jsii.String(f.id+"Code"), &awss3assets.AssetProps{Path: &from})
}

// withSchedules returns a temporary folder with a function's binary and the schedules.
func (d *deployment) withSchedules(code string) string {
	src, _ := d.scheduleFile()
	dir, err := os.MkdirTemp("", "tumbler-registry-")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, registry.File), src, 0o644)
	}
	if err == nil {
		err = copyFile(filepath.Join(dir, "bootstrap"), filepath.Join(code, "bootstrap"))
	}
	if err != nil {
		panic(fmt.Errorf("writing the schedules of %s: %w", d.name, err))
	}
	return dir
}

func copyFile(to, from string) error {
	src, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, src, 0o755)
}

// checkCode must be called before the first construct: CDK panics for a missing asset.
func (s *shared) checkCode() error {
	for _, f := range functions() {
		path := filepath.Join(s.bootstrapDir(f), "bootstrap")
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("the function %s is not built (there is no %s): run `make build ARCH=%s`", f.name, path, s.cfg.Architecture)
		}
	}
	return nil
}

// functions creates the functions that the deployment wants, by name.
func (d *deployment) functions() map[string]awslambda.CfnFunction {
	created := map[string]awslambda.CfnFunction{}
	for _, f := range functions() {
		if !f.schedules && (f.wanted == nil || f.wanted(d)) {
			created[f.name] = d.function(f)
		}
	}
	return created
}

func (d *deployment) function(f function) awslambda.CfnFunction {
	name := d.named(f.name)
	logs := d.logGroup(f.id+"Logs", "/aws/lambda/"+name)
	statements := append(f.allowed(d), d.runtimeMay(*logs.AttrArn())...)
	inVPC := f.database && d.placement != nil
	if inVPC {
		statements = append(statements, d.vpcMay(d.arn("lambda", "function:"+name))...)
	}
	role := d.role(f.id+"Role", "Tumbler: "+f.description, d.trust("lambda.amazonaws.com", ""), statements)

	code := d.code(f)
	props := &awslambda.CfnFunctionProps{
		FunctionName:  jsii.String(name),
		Description:   jsii.String(f.description),
		Architectures: jsii.Strings(string(d.cfg.Architecture)),
		Runtime:       jsii.String("provided.al2023"),
		Handler:       jsii.String("bootstrap"),
		Code: &awslambda.CfnFunction_CodeProperty{
			S3Bucket: code.S3BucketName(),
			S3Key:    code.S3ObjectKey(),
		},
		Role:       role.AttrArn(),
		MemorySize: jsii.Number(f.memory),
		Timeout:    jsii.Number(f.timeout),
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: jsii.String("JSON"),
			LogGroup:  logs.Ref(),
		},
		Environment: &awslambda.CfnFunction_EnvironmentProperty{Variables: d.environment(f)},
	}
	if f.name == "incident" {
		// The function itself reads this queue, and so alerts later of what it could not
		// send within Lambda's retries.
		props.DeadLetterConfig = &awslambda.CfnFunction_DeadLetterConfigProperty{TargetArn: d.undelivered.AttrArn()}
	}
	if inVPC {
		props.VpcConfig = d.placement.config
	}
	if f.database && d.authorities != nil {
		props.Layers = &[]any{*d.authorities.Ref()}
	}
	if d.cfg.Tracing {
		props.TracingConfig = &awslambda.CfnFunction_TracingConfigProperty{Mode: jsii.String("Active")}
	}
	if !f.isStep() {
		return awslambda.NewCfnFunction(d.scope, jsii.String(f.id+"Function"), props)
	}
	revision := d.revision(props)
	// Lambda publishes a new version only if the configuration differs, and the
	// description is part of it.
	props.Description = jsii.String(f.description + " (revision " + revision + ")")
	made := awslambda.NewCfnFunction(d.scope, jsii.String(f.id+"Function"), props)
	d.versions[f.name] = d.version(f, made, revision)
	return made
}

// environment holds the variables that internal/lambdaboot reads. No function gets one
// that it does not use.
func (d *deployment) environment(f function) map[string]any {
	env := map[string]any{"TUMBLER_DEPLOYMENT": d.name}
	switch f.name {
	case "plan", "preflight":
		env["TUMBLER_SCHEDULE_GROUP"] = d.name
		if arns := d.rotationFunctions(); len(arns) > 0 {
			env["TUMBLER_ROTATION_FUNCTIONS"] = strings.Join(arns, ",")
		}
	case "planwave", "rotator", "audit", "heartbeat":
		env["TUMBLER_SCHEDULE_GROUP"] = d.name
	}
	if f.name == "audit" || f.name == "incident" {
		env["TUMBLER_ALERT_TOPIC_ARN"] = *d.topicARN
	}
	if f.name == "audit" || f.name == "preflight" && d.reachesStepFunctions() {
		env["TUMBLER_STATE_MACHINE_ARN"] = d.stateMachineARN()
	}
	if url := d.cfg.Alerts.Runbook; url != "" && (f.name == "plan" || f.name == "restore" || f.name == "incident") {
		env["TUMBLER_RUNBOOK"] = url
	}
	if d.hasRotator() && (f.name == "plan" || f.name == "preflight" || f.name == "planwave") {
		env["TUMBLER_ROTATOR_ARN"] = d.rotatorARN()
	}
	if f.name == "plan" {
		env["TUMBLER_EVENT_INTERVAL"] = d.cfg.RotateNow.MinimumInterval
	}
	if f.database && d.authorities != nil {
		env[authoritiesVariable] = authoritiesPath
	}
	if f.database && d.placement != nil {
		maps.Copy(env, d.placement.environment)
	}
	return env
}

// rotationFunctions are the existing functions that requests may name.
func (d *deployment) rotationFunctions() []string {
	var arns []string
	for _, r := range d.rotations {
		if r.RotationFunction != "" {
			arns = appendNew(arns, r.RotationFunction)
		}
	}
	return arns
}

func (d *deployment) logGroup(id, name string) awslogs.CfnLogGroup {
	props := &awslogs.CfnLogGroupProps{LogGroupName: jsii.String(name), RetentionInDays: jsii.Number(d.cfg.LogRetentionDays)}
	if d.cfg.LogKMSKey != "" {
		props.KmsKeyId = jsii.String(d.cfg.LogKMSKey)
	}
	group := awslogs.NewCfnLogGroup(d.scope, jsii.String(id), props)
	d.keep(group)
	return group
}
