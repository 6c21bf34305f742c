package deployed_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
)

// build compiles the functions for this machine.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := deployed.Build(t.Context(), "../..", dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The binaries that are deployed rotate a real password, twice: cold and warm.
// Their error names reach the state machine.
func TestDeployedFunctionsRotate(t *testing.T) {
	db := dbtest.Postgres(t)
	var logs bytes.Buffer
	starts := 0
	functions := &deployed.Functions{Dir: build(t), Logs: &logs, OnStart: func(string, time.Duration) { starts++ }}
	box, err := sandbox.Start(t.Context(), sandbox.Config{Task: functions.Wrap})
	if err != nil {
		t.Fatal(err)
	}
	functions.Connect(box.URL)
	defer box.Close()
	client := box.AWS("test")
	if _, err := secretsmanager.NewFromConfig(client).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("app"), SecretString: aws.String(db.Document(nil).Encode().Reveal()),
	}); err != nil {
		t.Fatal(err)
	}
	rotate := func(secret string) follow.Ending {
		t.Helper()
		states := sfn.NewFromConfig(client)
		started, err := states.StartExecution(t.Context(), &sfn.StartExecutionInput{
			StateMachineArn: &box.StateMachineARN, Input: aws.String(`{"secretId":"` + secret + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		ending, err := follow.Config{API: states, Interval: 5 * time.Millisecond}.Execution(t.Context(), aws.ToString(started.ExecutionArn))
		if err != nil {
			t.Fatal(err)
		}
		return ending
	}
	for range 2 {
		if e := rotate("app"); e.State != "Rotated" {
			t.Fatalf("ended in %s: %s: %s", e.State, e.Error, e.Cause)
		}
	}
	if starts != 6 {
		t.Errorf("%d processes were started for two rotations, want one for each of 6 functions", starts)
	}
	if e := rotate("missing"); e.State != "Refused" || e.Error != "SecretNotFound" {
		t.Errorf("ended in %s with %s", e.State, e.Error)
	}
	functions.Close()
	if strings.Contains(logs.String(), db.Password.Reveal()) {
		t.Error("the password shows in the functions' logs")
	}
	if !strings.Contains(logs.String(), `"function":"setsecret"`) {
		t.Errorf("the functions log nothing of use:\n%s", logs.String())
	}
}
