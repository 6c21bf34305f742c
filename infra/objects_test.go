package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

func ownStack(name string) awscdk.Stack {
	return awscdk.NewStack(awscdk.NewApp(nil), jsii.String(name), nil)
}

// refusal is what NewRotation panics with.
func refusal(t *testing.T, stack awscdk.Stack, props *rotation.RotationProps) (message string) {
	t.Helper()
	defer func() {
		if err, ok := recover().(error); ok {
			message = err.Error()
		}
	}()
	props.CodeDir = jsii.String(stubs)
	rotation.NewRotation(stack, jsii.String("Rotation"), props)
	return ""
}

// TestObjects: what the CDK has a construct for can be handed over as that.
func TestObjects(t *testing.T) {
	stack := ownStack("orders")
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{MaxAzs: jsii.Number(2)})
	key := awskms.NewKey(stack, jsii.String("Key"), nil)
	database := awsec2.NewSecurityGroup(stack, jsii.String("Database"), &awsec2.SecurityGroupProps{Vpc: vpc})
	own := awsec2.NewSecurityGroup(stack, jsii.String("Own"), &awsec2.SecurityGroupProps{Vpc: vpc})
	secret := awssecretsmanager.NewSecret(stack, jsii.String("Secret"), &awssecretsmanager.SecretProps{SecretName: jsii.String("orders/app"), EncryptionKey: key})
	superuser := awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("Admin"), jsii.String("orders/admin"))
	complete := awssecretsmanager.Secret_FromSecretCompleteArn(stack, jsii.String("Other"), jsii.String("arn:aws:secretsmanager:eu-west-1:111122223333:secret:orders/other-AbCdEf"))
	r := rotation.NewRotation(stack, jsii.String("Rotation"), &rotation.RotationProps{
		CodeDir: jsii.String(stubs), Name: jsii.String("orders"), RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
		Networks: &map[string]*rotation.NetworkProps{"db": {
			Vpc: vpc, SecurityGroups: &[]awsec2.ISecurityGroup{own}, Databases: &[]awsec2.IConnectable{database}, DatabasePorts: &[]*float64{jsii.Number(5432)},
		}},
		Defaults: &rotation.DefaultProps{Network: jsii.String("db")},
		Rotations: &[]*rotation.SecretProps{
			{FromSecret: secret, Strategy: jsii.String("alternating-users"), FromSuperuserSecret: superuser},
			{FromSecret: complete},
		},
	})
	user := awsiam.NewRole(stack, jsii.String("Oncall"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	r.GrantRotate(user)
	r.GrantRotateNow(user)
	database.Connections().AllowFrom(r.Connections(), awsec2.Port_Tcp(jsii.Number(6432)), nil)
	gap := r.Metric("CredentialGapMs", nil)
	if *gap.Namespace() != "Tumbler" {
		t.Errorf("the metric is in %s", *gap.Namespace())
	}

	src, err := json.Marshal(assertions.Template_FromStack(stack, nil).ToJSON())
	if err != nil {
		t.Fatal(err)
	}
	tpl := templateOf(t, src)
	f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "orders-setsecret").Properties["VpcConfig"].(map[string]any)
	if len(f["SubnetIds"].([]any)) != 2 || len(f["SecurityGroupIds"].([]any)) != 2 {
		t.Errorf("the functions are in %v", f)
	}
	iam := tpl.iam()
	for _, want := range []string{
		"secret:orders/app-??????", "secret:orders/admin-??????", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:orders/other-AbCdEf", "kms:GenerateDataKey",
	} {
		if !strings.Contains(iam, want) {
			t.Errorf("no role says %s", want)
		}
	}
	var ports, policies []string
	for _, res := range tpl.Resources {
		switch res.Type {
		case "AWS::EC2::SecurityGroupIngress":
			ports = append(ports, tpl.text(res.Properties["FromPort"]))
		case "AWS::IAM::Policy":
			policies = append(policies, tpl.text(res.Properties["PolicyDocument"]))
		case "AWS::Logs::LogGroup":
			if res.DeletionPolicy == "Delete" || res.DeletionPolicy == "" {
				t.Error("logs go with the stack")
			}
		}
	}
	if got := strings.Join(ports, " "); got != "5432 6432" && got != "6432 5432" {
		t.Errorf("the database lets in to %s", got)
	}
	if got := strings.Join(policies, ""); !strings.Contains(got, "states:StartExecution") || !strings.Contains(got, "events:PutEvents") {
		t.Errorf("granted is %s", got)
	}
}

// TestObjectsAreRefused: what is known at deployment only cannot name a schedule, and
// says so with the remedy.
func TestObjectsAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(awscdk.Stack) *rotation.RotationProps
		want string
	}{
		"a secret without a name": {func(s awscdk.Stack) *rotation.RotationProps {
			return rotations(&rotation.SecretProps{FromSecret: awssecretsmanager.NewSecret(s, jsii.String("S"), nil)})
		}, "Rotations[0].FromSecret is a secret without a name of its own, and its schedule is named after it: give it a SecretName"},
		"an ARN that is not known yet": {func(s awscdk.Stack) *rotation.RotationProps {
			return rotations(&rotation.SecretProps{Secret: awssecretsmanager.NewSecret(s, jsii.String("S"), nil).SecretArn()})
		}, "rotations[0].secret: is known at deployment only, and what is deployed is named after it: give the secret a name of its own (SecretName)"},
		"a superuser's that is not known yet": {func(s awscdk.Stack) *rotation.RotationProps {
			return rotations(&rotation.SecretProps{
				Secret: jsii.String("a"), Strategy: jsii.String("alternating-users"), SuperuserSecret: awssecretsmanager.NewSecret(s, jsii.String("S"), nil).SecretArn(),
			})
		}, "rotations[0].superuserSecret: is known at deployment only"},
		"a name that is not known yet": {func(s awscdk.Stack) *rotation.RotationProps {
			p := rotations(&rotation.SecretProps{Secret: jsii.String("a")})
			p.Name = s.StackId()
			return p
		}, "name: is known at deployment only"},
		"a secret twice": {func(s awscdk.Stack) *rotation.RotationProps {
			return rotations(&rotation.SecretProps{
				Secret: jsii.String("a"), FromSecret: awssecretsmanager.Secret_FromSecretNameV2(s, jsii.String("S"), jsii.String("a")),
			})
		}, "fields Rotations[0].Secret and FromSecret are both given"},
		"a removal policy": {func(awscdk.Stack) *rotation.RotationProps {
			p := rotations(&rotation.SecretProps{Secret: jsii.String("a")})
			p.RemovalPolicy = awscdk.RemovalPolicy_SNAPSHOT
			return p
		}, "field RemovalPolicy is SNAPSHOT: use RETAIN or DESTROY"},
	} {
		stack := ownStack("orders")
		if got := refusal(t, stack, tt.make(stack)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func rotations(s ...*rotation.SecretProps) *rotation.RotationProps {
	return &rotation.RotationProps{Rotations: &s}
}

// TestTwoOfOneName: everything of the second would be there already.
func TestTwoOfOneName(t *testing.T) {
	env := func(region string) *awscdk.StackProps {
		return &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)}}
	}
	app := awscdk.NewApp(nil)
	a, b := awscdk.NewStack(app, jsii.String("a"), env("eu-west-1")), awscdk.NewStack(app, jsii.String("b"), env("eu-west-1"))
	elsewhere := awscdk.NewStack(app, jsii.String("c"), env("eu-west-2"))
	for _, tt := range []struct {
		stack awscdk.Stack
		name  string
		want  string
	}{
		{a, "tumbler", ""},
		{b, "tumbler", `Rotation in b is a second deployment called "tumbler", after that in a: give one of the two another name (Name)`},
		{b, "other", ""},
		{elsewhere, "tumbler", ""},
	} {
		props := rotations(&rotation.SecretProps{Secret: jsii.String("x")})
		props.Name = &tt.name
		if got := refusal(t, tt.stack, props); got != tt.want {
			t.Errorf("%s in %s: %q, want %q", tt.name, *tt.stack.StackName(), got, tt.want)
		}
	}
}
