package rotation

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// isStep reports whether a state machine calls the function. It calls a published
// version, so that an execution keeps the code that it began with, whatever is deployed
// meanwhile.
func (f function) isStep() bool {
	placeholder := "${" + f.id + "FunctionArn}"
	return strings.Contains(string(statemachine.Rotation), placeholder) || strings.Contains(string(statemachine.Fleet), placeholder)
}

// revision is a hash of code, configuration and layer. The layer's content may change
// under the same name.
func (d *deployment) revision(props *awslambda.CfnFunctionProps) string {
	code := props.Code.(*awslambda.CfnFunction_CodeProperty)
	described := *props
	described.Code = &awslambda.CfnFunction_CodeProperty{S3Key: code.S3Key} // the bucket differs between accounts
	made, err := json.Marshal(awscdk.Stack_Of(d.scope).Resolve(&described))
	if err != nil {
		panic(err) // JSON is what CDK makes of it
	}
	if props.Layers != nil {
		made = append(made, d.cfg.Authorities...)
	}
	return shortHash(string(made))
}

// version publishes a version of a step's function. Earlier versions are retained when a
// deployment replaces them, because a rotation may be running on one or be redriven; they
// are deleted with the function. A version that an update made and rolled back is
// deleted, since Lambda does not publish the same code and configuration twice.
func (d *deployment) version(f function, of awslambda.CfnFunction, revision string) awslambda.CfnVersion {
	version := awslambda.NewCfnVersion(d.scope, jsii.String(f.id+"Version"+revision), &awslambda.CfnVersionProps{FunctionName: of.Ref()})
	version.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, nil)
	return version
}

// anyVersion is the ARN pattern of all versions of a step's function, including those of
// running executions.
func (d *deployment) anyVersion(function string) string {
	return d.arn("lambda", "function:"+d.named(function)+":*")
}
