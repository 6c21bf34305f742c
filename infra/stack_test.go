package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

func TestNotBuilt(t *testing.T) {
	cfg, err := config.Parse("rotations.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newStack(awscdk.NewApp(nil), cfg, nil, rotation.Options{CodeDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "the function plan is not built") || !strings.Contains(err.Error(), "run `make build ARCH=arm64`") {
		t.Errorf("got %v", err)
	}
}

// TestWhichConfiguration: the context comes before the environment, and that
// before rotations.yaml; the example is the last resort and says so.
func TestWhichConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(file, name string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("name: "+name+"\n"+minimal), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check := func(context, env, want string, noticed bool) {
		t.Helper()
		var notices strings.Builder
		cfg, _, err := loadConfig(context, env, &notices)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Name != want || (notices.Len() > 0) != noticed {
			t.Errorf("loadConfig(%q, %q) is %s with the notice %q, want %s", context, env, cfg.Name, notices.String(), want)
		}
	}
	write(exampleFile, "example")
	check("", "", "example", true)
	write(config.DefaultFile, "own")
	check("", "", "own", false)
	write("e.yaml", "env")
	check("", "e.yaml", "env", false)
	write("c.yaml", "context")
	check("c.yaml", "e.yaml", "context", false)
	if _, _, err := loadConfig(filepath.Join("no", "such.yaml"), "", os.Stderr); err == nil {
		t.Error("a file that does not exist is passed over in silence")
	}
}

// TestPlace: ARNs say where a deployment goes; other credentials are refused, and
// so is a stack of somebody's own that goes elsewhere.
func TestPlace(t *testing.T) {
	const elsewhere = "rotations:\n  - secret: arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf\n"
	cfg := parse(t, elsewhere)
	for _, tt := range []struct{ account, region, want string }{
		{"", "", ""},
		{"", "us-east-1", ""}, // what the CLI says without credentials
		{"111122223333", "eu-central-1", ""},
		{"555566667777", "us-west-2", "rotations[0].secret is in eu-central-1 111122223333, and the AWS credentials are for us-west-2 555566667777"},
		{"111122223333", "us-west-2", "set AWS_REGION=eu-central-1"},
	} {
		env, err := environment(cfg, func(name string) string {
			return map[string]string{"CDK_DEFAULT_ACCOUNT": tt.account, "CDK_DEFAULT_REGION": tt.region}[name]
		})
		switch {
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%v: %v", tt, err)
		case tt.want == "" && (err != nil || *env.Account != "111122223333" || *env.Region != "eu-central-1"):
			t.Errorf("%v: %v, %v", tt, env, err)
		}
	}
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("own"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String("555566667777"), Region: jsii.String("us-west-2")},
	})
	if _, err := rotation.FromConfig(stack, jsii.String("Rotation"), cfg, rotation.Options{CodeDir: stubs}); err == nil || !strings.Contains(err.Error(), "the stack is in us-west-2 555566667777") {
		t.Errorf("got %v", err)
	}
}

// TestChina has other names for some endpoints, and other partitions for ARNs. The
// names are those in CDK's own InterfaceVpcEndpointAwsService.
func TestChina(t *testing.T) {
	const rest = "    strategy: alternating-users\n    superuserSecret: %s\n    network: {vpc: vpc-0a1b2c3d4e5f60718, subnets: [subnet-0a1b2c3d4e5f60718], endpoints: create}\n"
	services := func(secret, superuser string) (names []string) {
		tpl := synthYAML(t, "rotations:\n  - secret: "+secret+"\n"+strings.Replace(rest, "%s", superuser, 1))
		for _, r := range tpl.Resources {
			if r.Type == "AWS::EC2::VPCEndpoint" {
				names = append(names, tpl.text(r.Properties["ServiceName"]))
			}
		}
		slices.Sort(names)
		return names
	}
	if got, want := services("arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:prod/app-AbCdEf", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:prod/admin-AbCdEf"), []string{
		"cn.com.amazonaws.${AWS::Region}.rds", "com.amazonaws.${AWS::Region}.scheduler", "com.amazonaws.${AWS::Region}.secretsmanager",
	}; !slices.Equal(got, want) {
		t.Errorf("by ARN: %v", got)
	}
	if got := services("a", "b"); !slices.Contains(got, `{"Fn::If":["RotationInChina0FA8AC03",{"Fn::Join":["",["cn.com.amazonaws.",{"Ref":"AWS::Region"},".rds"]]},{"Fn::Join":["",["com.amazonaws.",{"Ref":"AWS::Region"},".rds"]]}]}`) {
		t.Errorf("by name: %v", got)
	}
}

// TestManagedSuperusers: the names that AWS services give the secrets they manage.
func TestManagedSuperusers(t *testing.T) {
	for _, superuser := range []string{
		"rds!db-01234567-89ab-cdef-0123-456789abcdef", "redshift!analytics-admin",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!cluster-01234567-89ab-cdef-0123-456789abcdef-AbCdEf",
	} {
		iam := synthYAML(t, "rotations:\n  - {secret: app, strategy: alternating-users, superuserSecret: '"+superuser+"'}\n").iam()
		want := superuser
		if !config.IsARN(superuser) {
			want = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:" + superuser + "-??????"
		}
		for _, role := range []string{"SetSecretRole", "RestoreRole", "PreflightRole"} {
			_, of, _ := strings.Cut(iam, role+"\n")
			of, _, _ = strings.Cut(of, "Role\n  allow sts:")
			if !strings.Contains(of, "allow secretsmanager:DescribeSecret, secretsmanager:GetSecretValue\n    on "+want+"\n") {
				t.Errorf("%s may not read %s:\n%s", role, superuser, of)
			}
		}
	}
}

func TestArchitectureAndName(t *testing.T) {
	tpl := synthYAML(t, "name: blue\narchitecture: x86_64\ntracing: false\nlogRetentionDays: 30\n"+minimal)
	f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "blue-plan").Properties
	if f["Architectures"].([]any)[0] != "x86_64" || f["TracingConfig"] != nil {
		t.Errorf("the function is %v", f)
	}
	tpl.named(t, "AWS::StepFunctions::StateMachine", "StateMachineName", "blue-rotation")
	tpl.named(t, "AWS::SNS::Topic", "TopicName", "blue-alerts")
	for id, r := range tpl.Resources {
		if r.Type == "AWS::Logs::LogGroup" && r.Properties["RetentionInDays"] != 30.0 {
			t.Errorf("%s keeps logs for %v days", id, r.Properties["RetentionInDays"])
		}
	}
}

// TestSecondDeployment: two deployments in one account share no name.
func TestSecondDeployment(t *testing.T) {
	const rest = "alerts: {emails: [a@b.c]}\ndashboard: true\nrotations:\n  - {secret: a, nativeBackstop: 90d}\n  - {secret: b, rotateImmediately: true}\n"
	names := func(name string) []string {
		var list []string
		for _, r := range synthYAML(t, "name: "+name+"\n"+rest).Resources {
			for property, value := range r.Properties {
				text, ok := value.(string)
				// A schedule is named after its secret, in a group of the deployment's.
				if ok && strings.HasSuffix(property, "Name") && r.Type != "AWS::Scheduler::Schedule" && !strings.HasPrefix(r.Type, "AWS::CloudWatch") ||
					property == "AlarmName" || property == "DashboardName" {
					list = append(list, r.Type+" "+property+" "+text)
				}
			}
		}
		return list
	}
	first := names("blue")
	if len(first) < 20 {
		t.Fatalf("there are only %d names", len(first))
	}
	for _, name := range names("green") {
		if slices.Contains(first, name) && !strings.Contains(name, "MetricName") && !strings.Contains(name, "EventBusName") && !strings.Contains(name, "DisplayName") {
			t.Errorf("both have %s", name)
		}
	}
}
