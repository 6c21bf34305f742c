package rotation_test

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// A team adds rotation to an app of its own.
func ExampleNewRotation() {
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("orders"), nil)
	vpc := awsec2.NewCfnVPC(stack, jsii.String("Vpc"), &awsec2.CfnVPCProps{CidrBlock: jsii.String("10.0.0.0/24")})
	subnet := awsec2.NewCfnSubnet(stack, jsii.String("Subnet"), &awsec2.CfnSubnetProps{
		VpcId: vpc.Ref(), CidrBlock: jsii.String("10.0.0.0/25"),
	})

	r := rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		Name: jsii.String("orders"),
		Networks: &map[string]*rotation.NetworkProps{
			"database": {VpcId: vpc.Ref(), SubnetIds: &[]*string{subnet.Ref()}, Endpoints: jsii.String("create")},
		},
		Rotations: &[]*rotation.SecretProps{{
			Secret:   jsii.String("prod/orders/app"),
			Schedule: jsii.String("cron(0 2 ? * SUN *)"),
			Duration: jsii.String("3h"),
			Network:  jsii.String("database"),
		}},
	})
	awscdk.NewCfnOutput(stack, jsii.String("LetThisGroupIn"), &awscdk.CfnOutputProps{Value: r.SecurityGroupID})
	app.Synth(nil)
}
