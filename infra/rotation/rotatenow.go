package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
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

// rotateNow starts the workflow on such an event. The secret is all that is taken
// from it: Plan looks up how it is rotated.
func (d *deployment) rotateNow() {
	role := d.role("RotateNowRole", "Tumbler: lets rotate-now events start rotations",
		d.trust("events.amazonaws.com", d.arn("events", "rule/"+d.named("rotate-now"))),
		[]statement{{Actions: []string{"states:StartExecution"}, Resources: []string{*d.machine.Ref()}}})
	awsevents.NewCfnRule(d.scope, jsii.String("RotateNow"), &awsevents.CfnRuleProps{
		Name:         jsii.String(d.named("rotate-now")),
		Description:  jsii.String("Rotates a secret when an event from " + RotateNowSource + " asks for it"),
		EventBusName: jsii.String(eventBusName),
		EventPattern: d.asksForRotation(),
		State:        jsii.String("ENABLED"),
		Targets: []any{awsevents.CfnRule_TargetProperty{
			Id:      jsii.String("workflow"),
			Arn:     d.machine.Ref(),
			RoleArn: role.AttrArn(),
			RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
				MaximumRetryAttempts:     jsii.Number(startRetries),
				MaximumEventAgeInSeconds: jsii.Number(eventAge.Seconds()),
			},
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: d.undelivered.AttrArn()},
			InputTransformer: &awsevents.CfnRule_InputTransformerProperty{
				InputPathsMap: map[string]any{"secretId": "$.detail.secretId"},
				InputTemplate: jsii.String(`{"secretId":<secretId>,"trigger":{"source":"event"}}`),
			},
		}},
	})
}

// asksForRotation is the event pattern. With several networks each workflow hears
// of its own secrets; the main one also of those that nobody knows, whose
// refusal tells people, and of events without a secret, which end undelivered.
func (d *deployment) asksForRotation() map[string]any {
	pattern := map[string]any{"source": []any{RotateNowSource}}
	if len(d.others) == 0 {
		return pattern
	}
	var ids []any
	if !d.isMain() {
		for _, id := range identifiers(d.rotations) {
			ids = append(ids, map[string]any{"wildcard": id})
		}
	} else {
		ids = []any{
			map[string]any{"anything-but": map[string]any{"wildcard": identifiers(d.others)}},
			map[string]any{"exists": false},
		}
	}
	pattern["detail"] = map[string]any{"secretId": ids}
	return pattern
}

// identifiers are the ways to name the secrets, as wildcards of EventBridge.
func identifiers(rotations []config.Rotation) []string {
	var ids []string
	for _, r := range rotations {
		name := config.SecretName(r.Secret)
		ids = append(ids, name, "arn:*:secret:"+name+"-*")
	}
	return ids
}
