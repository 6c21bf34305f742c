package rotation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func create(t *testing.T, v *vault, plan rotation.Planned, executions running) (rotation.Created, error) {
	t.Helper()
	return rotation.Create{Secrets: v, NewPassword: v.newPassword, Executions: executions, Now: atNoon}.
		Run(t.Context(), rotation.StepInput{Plan: plan, Execution: rotation.Execution{ARN: thisExecution}})
}

// What a dead rotation left is taken over if the database may have it. What is not
// taken over, and has a value, is held on to.
func TestCreateAdopts(t *testing.T) {
	for name, tc := range map[string]struct {
		left     func(v *vault)
		password string // of the new version; "" if there must be none
		hold     string // the version that is on hold besides
		code     fault.Code
	}{
		"nothing":               {func(*vault) {}, "new-1", "", ""},
		"a password":            {func(v *vault) { v.pending("v-dead", document("left")) }, "left", "", ""},
		"no value":              {func(v *vault) { v.pending("v-dead", "") }, "new-1", "", ""},
		"no JSON":               {func(v *vault) { v.pending("v-dead", "left") }, "new-1", "v-dead", ""},
		"AWSCURRENT's password": {func(v *vault) { v.pending("v-dead", document("current")) }, "new-1", "v-dead", ""},
		"AWSCURRENT itself":     {func(v *vault) { v.pending("v-current", "") }, "new-1", "", ""},
		"AWSPREVIOUS":           {func(v *vault) { v.pending("v-previous", "") }, "new-1", "", ""},
		"another host":          {func(v *vault) { v.pending("v-dead", documentOf("app", "db.exmaple", "left")) }, "new-1", "v-dead", ""},
		"another user":          {func(v *vault) { v.pending("v-dead", documentOf("ops", "db.example", "left")) }, "new-1", "v-dead", ""},
		"on hold, AWSPENDING taken off by a person": {func(v *vault) {
			v.values["v-dead"], v.labels[rotation.Hold("v-dead")] = document("left"), "v-dead"
		}, "left", "", ""},
		"what cannot be decrypted": {func(v *vault) {
			v.pending("v-dead", document("left"))
			v.fails["Value"] = fault.New(fault.KeyUnusable, "", "")
		}, "", "", fault.KeyUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			tc.left(v)
			before := v.labels[rotation.Pending]
			got, err := create(t, v, planned(v), nil)
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tc.password == "" {
				if v.labels[rotation.Pending] != before || v.values[own] != "" {
					t.Errorf("something was written: %v", v.labels)
				}
				return
			}
			if got.Attempts != 1 {
				t.Errorf("got %+v", got)
			}
			if v.password(own) != tc.password || v.labels[rotation.Pending] != own || v.labels[rotation.Hold(own)] != own {
				t.Errorf("labels %v with %q, want %q", v.labels, v.password(own), tc.password)
			}
			if want := documentOf("app", "db.example", tc.password); v.values[own] != want {
				t.Errorf("stored %s, want %s", v.values[own], want)
			}
			if got := v.labels[rotation.Hold("v-dead")]; got != tc.hold {
				t.Errorf("on hold is %q, want %q", got, tc.hold)
			}
		})
	}
}

// An empty version that has a value at the next look is of a rotation that lives,
// also when this is not the first attempt.
func TestCreateGivesBack(t *testing.T) {
	for name, first := range map[string]bool{"at the first attempt": true, "at the second": false} {
		v := newVault()
		v.pending("v-native", "")
		plan := planned(v)
		if !first {
			v.fails["MoveLabel"] = fault.New(fault.ServiceUnavailable, "no answer", "")
			if _, err := create(t, v, plan, nil); err == nil {
				t.Fatal("it was to fail")
			}
			delete(v.fails, "MoveLabel")
			v.values["v-native"] = document("native")
		} else {
			v.onMove = func() { v.values["v-native"] = document("native") }
		}
		_, err := create(t, v, plan, nil)
		if !fault.Is(err, fault.AlreadyRotating) || v.labels[rotation.Pending] != "v-native" {
			t.Errorf("%s: %v, labels %v", name, err, v.labels)
		}
	}
}

// A rotation function is not asked for ever.
func TestCreateCountsAttempts(t *testing.T) {
	v := newVault()
	plan := planned(v)
	plan.RotationFunction = "arn:function"
	in := rotation.StepInput{Plan: plan, Execution: rotation.Execution{ARN: thisExecution}}
	for range 4 {
		created, err := rotation.Create{Secrets: v, NewPassword: v.newPassword, Now: atNoon}.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		in.Create = created
	}
	_, err := rotation.Create{Secrets: v, NewPassword: v.newPassword, Now: atNoon}.Run(t.Context(), in)
	if !fault.Is(err, fault.RotationFunctionFailed) || !strings.Contains(err.Error(), "arn:function failed 4 times") {
		t.Errorf("got %v", err)
	}
}

// Attempts of one execution agree on one password, wherever the first died.
func TestCreateRepeats(t *testing.T) {
	for name, op := range map[string]string{"after writing": "PutVersion", "before staging": "MoveLabel", "at once": ""} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			plan := planned(v)
			if op != "" {
				v.fails[op] = fault.New(fault.ServiceUnavailable, "no answer", "")
			}
			if _, err := create(t, v, plan, nil); (err != nil) != (op != "") {
				t.Fatal(err)
			}
			delete(v.fails, op)
			if _, err := create(t, v, plan, nil); err != nil {
				t.Fatal(err)
			}
			if v.password(own) != "new-1" || v.labels[rotation.Pending] != own {
				t.Errorf("got %q, labels %v", v.password(own), v.labels)
			}
		})
	}
}

func TestCreateStepsBack(t *testing.T) {
	other := rotation.VersionID(otherExecution)
	for name, tc := range map[string]struct {
		meanwhile  func(*vault, *rotation.Planned)
		executions running
		code       fault.Code
		says       string
	}{
		"for a running execution": {func(v *vault, _ *rotation.Planned) { v.pending(other, document("other")) }, running{thisExecution, otherExecution}, fault.AlreadyRotating, otherExecution},
		"for somebody else":       {func(v *vault, _ *rotation.Planned) { v.pending("v-strange", document("other")) }, running{thisExecution}, fault.AlreadyRotating, "v-strange"},
		"for other credentials":   {func(v *vault, _ *rotation.Planned) { v.labels[rotation.Current] = "v-previous" }, nil, fault.SecretChanged, "v-previous"},
		"before its window": {func(_ *vault, p *rotation.Planned) {
			p.Window = &rotation.Window{OpensAt: noon.Add(time.Second), ClosesAt: noon.Add(time.Hour)}
		}, nil, fault.WindowClosed, "opens at 2026-03-01T12:00:01Z"},
		"after its window": {func(_ *vault, p *rotation.Planned) {
			p.Window = &rotation.Window{OpensAt: noon.Add(-time.Hour), ClosesAt: noon}
		}, nil, fault.WindowClosed, "closed at 2026-03-01T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			plan := planned(v)
			tc.meanwhile(v, &plan)
			before := v.labels[rotation.Pending]
			_, err := create(t, v, plan, tc.executions)
			if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
			if v.labels[rotation.Pending] != before {
				t.Error("AWSPENDING was taken away from another")
			}
		})
	}
}
