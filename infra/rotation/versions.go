package rotation

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// isStep: a state machine calls the function, at a version: an execution goes on with
// the code that it began with, whatever is deployed meanwhile.
func (f function) isStep() bool {
	placeholder := "${" + f.id + "FunctionArn}"
	return strings.Contains(string(statemachine.Rotation), placeholder) || strings.Contains(string(statemachine.Fleet), placeholder)
}

// revision is the hash of all that makes a version: code, configuration, and the layer,
// which changes its content under the same name.
func (d *deployment) revision(props *awslambda.CfnFunctionProps) string {
	code := props.Code.(*awslambda.CfnFunction_CodeProperty)
	described := *props
	described.Code = &awslambda.CfnFunction_CodeProperty{S3Key: code.S3Key} // the bucket is the account's
	made, err := json.Marshal(awscdk.Stack_Of(d.scope).Resolve(&described))
	if err != nil {
		panic(err) // JSON is what CDK makes of it
	}
	if props.Layers != nil {
		made = append(made, d.cfg.Authorities...)
	}
	return shortHash(string(made))
}

// version publishes a step's function as it is now. What was published before is kept
// when a deployment puts another in its place: a rotation may be running on it, or be
// redriven. It goes with the function. One that an update made and took back again is
// removed, since Lambda does not publish the same twice.
func (d *deployment) version(f function, of awslambda.CfnFunction, revision string) awslambda.CfnVersion {
	version := awslambda.NewCfnVersion(d.scope, jsii.String(f.id+"Version"+revision), &awslambda.CfnVersionProps{FunctionName: of.Ref()})
	version.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, nil)
	return version
}

// anyVersion of a step's function may be invoked: those of running executions, too.
func (d *deployment) anyVersion(function string) string {
	return d.arn("lambda", "function:"+d.named(function)+":*")
}
