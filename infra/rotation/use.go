package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

// Connections are those of the functions that log in to databases, for
// `database.Connections().AllowDefaultPortFrom(r.Connections(), nil)`; nil without a
// network. They add no egress rules to the functions: name the database in
// NetworkProps.Databases, or its port in DatabasePorts.
func (r *Rotation) Connections() awsec2.Connections {
	if r.SecurityGroupID == nil {
		return nil
	}
	if r.connections == nil {
		group := awsec2.SecurityGroup_FromSecurityGroupId(r.Construct, jsii.String("Connections"), r.SecurityGroupID, &awsec2.SecurityGroupImportOptions{Mutable: jsii.Bool(false)})
		r.connections = awsec2.NewConnections(&awsec2.ConnectionsProps{SecurityGroups: &[]awsec2.ISecurityGroup{group}})
	}
	return r.connections
}

// GrantRotate allows grantee to start rotations with a request, and to follow them.
func (r *Rotation) GrantRotate(grantee awsiam.IGrantable) awsiam.Grant {
	executions := r.arn("states", "execution:"+r.name+"-rotation:*")
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("states:StartExecution", "states:DescribeExecution", "states:GetExecutionHistory"),
		ResourceArns: &[]*string{r.StateMachineArn, &executions},
	})
}

// GrantRotateNow allows grantee to ask for rotations by event. If
// RotateNowProps.AllowedArns is set, grantee must be among them.
func (r *Rotation) GrantRotateNow(grantee awsiam.IGrantable) awsiam.Grant {
	bus := r.arn("events", "event-bus/"+r.deployment+"-rotate-now")
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("events:PutEvents"), ResourceArns: &[]*string{&bus},
	})
}

// Metric is a metric of the deployment, such as CredentialGapMs; docs/deploy.md lists
// them. The statistic is Sum unless props say otherwise.
func (r *Rotation) Metric(name string, props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	made := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(metrics.Namespace), MetricName: &name, Statistic: jsii.String("Sum"),
		DimensionsMap: &map[string]*string{string(metrics.Deployment): &r.name},
	})
	if props != nil {
		return made.With(props)
	}
	return made
}
