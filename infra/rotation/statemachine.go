package rotation

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// eventBusName is the event bus that receives the outcomes.
const eventBusName = "default"

func (d *deployment) stateMachine() awsstepfunctions.CfnStateMachine {
	substitutions := d.announcements()
	var functionARNs []string
	for _, f := range functions() {
		placeholder := f.id + "FunctionArn"
		if strings.Contains(string(statemachine.Rotation), "${"+placeholder+"}") {
			substitutions[placeholder] = d.versions[f.name].Ref()
			functionARNs = append(functionARNs, d.anyVersion(f.name))
		}
	}
	functionARNs = append(functionARNs, d.rotationFunctions()...)
	role := d.role("StateMachineRole", "Tumbler: what the workflow itself may do",
		d.trust("states.amazonaws.com", d.stateMachineARN()), d.workflowMay(functionARNs))
	return d.newMachine("StateMachine", "rotation", statemachine.Rotation, substitutions, role)
}

// announcements are the substitutions that both state machines have.
func (d *deployment) announcements() map[string]*string {
	return map[string]*string{
		"Partition":     awscdk.Aws_PARTITION(),
		"AlertTopicArn": d.topicARN,
		"EventBusName":  jsii.String(eventBusName),
	}
}

// newMachine deploys the definition unchanged, with its comments, since people read it in
// the console; only the partition is replaced. Fn::Sub does what DefinitionSubstitutions
// would, so that it also works where only CloudFormation's functions are emulated.
func (d *deployment) newMachine(id, part string, definition []byte, substitutions map[string]*string, role awsiam.CfnRole) awsstepfunctions.CfnStateMachine {
	// Log groups with this prefix share one resource policy of the account. With other
	// names, that policy would grow beyond its limit.
	logs := d.logGroup(id+"Logs", "/aws/vendedlogs/states/"+d.named(part))
	machine := awsstepfunctions.NewCfnStateMachine(d.scope, jsii.String(id), &awsstepfunctions.CfnStateMachineProps{
		StateMachineName: jsii.String(d.named(part)),
		StateMachineType: jsii.String("STANDARD"),
		RoleArn:          role.AttrArn(),
		DefinitionString: awscdk.Fn_Sub(jsii.String(strings.ReplaceAll(string(definition), "arn:aws:", "arn:${Partition}:")), &substitutions),
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"),
			// Inputs and outputs contain no secret value; the history has them anyway.
			IncludeExecutionData: jsii.Bool(d.cfg.LogExecutionData),
			Destinations: []any{awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{
					LogGroupArn: logs.AttrArn(),
				},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{
			Enabled: jsii.Bool(d.cfg.Tracing),
		},
	})
	if !d.cfg.Tracing {
		accept(machine, "AwsSolutions-SF2", "The configuration says tracing: false.")
	}
	return machine
}

// workflowMay allows to invoke the functions, send alerts and events, and log.
func (d *deployment) workflowMay(functionARNs []string) []statement {
	statements := []statement{
		{
			Actions: []string{"lambda:InvokeFunction"}, Resources: functionARNs,
			Why: "An execution goes on with the versions of the functions that it began with.",
		},
		{Actions: []string{"events:PutEvents"}, Resources: []string{d.arn("events", "event-bus/"+eventBusName)}},
		{
			// Source: Step Functions developer guide, "Logging using CloudWatch Logs".
			Actions: []string{
				"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
				"logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
				"logs:PutResourcePolicy", "logs:UpdateLogDelivery",
			},
			Resources: anyResource,
			Why:       "CloudWatch Logs defines no resource for log deliveries: IAM allows them on * only.",
		},
	}
	statements = append(statements, d.mayPublish()...)
	if d.cfg.Tracing {
		statements = append(statements, statement{
			Actions: []string{
				"xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
			},
			Resources: anyResource,
			Why:       "X-Ray has no resource to write to: IAM allows it on * only.",
		})
	}
	return statements
}
