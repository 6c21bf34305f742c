package rotation

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// RotateNowSource is the source of an event that asks for a rotation now:
//
//	{"source": "tumbler.rotate-now", "detail-type": "anything", "detail": {"secretId": "NAME OR ARN"}}
//
// It is the source, and not the detail-type, because IAM can limit by events:source
// who may send such an event. Outcomes are announced from another source,
// "tumbler", and so cannot ask for the next rotation.
const RotateNowSource = "tumbler.rotate-now"

// rotateNow starts the workflow on such an event. One rule passes the secret on.
// A rotation that needs more than its secret has a rule of its own that adds
// it, because an event should not choose a superuser.
func (d *deployment) rotateNow(machine awsstepfunctions.CfnStateMachine, undelivered awssqs.CfnQueue) {
	var special []config.Rotation
	for _, r := range d.cfg.Rotations {
		if r.Strategy != config.SingleUser || r.SuperuserSecret != "" {
			special = append(special, r)
		}
	}
	pattern := map[string]any{"source": []any{RotateNowSource}}
	if len(special) > 0 {
		ids := make([]any, len(special))
		for i, r := range special {
			ids[i] = r.Secret
		}
		// An event without secretId is let through, to be found among the undelivered.
		pattern["detail"] = map[string]any{
			"secretId": []any{map[string]any{"anything-but": ids}, map[string]any{"exists": false}},
		}
	}
	d.rotateNowRule("RotateNow", "rotate-now", pattern,
		`{"secretId":<secretId>,"trigger":{"source":"event"}}`, machine, undelivered)
	for _, r := range special {
		d.rotateNowRule("RotateNow-"+scheduleName(r.Secret), "rotate-now-"+shortHash(r.Secret), map[string]any{
			"source": []any{RotateNowSource},
			"detail": map[string]any{"secretId": []any{r.Secret}},
		}, requestFor(r, trigger{Source: "event"}).encode(), machine, undelivered)
	}
}

func (d *deployment) rotateNowRule(id, part string, pattern map[string]any, template string,
	machine awsstepfunctions.CfnStateMachine, undelivered awssqs.CfnQueue,
) {
	ruleARN := d.arn("events", "rule/"+d.named(part))
	role := d.role(id+"Role", "Tumbler: lets rotate-now events start rotations",
		d.trust("events.amazonaws.com", ruleARN),
		[]statement{{Actions: []string{"states:StartExecution"}, Resources: []string{*machine.Ref()}}})
	target := awsevents.CfnRule_TargetProperty{
		Id:      jsii.String("workflow"),
		Arn:     machine.Ref(),
		RoleArn: role.AttrArn(),
		RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
			MaximumRetryAttempts:     jsii.Number(startRetries),
			MaximumEventAgeInSeconds: jsii.Number(startDeadline),
		},
		DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: undelivered.AttrArn()},
		InputTransformer: &awsevents.CfnRule_InputTransformerProperty{
			InputPathsMap: map[string]any{"secretId": "$.detail.secretId"},
			InputTemplate: jsii.String(template),
		},
	}
	awsevents.NewCfnRule(d.scope, jsii.String(id), &awsevents.CfnRuleProps{
		Name:         jsii.String(d.named(part)),
		Description:  jsii.String(fmt.Sprintf("Rotates a secret when an event from %s asks for it", RotateNowSource)),
		EventBusName: jsii.String(eventBusName),
		EventPattern: pattern,
		State:        jsii.String("ENABLED"),
		Targets:      []any{target},
	})
}
