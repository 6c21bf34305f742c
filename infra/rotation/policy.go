package rotation

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// statement is one statement of an IAM or resource policy.
type statement struct {
	Deny      bool
	Principal any // nil in a role's own policy
	Actions   []string
	Resources []string // nil in a trust policy
	Condition map[string]any
	// Why explains Resources with a "*". Required with it: it becomes the recorded
	// reason in the template.
	Why string
}

var anyResource = []string{"*"}

func (s statement) document() map[string]any {
	m := map[string]any{"Effect": "Allow", "Action": list(s.Actions)}
	if s.Deny {
		m["Effect"] = "Deny"
	}
	if s.Principal != nil {
		m["Principal"] = s.Principal
	}
	if s.Resources != nil {
		m["Resource"] = list(s.Resources)
	}
	if s.Condition != nil {
		m["Condition"] = s.Condition
	}
	return m
}

// list writes a single value without brackets, as IAM itself does.
func list(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

func policy(statements ...statement) map[string]any {
	documents := make([]any, len(statements))
	for i, s := range statements {
		documents[i] = s.document()
	}
	return map[string]any{"Version": "2012-10-17", "Statement": documents}
}

// trust lets a service assume a role, but only on behalf of one resource of this
// account: without the condition, anybody's resource could have the service
// act with it (the confused deputy).
func (s *shared) trust(service, sourceARN string) statement {
	t := statement{Principal: map[string]any{"Service": service}, Actions: []string{"sts:AssumeRole"}}
	if sourceARN != "" {
		t.Condition = map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Aws_ACCOUNT_ID()},
			"ArnEquals":    map[string]any{"aws:SourceArn": sourceARN},
		}
	}
	return t
}

func (d *deployment) role(id, description string, trusted statement, statements []statement) awsiam.CfnRole {
	props := &awsiam.CfnRoleProps{
		Description:              jsii.String(description),
		AssumeRolePolicyDocument: policy(trusted),
		Policies: []any{awsiam.CfnRole_PolicyProperty{
			PolicyName:     jsii.String("tumbler"),
			PolicyDocument: policy(statements...),
		}},
	}
	if d.cfg.PermissionsBoundary != "" {
		props.PermissionsBoundary = jsii.String(d.cfg.PermissionsBoundary)
	}
	role := awsiam.NewCfnRole(d.scope, jsii.String(id), props)
	var why, findings []string
	for _, s := range statements {
		if s.Why == "" {
			continue
		}
		why = appendNew(why, s.Why)
		for _, resource := range s.Resources {
			findings = appendNew(findings, "Resource::"+asFound(resource))
		}
	}
	if len(why) > 0 {
		accept(role, "AwsSolutions-IAM5", strings.Join(why, " "), findings...)
	}
	return role
}

// asFound writes an ARN as cdk-nag does in its findings.
func asFound(arn string) string {
	return strings.NewReplacer(*awscdk.Aws_PARTITION(), "<AWS::Partition>", *awscdk.Aws_REGION(), "<AWS::Region>",
		*awscdk.Aws_ACCOUNT_ID(), "<AWS::AccountId>").Replace(arn)
}

// accept records in the template why a finding of cdk-nag is accepted. The
// metadata's form is cdk-nag's own, so that the app itself need not load it.
func accept(resource awscdk.CfnResource, rule, reason string, findings ...string) {
	entry := map[string]any{"id": rule, "reason": reason}
	if len(findings) > 0 {
		entry["applies_to"] = findings
	}
	resource.AddMetadata(jsii.String("cdk_nag"), map[string]any{"rules_to_suppress": []any{entry}})
}
