package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// operators is the managed policy for people who run the command tumbler: they may start,
// follow and stop rotations and read the configuration, but no secret value.
func (d *deployment) operators() *string {
	statements := d.operatorMay(d.secrets())
	if length(statements) > config.LongestManagedPolicy {
		statements = d.operatorMay([]string{d.arn("secretsmanager", "secret:*")})
	}
	made := awsiam.NewCfnManagedPolicy(d.scope, jsii.String("Operators"), &awsiam.CfnManagedPolicyProps{
		Description: jsii.String("Tumbler: who runs the command tumbler on " + d.name), PolicyDocument: policy(statements...),
	})
	d.explain(made, statements)
	return made.Ref()
}

func (d *deployment) operatorMay(secrets []string) []statement {
	machines, executions := []string{*d.machine.Ref()}, []string{d.arn("states", "execution:"+d.named("rotation")+":*")}
	statements := []statement{
		{
			Actions: []string{"states:ListStateMachines", "scheduler:ListSchedules", "secretsmanager:ListSecrets"}, Resources: anyResource,
			Why: "What lists has no resource: IAM allows it on * only.",
		},
		{
			Actions: []string{"scheduler:GetSchedule"}, Resources: []string{d.arn("scheduler", "schedule/"+d.name+"/*")},
			Why: "The schedules of the deployment's own group.",
		},
		{
			Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"}, Resources: secrets,
			Why: "Metadata only; where the secrets are too many to be named, of all in the account and Region.",
		},
		{Actions: []string{"lambda:InvokeFunction"}, Resources: []string{d.arn("lambda", "function:"+d.named("preflight"))}},
	}
	if d.fleet != nil {
		machines, executions = append(machines, *d.fleet.Ref()), append(executions, d.arn("states", "execution:"+d.named("fleet")+":*"))
		statements = append(statements, statement{
			Actions: []string{"states:DescribeMapRun"}, Resources: []string{d.arn("states", "mapRun:"+d.named("fleet")+"/*")},
			Why: "The names of executions are not known before.",
		}, statement{
			Actions: []string{"states:ListMapRuns"}, Resources: executions[1:], Why: "The names of executions are not known before.",
		})
	}
	return append(
		statements,
		statement{Actions: []string{"states:ListExecutions", "states:StartExecution"}, Resources: machines},
		statement{
			Actions: []string{"states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"}, Resources: executions,
			Why: "The names of executions are not known before.",
		},
	)
}
