package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
)

func (d *deployment) rotatesImmediately() bool {
	for _, r := range d.rotations {
		if r.RotateImmediately {
			return true
		}
	}
	return false
}

// rotateImmediately has CloudFormation call functions/rotateimmediately when the
// properties of a rotation's custom resource change. The properties are the request
// and nothing else, so that no other deployment starts a rotation.
func (d *deployment) rotateImmediately(functions map[string]awslambda.CfnFunction, schedules map[string]awscdk.CfnResource) {
	for _, r := range d.rotations {
		if !r.RotateImmediately {
			continue
		}
		resource := awscdk.NewCfnResource(d.scope, jsii.String("RotateImmediately-"+registry.Name(r.Secret)), &awscdk.CfnResourceProps{
			Type: jsii.String("Custom::TumblerRotateImmediately"),
			Properties: &map[string]any{
				"ServiceToken":    *functions["rotateimmediately"].AttrArn(),
				"StateMachineArn": *d.machine.Ref(),
				"SecretId":        r.Secret,
				"Configuration":   requestFor(r, nil).encode(),
			},
		})
		resource.AddResourceDependency(schedules[r.Secret], nil) // where Plan looks it up
		d.afterNetwork(resource)
	}
}
