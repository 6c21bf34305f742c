package rotation_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// db2 is a secret for which there is no engine.
func db2(password string) string {
	return `{"engine":"db2","host":"db.example","dbname":"SAMPLE","username":"app","password":"` + password + `"}`
}

// Without an engine nobody but the rotation function can log in: AWSPENDING is
// kept unless nothing can have reached the database.
func TestRestoreWithoutAnEngine(t *testing.T) {
	const function = "arn:aws:lambda:us-east-1:123456789012:function:db2-rotation"
	for name, tc := range map[string]struct {
		step    string
		adopted bool // AWSPENDING was a dead rotation's
		outcome rotation.Outcome
		kept    bool
		says    []string
	}{
		"CreateSecret failed after staging":   {"CreateSecret", false, rotation.Refused, false, []string{"no step had gone to the database", "took AWSPENDING off"}},
		"CreateSecret failed after adopting":  {"CreateSecret", true, rotation.Refused, true, []string{"kept AWSPENDING"}},
		"the function may have set it":        {"SetSecret", false, rotation.NeedsAttention, true, []string{"kept every label", `engine "db2"`, function, "tries it first"}},
		"the function has set it":             {"TestSecret", false, rotation.NeedsAttention, true, []string{"kept every label", function}},
		"the function has set and tested it ": {"FinishSecret", false, rotation.NeedsAttention, true, []string{"kept every label", function}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.values["v-current"], v.values["v-previous"] = db2("current"), db2("previous")
			if tc.adopted {
				v.pending("v-dead", db2("pending"))
			}
			in := failedAt(v, tc.step)
			in.Plan.RotationFunction = function
			in.Failure = rotation.Failure{Error: "RotationFunctionFailed", Cause: "it failed"}
			v.stored(db2("pending"))

			e, err := rotation.Restore{Secrets: v, Databases: engine.Table{}, Now: atNoon}.Run(t.Context(), in)
			if err != nil || e.Outcome != tc.outcome {
				t.Fatalf("got %+v, %v", e, err)
			}
			if kept := v.labels[rotation.Pending] == own && v.labels[rotation.Hold(own)] == own; kept != tc.kept {
				t.Errorf("labels %v", v.labels)
			}
			for _, says := range tc.says {
				if !strings.Contains(e.Message, says) {
					t.Errorf("the alert does not say %q:\n%s", says, e.Message)
				}
			}
		})
	}
}
