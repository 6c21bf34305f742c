package rotation_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func replicated(v *vault) rotation.Planned {
	p := planned(v)
	p.Replicated = true
	return p
}

func TestPlanSeesReplicas(t *testing.T) {
	for _, replicas := range [][]rotation.Replica{nil, {{Region: "eu-west-1"}}} {
		got, err := plan(t, `{"secretId":"prod/app"}`, secret(func(m *rotation.Metadata) { m.Replicas = replicas }), nil)
		if err != nil || got.Replicated != (replicas != nil) {
			t.Errorf("%v: %v, %v", replicas, got.Replicated, err)
		}
	}
}

// The pending version is everywhere before the database changes. The next attempt
// keeps the password.
func TestCreateWaitsForReplicas(t *testing.T) {
	v := newVault()
	v.lag = new(1)
	_, err := create(t, v, replicated(v), nil)
	if !fault.Is(err, fault.ReplicaLagging) || !strings.Contains(err.Error(), "eu-west-1 does not have version "+own+" yet (in progress)") {
		t.Fatalf("got %v", err)
	}
	p := replicated(v)
	p.PendingVersionID = ""
	if _, err := create(t, v, p, nil); err != nil {
		t.Fatal(err)
	}
	if v.password(own) != "new-1" || v.labels[rotation.Pending] != own {
		t.Errorf("password %s, labels %v", v.password(own), v.labels)
	}
}

// A secret without replicas costs no look more than the one before the change.
func TestWithoutReplicasNobodyWaits(t *testing.T) {
	v := newVault()
	if _, err := create(t, v, planned(v), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := (rotation.Finish{Secrets: v, Now: atNoon}).Run(t.Context(), rotation.StepInput{Plan: planned(v)}); err != nil {
		t.Fatal(err)
	}
	if v.described != 1 {
		t.Errorf("described %d times", v.described)
	}
}

// How long replicas took to follow is in the event; that they did not is no failure.
func TestFinishReportsReplicaLag(t *testing.T) {
	for name, tc := range map[string]struct {
		lag    int
		err    error
		ms     *int64
		behind []string
	}{
		"at once":     {0, nil, new(int64(0)), nil},
		"later":       {3, nil, new(int64(1500)), nil},
		"not in time": {1000, nil, nil, []string{"eu-west-1"}},
		"not known":   {3, fault.New(fault.Throttled, "", ""), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVault()
				v.stored(document("pending"))
				v.lag, v.fails["Describe"] = &tc.lag, tc.err
				e, err := rotation.Finish{Secrets: v, Now: time.Now}.Run(context.Background(), rotation.StepInput{Plan: replicated(v)})
				if err != nil || e.Outcome != rotation.Rotated {
					t.Fatalf("%+v, %v", e, err)
				}
				if diff := cmp.Diff(tc.ms, e.Event.ReplicaLagMs) + cmp.Diff(tc.behind, e.Event.ReplicasBehind); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
