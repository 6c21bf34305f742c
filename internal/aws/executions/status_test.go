package executions_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

func TestStatus(t *testing.T) {
	box, cfg := setup(t)
	api := sfn.NewFromConfig(cfg)
	client := executions.New(api)
	start := func(request map[string]string) string {
		raw, _ := json.Marshal(request) // strings: cannot fail
		out, err := api.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &box.StateMachineARN, Input: aws.String(string(raw))})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.ExecutionArn)
	}
	failed, held := start(map[string]string{"secretId": "none"}), start(map[string]string{"secretId": "stand still"})
	if _, err := box.Wait(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	check := func(arn string, wantFound bool, want fleet.Execution) {
		t.Helper()
		got, found, err := client.Status(t.Context(), arn)
		if err != nil || found != wantFound || got != want {
			t.Errorf("%s: %+v %t %v, want %+v", arn, got, found, err, want)
		}
	}
	check(failed, true, fleet.Execution{Error: string(fault.SecretNotFound)})
	check(held, true, fleet.Execution{Running: true})
	check(strings.TrimSuffix(failed, failed[len(failed)-3:])+"xyz", false, fleet.Execution{})
	if _, err := api.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &held}); err != nil {
		t.Fatal(err)
	}
	check(held, true, fleet.Execution{Error: "ABORTED"})
	if _, _, err := client.Status(t.Context(), "no ARN"); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
}
