package rotation_test

import (
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Finish hands over once, leaves alone what others stored, and may be repeated.
func TestFinish(t *testing.T) {
	changedAt := noon.Add(-40 * time.Millisecond)
	for name, tc := range map[string]struct {
		meanwhile func(*vault)
		code      fault.Code
		gap       bool
	}{
		"once":            {func(*vault) {}, "", true},
		"again":           {func(v *vault) { v.labels[rotation.Current] = own }, "", false},
		"again, all done": {func(v *vault) { v.labels[rotation.Current] = own; delete(v.labels, rotation.Pending) }, "", false},
		"changed by hand": {func(v *vault) { v.labels[rotation.Current] = "v-by-hand" }, fault.SecretChanged, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.stored(document("pending"))
			v.labels[rotation.GivenUp], v.labels[rotation.Hold("v-dead")] = "v-failed", "v-dead"
			plan := planned(v)
			tc.meanwhile(v)
			e, err := rotation.Finish{Secrets: v, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: plan, Set: rotation.SetResult{ChangedAt: &changedAt}})
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("got %v", err)
			}
			if tc.code != "" {
				if v.labels[rotation.Current] != "v-by-hand" || v.labels[rotation.Pending] != own {
					t.Errorf("labels %v", v.labels)
				}
				return
			}
			if len(unfinished(v)) > 0 || v.labels[rotation.Hold(own)] != "" || v.labels[rotation.Pending] != "" || v.labels[rotation.Current] != own {
				t.Errorf("labels %v", v.labels)
			}
			if e.Outcome != rotation.Rotated || !e.Alert || !e.Event.Healed {
				t.Errorf("ending %+v", e)
			}
			if gap := e.Event.CredentialGapMs; (gap != nil) != tc.gap || (gap != nil && *gap != 40) {
				t.Errorf("credential gap %v", gap)
			}
		})
	}
}
