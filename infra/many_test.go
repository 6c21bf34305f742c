package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// TestManySchedules: with too many for a template, a function makes the schedules,
// from a list in its own package, and what needs them waits for it.
func TestManySchedules(t *testing.T) {
	cfg := parse(t, "rotations:\n  - {secret: a, schedule: rate(30 days), rotateImmediately: true}\n  - {secret: b}\n")
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack, err := newStack(app, cfg, nil, rotation.Options{CodeDir: stubs, Now: synthesised, SchedulesInTemplate: 1})
	if err != nil {
		t.Fatal(err)
	}
	assembly := app.Synth(nil)
	src := read(t, *assembly.GetStackArtifact(stack.ArtifactId()).TemplateFullPath())
	tpl := templateOf(t, src)
	for id, r := range tpl.Resources {
		if r.Type == "AWS::Scheduler::Schedule" {
			t.Errorf("%s is in the template", id)
		}
	}
	schedules := tpl.only(t, "Custom::TumblerSchedules").Properties
	for _, name := range []string{"ServiceToken", "Group", "TargetArn", "RoleArn", "QueueArn", "Schedules"} {
		if schedules[name] == nil {
			t.Errorf("the property %s is missing", name)
		}
	}
	f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-registry").Properties
	key := f["Code"].(map[string]any)["S3Key"].(string)
	list := string(read(t, *app.Outdir()+"/asset."+strings.TrimSuffix(key, ".zip")+"/schedules.json"))
	for _, want := range []string{`"secretId": "a"`, `"startDate": "2026-`, `"secretId": "b"`, `aws.scheduler.scheduled-time`} {
		if !strings.Contains(list, want) {
			t.Errorf("%s is not in %s", want, list)
		}
	}
	if strings.Contains(list, "Token[") {
		t.Errorf("the list holds what is known at deployment only: %s", list)
	}
	if depends := string(src); !strings.Contains(depends, "RotationSchedules") {
		t.Error("nothing waits for the schedules")
	}
	// Another list is another property, and so another call of the function.
	cfg.Rotations[0].Schedule = "rate(60 days)"
	app2 := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack2, err := newStack(app2, cfg, nil, rotation.Options{CodeDir: stubs, Now: synthesised, SchedulesInTemplate: 1})
	if err != nil {
		t.Fatal(err)
	}
	again := templateOf(t, read(t, *app2.Synth(nil).GetStackArtifact(stack2.ArtifactId()).TemplateFullPath()))
	if again.only(t, "Custom::TumblerSchedules").Properties["Schedules"] == schedules["Schedules"] {
		t.Error("a change of the schedules is none of the resource")
	}
}
