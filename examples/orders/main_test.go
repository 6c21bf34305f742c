package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

// TestOrders: the example is an app that CDK synthesises.
func TestOrders(t *testing.T) {
	defer jsii.Close()
	functions, err := filepath.Glob("../../functions/*")
	if err != nil || len(functions) == 0 {
		t.Fatal("there are no functions", err)
	}
	code := t.TempDir()
	for _, f := range functions {
		dir := filepath.Join(code, "arm64", filepath.Base(f))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("stub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tpl := assertions.Template_FromStack(orders(awscdk.NewApp(nil), code), nil)
	tpl.ResourceCountIs(jsii.String("AWS::StepFunctions::StateMachine"), jsii.Number(1))
	tpl.HasResourceProperties(jsii.String("AWS::EC2::SecurityGroupIngress"), map[string]any{"FromPort": 5432, "Description": "Tumbler orders"})
	tpl.HasResourceProperties(jsii.String("AWS::Scheduler::Schedule"), map[string]any{"Description": "Rotates orders/app"})
}
