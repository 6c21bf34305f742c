package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// network is where the functions that talk to the database run, and their
// security group; nil without a VPC. The configuration has at most one network.
func (d *deployment) network() (*awslambda.CfnFunction_VpcConfigProperty, *string) {
	network := d.cfg.Rotations[0].Network
	if network == nil {
		return nil, nil
	}
	group := awsec2.NewCfnSecurityGroup(d.scope, jsii.String("DatabaseClients"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Functions of Tumbler that log in to databases. Let it in where the database listens."),
		VpcId:            jsii.String(network.VPC),
		SecurityGroupEgress: []any{awsec2.CfnSecurityGroup_EgressProperty{
			// The port of a database is in its secret, which a deployment does not read.
			Description: jsii.String("Databases on any port, and the endpoint of Secrets Manager"),
			IpProtocol:  jsii.String("tcp"),
			FromPort:    jsii.Number(0),
			ToPort:      jsii.Number(65535),
			CidrIp:      jsii.String("0.0.0.0/0"),
		}},
	})
	return &awslambda.CfnFunction_VpcConfigProperty{
		SubnetIds:        jsii.Strings(network.Subnets...),
		SecurityGroupIds: jsii.Strings(append([]string{*group.AttrGroupId()}, network.SecurityGroups...)...),
	}, group.AttrGroupId()
}
