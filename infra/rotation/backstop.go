package rotation

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

// backstopped are the rotations with a native backstop.
func (d *deployment) backstopped() []config.Rotation {
	var list []config.Rotation
	for _, r := range d.rotations {
		if r.BackstopDays() > 0 {
			list = append(list, r)
		}
	}
	return list
}

// backstop configures native rotation, by which Secrets Manager calls the rotator.
// Configuring it rotates nothing: Secrets Manager only has the function test the
// current password.
func (d *deployment) backstop(functions map[string]awslambda.CfnFunction) {
	rotations := d.backstopped()
	if len(rotations) == 0 {
		return
	}
	rotator := functions["rotator"]
	props := &awslambda.CfnPermissionProps{
		Action:        jsii.String("lambda:InvokeFunction"),
		FunctionName:  rotator.Ref(),
		Principal:     jsii.String("secretsmanager.amazonaws.com"),
		SourceAccount: awscdk.Aws_ACCOUNT_ID(),
	}
	if len(rotations) == 1 { // the permission applies to the function as a whole
		props.SourceArn = jsii.String(d.secretARN(rotations[0].Secret))
	}
	permission := awslambda.NewCfnPermission(d.scope, jsii.String("RotatorPermission"), props)
	for _, r := range rotations {
		// The logical id depends neither on the network nor on whether the secret is
		// configured by name or by ARN. If it changed, CloudFormation would create the new
		// resource and then delete the old one, and deleting it ends the secret's rotation.
		name := config.SecretName(r.Secret)
		schedule := awssecretsmanager.NewCfnRotationSchedule(d.root, jsii.String("Backstop-"+registry.Name(name)), &awssecretsmanager.CfnRotationScheduleProps{
			SecretId:                  jsii.String(name),
			RotationLambdaArn:         rotator.AttrArn(),
			RotateImmediatelyOnUpdate: jsii.Bool(false),
			RotationRules: &awssecretsmanager.CfnRotationSchedule_RotationRulesProperty{
				ScheduleExpression: jsii.String(fmt.Sprintf("rate(%d days)", r.BackstopDays())),
			},
		})
		schedule.AddResourceDependency(permission, nil)
		d.afterNetwork(schedule)
	}
}

// afterNetwork has a resource created after the rules and endpoints through which the
// functions reach the database and AWS.
func (d *deployment) afterNetwork(r awscdk.CfnResource) {
	if d.placement == nil {
		return
	}
	for _, needed := range d.placement.prerequisites {
		r.AddResourceDependency(needed, nil)
	}
}
