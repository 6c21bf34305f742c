package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

func TestNotBuilt(t *testing.T) {
	cfg, err := config.Parse("rotations.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newStack(awscdk.NewApp(nil), cfg, rotation.Options{CodeDir: t.TempDir()})
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
		cfg, err := loadConfig(context, env, &notices)
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
	if _, err := loadConfig(filepath.Join("no", "such.yaml"), "", os.Stderr); err == nil {
		t.Error("a file that does not exist is passed over in silence")
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
