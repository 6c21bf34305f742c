package rotation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// ready asks the three that come after the change, on a vault in which CreateSecret has
// run.
func ready(t *testing.T, v *vault, s *server, plan rotation.Planned) map[string]error {
	in, errs := rotation.StepInput{Plan: plan}, map[string]error{}
	_, errs["TestSecret"] = rotation.Test{Secrets: v, Databases: s}.Ready(t.Context(), in)
	_, errs["FinishSecret"] = rotation.Finish{Secrets: v}.Ready(t.Context(), in)
	_, errs["Restore"] = rotation.Restore{Secrets: v, Databases: s}.Ready(t.Context(), in)
	return errs
}

// What each step will need is asked for before the change, and nothing is changed.
func TestReady(t *testing.T) {
	denied := fault.New(fault.AccessDenied, "not allowed", "")
	for name, tc := range map[string]struct {
		op   string // of the vault that fails
		away bool   // the database is
		want map[string]fault.Code
	}{
		"all is well":  {want: map[string]fault.Code{}},
		"no values":    {op: "Value", want: map[string]fault.Code{"TestSecret": fault.AccessDenied, "Restore": fault.AccessDenied}},
		"no labels":    {op: "MoveLabel", want: map[string]fault.Code{"FinishSecret": fault.AccessDenied}},
		"no way there": {away: true, want: map[string]fault.Code{"TestSecret": fault.DatabaseUnreachable, "Restore": fault.DatabaseUnreachable}},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{away: tc.away}
			plan := planned(v)
			v.stored(document("pending"))
			if tc.op != "" {
				v.fails[tc.op] = denied
			}
			before := fmt.Sprint(v.labels, v.values)
			for step, err := range ready(t, v, s, plan) {
				if got := fault.CodeOf(err); err != nil && got != tc.want[step] || err == nil && tc.want[step] != "" {
					t.Errorf("%s: %v", step, err)
				}
			}
			if after := fmt.Sprint(v.labels, v.values); before != after {
				t.Errorf("was %s, is %s", before, after)
			}
			if slices.ContainsFunc(s.log, func(did string) bool { return did != "reach" }) {
				t.Errorf("the database saw %q", s.log)
			}
		})
	}
}

// A version's value is read once by a process that lives on, and only that version's.
func TestReadyKeepsTheVersion(t *testing.T) {
	v, s := newVault(), &server{answers: map[string]fault.Code{"pending": ""}}
	plan := planned(v)
	v.stored(document("pending"))
	test := rotation.Test{Secrets: v, Databases: s, Cache: &rotation.VersionCache{}}
	if _, err := test.Ready(t.Context(), rotation.StepInput{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	v.fails["Value"] = fault.New(fault.AccessDenied, "not allowed", "")
	if _, err := test.Run(t.Context(), rotation.StepInput{Plan: plan}); err != nil {
		t.Errorf("it is read again: %v", err)
	}
	plan.VersionID = "another"
	if _, err := test.Run(t.Context(), rotation.StepInput{Plan: plan}); !fault.Is(err, fault.VersionNotReady) {
		t.Errorf("another version is not read: %v", err)
	}
}
