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

// backstopped are the rotations that Secrets Manager runs by itself, too.
func (d *deployment) backstopped() []config.Rotation {
	var list []config.Rotation
	for _, r := range d.rotations {
		if r.BackstopDays() > 0 {
			list = append(list, r)
		}
	}
	return list
}

// backstop has Secrets Manager call the rotator. Configuring it rotates nothing;
// Secrets Manager only lets the function test the current password.
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
	if len(rotations) == 1 { // the policy holds for the function as a whole
		props.SourceArn = jsii.String(d.secretARN(rotations[0].Secret))
	}
	permission := awslambda.NewCfnPermission(d.scope, jsii.String("RotatorPermission"), props)
	for _, r := range rotations {
		// Not of the network, and by name however the secret is configured: CloudFormation
		// would make another one before it deletes this, and deleting it ends the secret's
		// rotation, whoever has set it up.
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
		d.afterWays(schedule)
	}
}

// afterWays creates a resource when the way to the database is open.
func (d *deployment) afterWays(r awscdk.CfnResource) {
	if d.place == nil {
		return
	}
	for _, way := range d.place.ways {
		r.AddResourceDependency(way, nil)
	}
}
