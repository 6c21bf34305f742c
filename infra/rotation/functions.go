package rotation

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// function is one step of the workflow. Its code is functions/<name>.
type function struct {
	name        string
	id          string // in CDK, and as ${<id>FunctionArn} in the state machine
	description string
	memory      float64 // MB
	// timeout in seconds. Shorter than the TimeoutSeconds of the state that calls
	// it, so that the function's own report arrives before the state gives up.
	timeout float64
	// database says that it talks to the database, and is in the VPC if there is one.
	database bool
	allowed  func(*deployment) []statement
}

func functions() []function {
	return []function{
		{"plan", "Plan", "Decides from the secret's metadata whether to rotate now", 128, 30, false, (*deployment).planMay},
		{"createsecret", "CreateSecret", "Stores a new password in a version staged AWSPENDING", 128, 30, false, (*deployment).createSecretMay},
		{"setsecret", "SetSecret", "Gives the database the new password", 256, 60, true, (*deployment).setSecretMay},
		{"testsecret", "TestSecret", "Logs in with the new password", 256, 30, true, (*deployment).testSecretMay},
		{"finishsecret", "FinishSecret", "Moves AWSCURRENT to the new version", 128, 30, false, (*deployment).finishSecretMay},
		{"restore", "Restore", "Makes AWSCURRENT a password that works after a failure", 256, 60, true, (*deployment).restoreMay},
	}
}

func (d *deployment) bootstrapDir(f function) string {
	return filepath.Join(d.codeDir, string(d.cfg.Architecture), f.name)
}

// checkCode comes before the first construct: a missing asset is a panic in CDK.
func (d *deployment) checkCode() error {
	for _, f := range functions() {
		path := filepath.Join(d.bootstrapDir(f), "bootstrap")
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("the function %s is not built (there is no %s): run `make build`", f.name, path)
		}
	}
	return nil
}

// functions creates the functions and returns them in the order of the table.
func (d *deployment) functions(vpc *awslambda.CfnFunction_VpcConfigProperty) []awslambda.CfnFunction {
	var created []awslambda.CfnFunction
	for _, f := range functions() {
		if f.database {
			created = append(created, d.function(f, vpc))
		} else {
			created = append(created, d.function(f, nil))
		}
	}
	return created
}

func (d *deployment) function(f function, vpc *awslambda.CfnFunction_VpcConfigProperty) awslambda.CfnFunction {
	name := d.named(f.name)
	logs := awslogs.NewCfnLogGroup(d.scope, jsii.String(f.id+"Logs"), &awslogs.CfnLogGroupProps{
		LogGroupName:    jsii.String("/aws/lambda/" + name),
		RetentionInDays: jsii.Number(d.cfg.LogRetentionDays),
	})
	statements := append(f.allowed(d), d.runtimeMay(*logs.AttrArn())...)
	if vpc != nil {
		statements = append(statements, d.vpcMay(d.arn("lambda", "function:"+name))...)
	}
	role := d.role(f.id+"Role", "Tumbler: "+f.description, d.trust("lambda.amazonaws.com", ""), statements)

	code := awss3assets.NewAsset(d.scope, jsii.String(f.id+"Code"), &awss3assets.AssetProps{
		Path: jsii.String(d.bootstrapDir(f)),
	})
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
	}
	if vpc != nil {
		props.VpcConfig = vpc
	}
	if d.cfg.Tracing {
		props.TracingConfig = &awslambda.CfnFunction_TracingConfigProperty{Mode: jsii.String("Active")}
	}
	if f.name == "plan" && d.rotator != nil {
		props.Environment = &awslambda.CfnFunction_EnvironmentProperty{
			Variables: map[string]any{"TUMBLER_ROTATOR_ARN": *d.rotator},
		}
	}
	return awslambda.NewCfnFunction(d.scope, jsii.String(f.id+"Function"), props)
}
