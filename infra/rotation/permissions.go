package rotation

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
)

// What each function may do, and nothing else. The one that talks to the
// database cannot write the secret; the one that writes the secret has no way to
// the database (infra's tests hold this).

func (d *deployment) planMay() []statement {
	return []statement{
		{Actions: []string{"secretsmanager:DescribeSecret"}, Resources: d.secrets()},
		d.mayListExecutions(),
	}
}

func (d *deployment) createSecretMay() []statement {
	return append([]statement{
		{
			Actions: []string{
				"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
				"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
			},
			Resources: d.secrets(),
		},
		{
			Actions: []string{"secretsmanager:GetRandomPassword"}, Resources: anyResource,
			Why: "GetRandomPassword has no resource: IAM allows it on * only.",
		},
		d.mayListExecutions(),
	}, d.keysMay([]string{"kms:Decrypt", "kms:GenerateDataKey"}, false)...)
}

func (d *deployment) setSecretMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:GetSecretValue"}, Resources: append(d.secrets(), d.superusers()...)},
	}, d.keysMay([]string{"kms:Decrypt"}, true)...)
}

func (d *deployment) testSecretMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:GetSecretValue"}, Resources: d.secrets()},
	}, d.keysMay([]string{"kms:Decrypt"}, false)...)
}

func (d *deployment) finishSecretMay() []statement {
	return []statement{{
		Actions:   []string{"secretsmanager:DescribeSecret", "secretsmanager:UpdateSecretVersionStage"},
		Resources: d.secrets(),
	}}
}

func (d *deployment) restoreMay() []statement {
	statements := []statement{{
		Actions: []string{
			"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:UpdateSecretVersionStage",
		},
		Resources: d.secrets(),
	}}
	if superusers := d.superusers(); len(superusers) > 0 {
		// The last way back, when neither password of the user works.
		statements = append(statements, statement{Actions: []string{"secretsmanager:GetSecretValue"}, Resources: superusers})
	}
	return append(statements, d.keysMay([]string{"kms:Decrypt"}, true)...)
}

// mayListExecutions: whether an AWSPENDING version belongs to a running
// execution is seen from the list of those.
func (d *deployment) mayListExecutions() statement {
	return statement{Actions: []string{"states:ListExecutions"}, Resources: []string{d.stateMachineARN()}}
}

// runtimeMay is what every function needs to say what it does.
func (d *deployment) runtimeMay(logGroupARN string) []statement {
	statements := []statement{{
		Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resources: []string{logGroupARN},
	}}
	if d.cfg.Tracing {
		statements = append(statements, statement{
			Actions: []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, Resources: anyResource,
			Why: "X-Ray has no resource to write to: IAM allows it on * only.",
		})
	}
	return statements
}

// vpcMay lets Lambda, but not the function's code, manage the function's network
// interfaces. Source: Lambda developer guide, "Giving Lambda functions access to
// resources in an Amazon VPC".
func (d *deployment) vpcMay(functionARN string) []statement {
	actions := []string{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
	}
	return []statement{
		{
			Actions: actions, Resources: anyResource,
			Why: "Lambda needs network interfaces whose ids are not known before; the next statement denies the same to the function's own code.",
		},
		{
			Deny: true, Actions: actions, Resources: anyResource,
			Condition: map[string]any{"ArnEquals": map[string]any{"lambda:SourceFunctionArn": functionARN}},
		},
	}
}

// keysMay allows the use of each customer managed key, through Secrets Manager
// and for the secrets that are encrypted with it alone.
func (d *deployment) keysMay(actions []string, superusers bool) []statement {
	var keys []string
	secrets := map[string][]string{}
	for _, r := range d.cfg.Rotations {
		if r.KMSKey == "" {
			continue
		}
		if !slices.Contains(keys, r.KMSKey) {
			keys = append(keys, r.KMSKey)
		}
		secrets[r.KMSKey] = appendNew(secrets[r.KMSKey], d.secretARN(r.Secret))
		if superusers && r.SuperuserSecret != "" {
			secrets[r.KMSKey] = appendNew(secrets[r.KMSKey], d.secretARN(r.SuperuserSecret))
		}
	}
	var statements []statement
	for _, key := range keys {
		statements = append(statements, statement{
			Actions: actions, Resources: []string{key},
			Condition: map[string]any{
				"StringEquals": map[string]any{"kms:ViaService": fmt.Sprintf("secretsmanager.%s.amazonaws.com", *awscdk.Aws_REGION())},
				"StringLike":   map[string]any{"kms:EncryptionContext:SecretARN": list(secrets[key])},
			},
		})
	}
	return statements
}

func (d *deployment) secrets() []string {
	var arns []string
	for _, r := range d.cfg.Rotations {
		arns = append(arns, d.secretARN(r.Secret))
	}
	return arns
}

func (d *deployment) superusers() []string {
	var arns []string
	for _, r := range d.cfg.Rotations {
		if r.SuperuserSecret != "" {
			arns = appendNew(arns, d.secretARN(r.SuperuserSecret))
		}
	}
	return arns
}

func appendNew(values []string, value string) []string {
	if slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}
