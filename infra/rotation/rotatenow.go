package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// RotateNowSource is the source of an event that asks for a rotation now.
const RotateNowSource = statemachine.EventSource

// bus creates an event bus for such events, unless the configuration turns them off. It
// is not the default bus, on which anybody in the account may be allowed to put events.
func (s *shared) bus(scope constructs.Construct) {
	if !s.cfg.RotateNow.Enabled {
		return
	}
	bus := awsevents.NewCfnEventBus(scope, jsii.String("RotateNowBus"), &awsevents.CfnEventBusProps{
		Name:        jsii.String(statemachine.EventBus(s.cfg.Name)),
		Description: jsii.String("Events from " + RotateNowSource + " that ask Tumbler for a rotation"),
	})
	// By name and dependency, though AWS would take a Ref: moto's CloudFormation resolves
	// a Ref to an event bus to no name.
	s.rotateNowBus, s.busName = bus, bus.Name()
	for i, statement := range s.mayAsk(*bus.AttrArn()) {
		id := [...]string{"Named", "NobodyElse"}[i]
		document := statement.document()
		document["Sid"] = id
		awsevents.NewCfnEventBusPolicy(scope, jsii.String("RotateNowBusPolicy"+id), &awsevents.CfnEventBusPolicyProps{
			EventBusName: bus.Ref(), StatementId: jsii.String(id), Statement: document,
		})
	}
}

// mayAsk is the bus's policy. Without a policy, IAM decides within the account, and other
// accounts have no access. With one, only the principals that it names have access: it
// denies all others, whose own policies may allow events:PutEvents on every bus.
func (s *shared) mayAsk(busARN string) []statement {
	if len(s.cfg.RotateNow.Allow) == 0 {
		return nil
	}
	accounts, principals := s.cfg.RotateNow.Accounts(), s.cfg.RotateNow.Principals()
	named := principals
	others := map[string]any{}
	if len(principals) > 0 {
		others["ArnNotEquals"] = map[string]any{"aws:PrincipalArn": list(principals)}
	}
	if len(accounts) > 0 {
		others["StringNotEquals"] = map[string]any{"aws:PrincipalAccount": list(accounts)}
		for _, account := range accounts {
			named = append(named, "arn:"+*awscdk.Aws_PARTITION()+":iam::"+account+":root")
		}
	}
	put, bus := []string{"events:PutEvents"}, []string{busARN}
	return []statement{
		{
			Principal: map[string]any{"AWS": list(named)}, Actions: put, Resources: bus,
			Condition: map[string]any{"StringEquals": map[string]any{"events:source": RotateNowSource}},
		},
		{Deny: true, Principal: "*", Actions: put, Resources: bus, Condition: others},
	}
}

// rotateNow creates the rule that starts the workflow for such an event. Only the secret
// is taken from the event: Plan looks up how it is rotated.
func (d *deployment) rotateNow() {
	if d.busName == nil {
		return
	}
	role := d.role("RotateNowRole", "Tumbler: lets rotate-now events start rotations",
		d.trust("events.amazonaws.com", d.arn("events", "rule/"+statemachine.EventBus(d.cfg.Name)+"/"+d.named("rotate-now"))),
		[]statement{{Actions: []string{"states:StartExecution"}, Resources: []string{*d.machine.Ref()}}})
	rule := awsevents.NewCfnRule(d.scope, jsii.String("RotateNow"), &awsevents.CfnRuleProps{
		Name:         jsii.String(d.named("rotate-now")),
		Description:  jsii.String("Rotates a secret when an event from " + RotateNowSource + " asks for it"),
		EventBusName: d.busName,
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
	rule.AddResourceDependency(d.rotateNowBus, nil)
}

// asksForRotation is the event pattern. With several networks it matches the secrets of
// the own workflow. That of the main one also matches unknown secrets, whose refusal
// sends an alert, and events without a secret, which end in the queue.
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

// identifiers are EventBridge wildcards that match the names and ARNs of the secrets.
// These have no "?" for the six characters at the end of an ARN, so the pattern of a name
// also matches ARNs of longer names; the configuration refuses those where it matters. A
// secret that is configured by ARN is matched by that ARN only.
func identifiers(rotations []config.Rotation) []string {
	var ids []string
	for _, r := range rotations {
		name := config.SecretName(r.Secret)
		if arn := r.Secret; config.IsARN(arn) {
			ids = append(ids, name, arn)
			continue
		}
		ids = append(ids, name, "arn:*:secret:"+name+"-*")
	}
	return ids
}
