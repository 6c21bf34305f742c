package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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

// newStack is one deployment. codeDir is where the compiled functions are; nil
// for where `make build` puts them.
func newStack(scope constructs.Construct, cfg *config.Config, codeDir *string) (awscdk.Stack, error) {
	stack := awscdk.NewStack(scope, jsii.String(cfg.Name), &awscdk.StackProps{
		Description: jsii.String("Tumbler: rotates database credentials in AWS Secrets Manager"),
	})
	r, err := rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{Config: cfg, CodeDir: codeDir})
	if err != nil {
		return nil, err
	}
	for _, out := range []struct {
		name, description string
		value             *string
	}{
		{"StateMachineArn", "Start it with a rotation request", r.StateMachineArn},
		{"AlertTopicArn", "Subscribe to it to hear of failures", r.AlertTopicArn},
		{"ScheduleGroup", "EventBridge Scheduler group of the schedules", r.ScheduleGroupName},
		{"SecurityGroupId", "Let it in where the database listens", r.SecurityGroupID},
	} {
		if out.value == nil {
			continue
		}
		awscdk.NewCfnOutput(stack, jsii.String(out.name), &awscdk.CfnOutputProps{
			Value: out.value, Description: jsii.String(out.description),
		})
	}
	return stack, nil
}
