package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/rogpeppe/go-internal/testscript"
)

// fleet: "fleet" sets EXECUTION to the last execution of the fleet.
func (w *world) fleet(ts *testscript.TestScript, _ []string) {
	list, err := sfn.NewFromConfig(w.sandbox.AWS("test")).ListExecutions(w.t.Context(), &sfn.ListExecutionsInput{
		StateMachineArn: &w.sandbox.FleetARN, MaxResults: 1,
	})
	ts.Check(err)
	ts.Setenv("EXECUTION", aws.ToString(list.Executions[0].ExecutionArn))
}

func TestAsk(t *testing.T) {
	for answer, want := range map[string]error{"y\n": nil, "YES\n": nil, "n\n": errStopped, "\n": errStopped, "": errStopped, "yo\n": errStopped} {
		var out bytes.Buffer
		if err := ask(t.Context(), strings.NewReader(answer), &out, 43); !errors.Is(err, want) {
			t.Errorf("%q: %v", answer, err)
		}
		if !strings.Contains(out.String(), "Rotate 43 secrets? [y/N]") {
			t.Error(out.String())
		}
	}
}
