package rotation

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// What each function may do, and nothing else. A function that talks to the
// database cannot write a secret; one that writes a secret has no way to the
// database (infra's tests hold this). The exception is the rotator, see there.

// planMay list versions to see how old one is that Secrets Manager left
// AWSPENDING: a native rotation that died is not waited for.
func (d *deployment) planMay() []statement {
	return []statement{
		{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"}, Resources: d.secrets()},
		d.mayListExecutions(),
		d.mayLookUp(),
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
		mayGetRandomPassword,
		d.mayListExecutions(),
	}, d.keysMay(d.rotations, []string{"kms:Decrypt", "kms:GenerateDataKey"}, false)...)
}

// setSecretMay read every version: an account is this secret's if one of them logs
// in.
func (d *deployment) setSecretMay() []statement {
	statements := []statement{{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds"}, Resources: d.secrets()}}
	statements = append(statements, d.serversMay(d.rotations)...)
	return append(statements, d.keysMay(d.rotations, []string{"kms:Decrypt"}, true)...)
}

func (d *deployment) testSecretMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:GetSecretValue"}, Resources: d.secrets()},
		d.mayAskRDS(),
	}, d.keysMay(d.rotations, []string{"kms:Decrypt"}, false)...)
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
			"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds",
			"secretsmanager:UpdateSecretVersionStage",
		},
		Resources: d.secrets(),
	}}
	// The last way back, when neither password of the user works.
	statements = append(statements, d.serversMay(d.rotations)...)
	return append(statements, d.keysMay(d.rotations, []string{"kms:Decrypt"}, true)...)
}

// listSecretsMay: ListSecrets tells names, tags and labels of all secrets of the
// account, and no value.
func (d *deployment) listSecretsMay() []statement {
	return []statement{
		{
			Actions: []string{"secretsmanager:ListSecrets"}, Resources: anyResource,
			Why: "ListSecrets has no resource: IAM allows it on * only.",
		},
		{Actions: []string{"secretsmanager:DescribeSecret"}, Resources: d.secrets()},
		mayListSchedules,
		{
			Actions: []string{"states:DescribeExecution"}, Resources: []string{d.arn("states", "execution:"+d.named("rotation")+":*")},
			Why: "The names of executions are not known before.",
		},
	}
}

// rotatorMay: the native contract wants one function that creates, sets, tests
// and finishes. It is the one function that both reaches the database and writes
// the secret, and so is deployed for nativeBackstop only, for the secrets that
// ask for it.
func (d *deployment) rotatorMay() []statement {
	rotations := d.backstopped()
	statements := []statement{
		{
			Actions: []string{
				"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds",
				"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
			},
			Resources: d.arns(rotations),
		},
		mayGetRandomPassword,
		d.mayLookUp(),
	}
	statements = append(statements, d.serversMay(rotations)...)
	return append(statements, d.keysMay(rotations, []string{"kms:Decrypt", "kms:GenerateDataKey"}, true)...)
}

func (d *deployment) rotateImmediatelyMay() []statement {
	return []statement{{Actions: []string{"states:StartExecution"}, Resources: []string{d.stateMachineARN()}}}
}

// preflightMay read what the steps read, and nothing more.
func (d *deployment) preflightMay() []statement {
	statements := []statement{
		{
			Actions:   []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds"},
			Resources: d.secrets(),
		},
		d.mayLookUp(),
	}
	if d.reachesStepFunctions() {
		statements = append(statements, d.mayListExecutions())
	}
	statements = append(statements, d.serversMay(d.rotations)...)
	return append(statements, d.keysMay(d.rotations, []string{"kms:Decrypt"}, true)...)
}

func (d *deployment) auditMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"}, Resources: d.secrets()},
		d.mayListExecutions(),
		d.mayLookUp(),
		mayListSchedules,
	}, d.mayPublish()...)
}

func (d *deployment) incidentMay() []statement {
	statements := []statement{
		{Actions: []string{"secretsmanager:DescribeSecret"}, Resources: d.secrets()},
		{
			Actions: []string{"states:GetExecutionHistory"}, Resources: []string{d.arn("states", "execution:"+d.named("rotation")+":*")},
			Why: "The names of executions are not known before.",
		},
	}
	if d.isMain() {
		statements = append(statements, statement{
			Actions:   []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
			Resources: []string{*d.undelivered.AttrArn()},
		})
	}
	return append(statements, d.mayPublish()...)
}

// heartbeatMay read every secret, and no superuser's.
func (d *deployment) heartbeatMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resources: d.secrets()},
		d.mayLookUp(),
		mayListSchedules,
	}, d.keysMay(d.rotations, []string{"kms:Decrypt"}, false)...)
}

// mayPublish alerts.
func (d *deployment) mayPublish() []statement {
	statements := []statement{{Actions: []string{"sns:Publish"}, Resources: []string{*d.topicARN}}}
	if d.topicKeyARN != nil {
		statements = append(statements, statement{
			Actions: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resources: []string{*d.topicKeyARN},
			Condition: map[string]any{"StringEquals": map[string]any{"kms:ViaService": "sns." + *awscdk.Aws_REGION() + ".amazonaws.com"}},
		})
	}
	return statements
}

var mayListSchedules = statement{
	Actions: []string{"scheduler:ListSchedules"}, Resources: anyResource,
	Why: "ListSchedules has no resource: IAM allows it on * only.",
}

var mayGetRandomPassword = statement{
	Actions: []string{"secretsmanager:GetRandomPassword"}, Resources: anyResource,
	Why: "GetRandomPassword has no resource: IAM allows it on * only.",
}

// mayListExecutions: whether an AWSPENDING version belongs to a running
// execution is seen from the list of those.
func (d *deployment) mayListExecutions() statement {
	return statement{Actions: []string{"states:ListExecutions"}, Resources: []string{d.stateMachineARN()}}
}

// mayLookUp reads the registry. A secret may have been configured by name or by
// ARN, so that a schedule may be asked for that is not there.
func (d *deployment) mayLookUp() statement {
	return statement{
		Actions: []string{"scheduler:GetSchedule"}, Resources: []string{d.arn("scheduler", "schedule/"+d.name+"/*")},
		Why: "The schedules of the deployment's own group.",
	}
}

// mayAskRDS: a host may be that of an RDS proxy, behind which is the database.
func (d *deployment) mayAskRDS() statement {
	return statement{
		Actions: rdsActions,
		Resources: []string{
			d.arn("rds", "cluster:*"), d.arn("rds", "db:*"), d.arn("rds", "db-proxy:*"),
			d.arn("rds", "db-proxy-endpoint:*"), d.arn("rds", "target-group:*"),
		},
		Why: "Which server a host name belongs to is only found by going through them; the calls read no data.",
	}
}

var rdsActions = []string{
	"rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBProxies",
	"rds:DescribeDBProxyEndpoints", "rds:DescribeDBProxyTargets",
}

// serversMay asks RDS, and for superusers reads their secrets and asks Redshift
// where the databases of those are that AWS manages.
func (d *deployment) serversMay(rotations []config.Rotation) []statement {
	statements := []statement{d.mayAskRDS()}
	superusers := d.superusers(rotations)
	if len(superusers) == 0 {
		return statements
	}
	return append(statements,
		statement{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resources: superusers},
		statement{
			Actions: []string{"redshift:DescribeClusters"}, Resources: anyResource,
			Why: "DescribeClusters has no resource: IAM allows it on * only.",
		})
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
// and for the secrets that are encrypted with it alone. A superuser's secret is
// never written.
func (d *deployment) keysMay(rotations []config.Rotation, actions []string, superusers bool) []statement {
	var own, read keyring
	for _, r := range rotations {
		own.add(r.KMSKey, d.secretARN(r.Secret))
		if superusers && r.SuperuserSecret != "" {
			key := r.SuperuserKMSKey
			if key == "" {
				key = r.KMSKey
			}
			read.add(key, d.secretARN(r.SuperuserSecret))
		}
	}
	if slices.Equal(actions, []string{"kms:Decrypt"}) {
		for _, key := range read.keys {
			for _, secret := range read.secrets[key] {
				own.add(key, secret)
			}
		}
		read = keyring{}
	}
	return append(own.statements(actions), read.statements([]string{"kms:Decrypt"})...)
}

// keyring says which secrets are encrypted with which key.
type keyring struct {
	keys    []string
	secrets map[string][]string
}

func (k *keyring) add(key, secretARN string) {
	if key == "" {
		return
	}
	if k.secrets == nil {
		k.secrets = map[string][]string{}
	}
	k.keys = appendNew(k.keys, key)
	k.secrets[key] = appendNew(k.secrets[key], secretARN)
}

func (k *keyring) statements(actions []string) []statement {
	var statements []statement
	for _, key := range k.keys {
		statements = append(statements, statement{
			Actions: actions, Resources: []string{key},
			Condition: map[string]any{
				"StringEquals": map[string]any{"kms:ViaService": fmt.Sprintf("secretsmanager.%s.amazonaws.com", *awscdk.Aws_REGION())},
				"StringLike":   map[string]any{"kms:EncryptionContext:SecretARN": list(k.secrets[key])},
			},
		})
	}
	return statements
}

func (d *deployment) secrets() []string { return d.arns(d.rotations) }

func (d *deployment) arns(rotations []config.Rotation) []string {
	var arns []string
	for _, r := range rotations {
		arns = append(arns, d.secretARN(r.Secret))
	}
	return arns
}

func (d *deployment) superusers(rotations []config.Rotation) []string {
	var arns []string
	for _, r := range rotations {
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
