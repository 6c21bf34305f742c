package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

const exampleFile = "rotations.example.yaml"

// loadConfig reads the file that the context names, or else the environment, or else
// rotations.yaml. Without any, as on a fresh clone, it reads the example, and returns no
// account, so that `cdk bootstrap` works there.
func loadConfig(fromContext, fromEnv string, notices io.Writer) (cfg *config.Config, env *awscdk.Environment, err error) {
	file := cmp.Or(fromContext, fromEnv, config.DefaultFile)
	if _, err := os.Stat(file); file == config.DefaultFile && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(notices, "There is no %[1]s, so this is the stack of %[2]s, whose secrets do not exist. "+
			"Copy it to %[1]s and name your own before you deploy.\n", config.DefaultFile, exampleFile)
		cfg, err = config.Load(exampleFile)
		return cfg, nil, err
	}
	if cfg, err = config.Load(file); err != nil {
		return nil, nil, err
	}
	env, err = environment(cfg, os.Getenv)
	return cfg, env, err
}

// newStack makes one deployment. Its outputs are for people: the CLI finds resources
// by the deployment's name.
func newStack(scope constructs.Construct, cfg *config.Config, env *awscdk.Environment, o rotation.Options) (awscdk.Stack, error) {
	stack := awscdk.NewStack(scope, jsii.String(cfg.Name), &awscdk.StackProps{
		Env:         env,
		Description: jsii.String("Tumbler: rotates database credentials in AWS Secrets Manager"),
	})
	r, err := rotation.FromConfig(stack, jsii.String("Rotation"), cfg, o)
	if err != nil {
		return nil, err
	}
	outputs(stack, "", r)
	for _, network := range slices.Sorted(maps.Keys(r.Others)) {
		outputs(stack, network, r.Others[network])
	}
	return stack, nil
}

// environment is the account and Region of the stack, where the configuration has ARNs
// or looks up a VPC. Any other stack is deployed wherever the credentials belong.
func environment(cfg *config.Config, getenv func(string) string) (*awscdk.Environment, error) {
	account, region := getenv("CDK_DEFAULT_ACCOUNT"), getenv("CDK_DEFAULT_REGION")
	if wantRegion, wantAccount, field := cfg.Location(); field != "" {
		// Without credentials the CDK CLI names a Region but no account. CDK itself then
		// refuses to deploy elsewhere.
		if account != "" && (account != wantAccount || region != wantRegion) {
			return nil, fmt.Errorf("%s is in %s %s, and the AWS credentials are for %s %s: a deployment rotates the secrets of its own account and Region; "+
				"log in to %[3]s and set AWS_REGION=%[2]s, or name the secrets that are here", field, wantRegion, wantAccount, region, account)
		}
		return &awscdk.Environment{Account: jsii.String(wantAccount), Region: jsii.String(wantRegion)}, nil
	}
	for _, set := range cfg.Sets() {
		if set.Network == nil || len(set.Network.VPCTags) == 0 {
			continue
		}
		if account == "" || region == "" {
			return nil, fmt.Errorf("network %s is found by vpcTags, which takes AWS credentials and a Region at synthesis: "+
				"log in to AWS and run the CDK CLI, or write the VPC's id", set.Network.Name)
		}
		return &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}, nil
	}
	return nil, nil
}

func outputs(stack awscdk.Stack, network string, r *rotation.Rotation) {
	for _, out := range []struct {
		name, description string
		value             *string
	}{
		{"StateMachineArn", "Start it with a rotation request", r.StateMachineArn},
		{"FleetStateMachineArn", "Start it with a fleet request", r.FleetStateMachineArn},
		{"AlertTopicArn", "Subscribe to it to hear of failures", r.AlertTopicArn},
		{"RotateNowBus", "Event bus for events that ask for a rotation", r.RotateNowBusName},
		{"ScheduleGroup", "EventBridge Scheduler group of the schedules; the name for the CLI", r.ScheduleGroupName},
		{"SecurityGroupId", "Let it in where the database listens", r.SecurityGroupID},
		{"OperatorPolicyArn", "Attach it to who runs the command tumbler", r.OperatorPolicyArn},
		{"RotatorArn", "Secrets Manager calls it for native rotation", r.RotatorArn},
		{"Dashboard", "CloudWatch dashboard", r.DashboardName},
	} {
		if out.value == nil || network != "" && (out.name == "AlertTopicArn" || out.name == "RotateNowBus") {
			continue
		}
		id := out.name
		if network != "" {
			id = "Network-" + network + "-" + id
		}
		awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{
			Value: out.value, Description: jsii.String(out.description),
		})
	}
}
