package rotation

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/watch/incident"
)

// auditEvery is how often the audit looks for rotations that did not happen. Windows
// open on the hour.
const auditEvery = "rate(1 hour)"

// watch calls the functions that alert of what the workflow cannot alert itself.
func (d *deployment) watch(functions map[string]awslambda.CfnFunction) {
	d.every("Audit", functions["audit"])

	// Executions that timed out, were stopped, or could not send their alert.
	var pattern map[string]any
	if err := json.Unmarshal([]byte(incident.Pattern(*d.machine.Ref())), &pattern); err != nil {
		panic(err) // the pattern is our own
	}
	rule := awsevents.NewCfnRule(d.scope, jsii.String("Incident"), &awsevents.CfnRuleProps{
		Name:         jsii.String(d.named("incident")),
		Description:  jsii.String("Tells of rotations that could not tell of themselves"),
		EventPattern: pattern,
		State:        jsii.String("ENABLED"),
		Targets: []any{awsevents.CfnRule_TargetProperty{
			Id: jsii.String("function"), Arn: functions["incident"].AttrArn(),
			// The function also reads this queue, and so alerts later.
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: d.undelivered.AttrArn()},
		}},
	})
	d.mayCall("IncidentPermission", functions["incident"], rule)
	if d.isMain() {
		awslambda.NewCfnEventSourceMapping(d.scope, jsii.String("UndeliveredAlerts"), &awslambda.CfnEventSourceMappingProps{
			EventSourceArn: d.undelivered.AttrArn(), FunctionName: functions["incident"].Ref(), BatchSize: jsii.Number(1),
		})
	}
}

// every calls a function each hour.
func (d *deployment) every(id string, function awslambda.CfnFunction) {
	rule := awsevents.NewCfnRule(d.scope, jsii.String(id+"Every"), &awsevents.CfnRuleProps{
		Description:        function.Description(),
		ScheduleExpression: jsii.String(auditEvery),
		State:              jsii.String("ENABLED"),
		Targets:            []any{awsevents.CfnRule_TargetProperty{Id: jsii.String("function"), Arn: function.AttrArn()}},
	})
	d.mayCall(id+"Permission", function, rule)
}

func (d *deployment) mayCall(id string, function awslambda.CfnFunction, rule awsevents.CfnRule) {
	awslambda.NewCfnPermission(d.scope, jsii.String(id), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: function.Ref(),
		Principal: jsii.String("events.amazonaws.com"), SourceAccount: awscdk.Aws_ACCOUNT_ID(), SourceArn: rule.AttrArn(),
	})
}
