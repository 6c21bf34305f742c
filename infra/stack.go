package main

import (
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

// loadConfig reads the file that the context names, else the environment, else
// rotations.yaml. Without any, the example shows on a fresh clone what would be
// deployed.
func loadConfig(fromContext, fromEnv string, notices io.Writer) (*config.Config, error) {
	for _, file := range []string{fromContext, fromEnv} {
		if file != "" {
			return config.Load(file)
		}
	}
	if _, err := os.Stat(config.DefaultFile); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(notices, "There is no %[1]s, so this is the stack of %[2]s, whose secrets do not exist. "+
			"Copy it to %[1]s and name your own before you deploy.\n", config.DefaultFile, exampleFile)
		return config.Load(exampleFile)
	}
	return config.Load(config.DefaultFile)
}

// newStack is one deployment. Its outputs are for people: the CLI finds what it
// needs by the deployment's name.
func newStack(scope constructs.Construct, cfg *config.Config, o rotation.Options) (awscdk.Stack, error) {
	env, err := environment(cfg, os.Getenv)
	if err != nil {
		return nil, err
	}
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

// environment is account and Region, for a configuration whose VPC is looked up
// there. Other stacks go wherever the credentials are for.
func environment(cfg *config.Config, getenv func(string) string) (*awscdk.Environment, error) {
	for _, set := range cfg.Sets() {
		if set.Network == nil || len(set.Network.VPCTags) == 0 {
			continue
		}
		account, region := getenv("CDK_DEFAULT_ACCOUNT"), getenv("CDK_DEFAULT_REGION")
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
		{"ScheduleGroup", "EventBridge Scheduler group of the schedules; the name for the CLI", r.ScheduleGroupName},
		{"SecurityGroupId", "Let it in where the database listens", r.SecurityGroupID},
		{"RotatorArn", "Secrets Manager calls it for native rotation", r.RotatorArn},
		{"Dashboard", "CloudWatch dashboard", r.DashboardName},
	} {
		if out.value == nil || network != "" && out.name == "AlertTopicArn" {
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
