package rotation

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// eventBusName is the bus on which outcomes are announced and rotations asked for.
const eventBusName = "default"

func (d *deployment) stateMachine(called []awslambda.CfnFunction, topic awssns.CfnTopic) awsstepfunctions.CfnStateMachine {
	// The definition is kept as it is, comments and all: it is what people read in
	// the console. Only the partition is not known to the file.
	definition := strings.ReplaceAll(string(statemachine.Rotation), "arn:aws:", "arn:${Partition}:")
	substitutions := map[string]any{
		"Partition":     *awscdk.Aws_PARTITION(),
		"AlertTopicArn": *topic.Ref(),
		"EventBusName":  eventBusName,
	}
	var functionARNs []string
	for i, f := range functions() {
		arn := *called[i].AttrArn()
		substitutions[f.id+"FunctionArn"] = arn
		functionARNs = append(functionARNs, arn)
	}
	// Log groups with this prefix share one resource policy of the account, which
	// would otherwise outgrow its limit.
	logs := awslogs.NewCfnLogGroup(d.scope, jsii.String("StateMachineLogs"), &awslogs.CfnLogGroupProps{
		LogGroupName:    jsii.String("/aws/vendedlogs/states/" + d.named("rotation")),
		RetentionInDays: jsii.Number(d.cfg.LogRetentionDays),
	})
	role := d.role("StateMachineRole", "Tumbler: what the workflow itself may do",
		d.trust("states.amazonaws.com", d.stateMachineARN()), d.workflowMay(functionARNs, *topic.Ref()))

	return awsstepfunctions.NewCfnStateMachine(d.scope, jsii.String("StateMachine"), &awsstepfunctions.CfnStateMachineProps{
		StateMachineName:        jsii.String(d.named("rotation")),
		StateMachineType:        jsii.String("STANDARD"),
		RoleArn:                 role.AttrArn(),
		DefinitionString:        jsii.String(definition),
		DefinitionSubstitutions: substitutions,
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"),
			// Inputs and outputs hold no secret value; the history has them anyway.
			IncludeExecutionData: jsii.Bool(false),
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
}

func (d *deployment) workflowMay(functionARNs []string, topicARN string) []statement {
	statements := []statement{
		{Actions: []string{"lambda:InvokeFunction"}, Resources: functionARNs},
		{Actions: []string{"sns:Publish"}, Resources: []string{topicARN}},
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
