package rotation

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// The permissions of each function. A function that connects to the database cannot
// write a secret, and one that writes a secret cannot connect to the database (tests of
// infra hold this). The exception is the rotator, see rotatorMay.

// planMay allows to list versions, for the age of a version that native rotation left
// AWSPENDING: Plan does not wait for a native rotation that died.
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
		d.mayListExecutions(),
	}, d.keysMay(d.rotations, []string{"kms:Decrypt", "kms:GenerateDataKey"}, false)...)
}

// setSecretMay allows to read every version: that one of them logs in proves that the
// account belongs to this secret.
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
	// The superuser resets the password when none of the user's works.
	statements = append(statements, d.serversMay(d.rotations)...)
	return append(statements, d.keysMay(d.rotations, []string{"kms:Decrypt"}, true)...)
}

// planWaveMay allows ListSecrets, which returns the names, tags and labels of all secrets
// of the account, and no values.
func (d *deployment) planWaveMay() []statement {
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

// rotatorMay allows all four steps, because native rotation calls a single function for
// them. The rotator is the only function that can both reach the database and write
// the secret, so it is deployed only with nativeBackstop, for those secrets.
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
		d.mayLookUp(),
	}
	statements = append(statements, d.serversMay(rotations)...)
	return append(statements, d.keysMay(rotations, []string{"kms:Decrypt", "kms:GenerateDataKey"}, true)...)
}

func (d *deployment) rotateImmediatelyMay() []statement {
	return []statement{{Actions: []string{"states:StartExecution"}, Resources: []string{d.stateMachineARN()}}}
}

// registryMay allows to write the schedules of the deployment's group, and to pass them
// their role.
func (d *deployment) registryMay() []statement {
	return []statement{
		{
			Actions:   []string{"scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"},
			Resources: []string{d.arn("scheduler", "schedule/"+d.name+"/*")},
			Why:       "The schedules of the deployment's own group.",
		},
		mayListSchedules,
		{
			Actions: []string{"iam:PassRole"}, Resources: []string{*d.passes},
			Condition: map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "scheduler.amazonaws.com"}},
		},
	}
}

// preflightMay allows to read what the steps read, and nothing more.
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
	statements = append(statements, statement{Actions: []string{"sqs:SendMessage"}, Resources: []string{*d.undelivered.AttrArn()}})
	if d.isMain() {
		statements = append(statements, statement{
			Actions:   []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
			Resources: []string{*d.undelivered.AttrArn()},
		})
	}
	return append(statements, d.mayPublish()...)
}

// heartbeatMay allows to read every rotated secret, and no superuser's.
func (d *deployment) heartbeatMay() []statement {
	return append([]statement{
		{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resources: d.secrets()},
		d.mayLookUp(),
		mayListSchedules,
	}, d.keysMay(d.rotations, []string{"kms:Decrypt"}, false)...)
}

// mayPublish allows to publish alerts.
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

// mayListExecutions allows to list running executions, which shows whether an AWSPENDING
// version belongs to one.
func (d *deployment) mayListExecutions() statement {
	return statement{Actions: []string{"states:ListExecutions"}, Resources: []string{d.stateMachineARN()}}
}

// mayLookUp allows to read the registry. A secret may be configured by name or by ARN, so
// a schedule that does not exist may be asked for.
func (d *deployment) mayLookUp() statement {
	return statement{
		Actions: []string{"scheduler:GetSchedule"}, Resources: []string{d.arn("scheduler", "schedule/"+d.name+"/*")},
		Why: "The schedules of the deployment's own group.",
	}
}

// mayAskRDS allows to find the database behind a host that is an RDS proxy.
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

// serversMay allows to ask RDS, to read the superusers' secrets, and to ask Redshift for
// the endpoints of clusters whose superuser's secret AWS manages.
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

// runtimeMay allows logs and traces, which every function writes.
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

// keysMay allows each customer managed key to be used through Secrets Manager, and only
// for the secrets that are encrypted with it. Superusers' secrets are never written.
func (d *deployment) keysMay(rotations []config.Rotation, actions []string, superusers bool) []statement {
	own, read := keyring{patterns: d.cfg.Permissions.Secrets}, keyring{patterns: d.cfg.Permissions.Superusers}
	for _, r := range rotations {
		own.add(r.KMSKey, r.Secret)
		if superusers && r.SuperuserSecret != "" {
			read.add(cmp.Or(r.SuperuserKMSKey, r.KMSKey), r.SuperuserSecret)
		}
	}
	if !slices.Equal(actions, []string{"kms:Decrypt"}) {
		return append(d.decrypts(own, own.keys, actions), d.decrypts(read, read.keys, []string{"kms:Decrypt"})...)
	}
	// A key that encrypts both kinds has one statement.
	statements := d.decrypts(own, own.keys, actions)
	for _, s := range d.decrypts(read, read.keys, actions) {
		i := slices.IndexFunc(statements, func(o statement) bool { return o.Resources[0] == s.Resources[0] })
		if i < 0 {
			statements = append(statements, s)
			continue
		}
		for _, arn := range s.secrets {
			statements[i].secrets = appendNew(statements[i].secrets, arn)
		}
	}
	return statements
}

// keyring holds the secrets that each key encrypts.
type keyring struct {
	patterns []string
	keys     []string
	secrets  map[string][]string
}

func (k *keyring) add(key, secret string) {
	if key == "" {
		return
	}
	if k.secrets == nil {
		k.secrets = map[string][]string{}
	}
	if _, known := k.secrets[key]; !known {
		k.keys = append(k.keys, key)
	}
	k.secrets[key] = append(k.secrets[key], secret)
}

func (d *deployment) decrypts(k keyring, keys, actions []string) (statements []statement) {
	for _, key := range keys {
		statements = append(statements, statement{
			Actions: actions, Resources: []string{key}, secrets: d.covered(k.patterns, distinct(k.secrets[key])),
			Condition: map[string]any{
				"StringEquals": map[string]any{"kms:ViaService": fmt.Sprintf("secretsmanager.%s.amazonaws.com", *awscdk.Aws_REGION())},
			},
		})
	}
	return statements
}

func distinct(values []string) (list []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			list = append(list, v)
		}
	}
	return list
}

func (d *deployment) secrets() []string { return d.arns(d.rotations) }

func (d *deployment) arns(rotations []config.Rotation) []string {
	var secrets []string
	for _, r := range rotations {
		secrets = append(secrets, r.Secret)
	}
	return d.covered(d.cfg.Permissions.Secrets, secrets)
}

// covered returns the ARNs of the patterns, if there are any, and else of the secrets.
func (d *deployment) covered(patterns, secrets []string) []string {
	if len(patterns) > 0 {
		secrets = config.Patterns(patterns, secrets)
	}
	arns := make([]string, len(secrets))
	for i, s := range secrets {
		arns[i] = d.secretARN(s)
	}
	return arns
}

func (d *deployment) superusers(rotations []config.Rotation) []string {
	var secrets []string
	seen := map[string]bool{}
	for _, r := range rotations {
		if s := r.SuperuserSecret; s != "" && !seen[s] {
			seen[s] = true
			secrets = append(secrets, s)
		}
	}
	return d.covered(d.cfg.Permissions.Superusers, secrets)
}

func appendNew(values []string, value string) []string {
	if slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}
