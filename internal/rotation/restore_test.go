package rotation_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// failedAt is the execution's state after a failure of the named step.
func failedAt(v *vault, step string) rotation.RestoreInput {
	in := rotation.RestoreInput{
		Request:   json.RawMessage(`{"secretId":"prod/app"}`),
		Execution: rotation.Execution{ARN: thisExecution, StartedAt: noon},
		Plan:      planned(v),
		Failure:   rotation.Failure{Error: "DatabaseError", Cause: `{"errorMessage":"it broke","errorType":"DatabaseError"}`},
	}
	switch step {
	case "FinishSecret":
		in.Test = &rotation.TestResult{}
		fallthrough
	case "TestSecret":
		in.Set = &rotation.SetResult{}
		fallthrough
	case "SetSecret":
		in.Create = &rotation.CreateResult{}
	}
	return in
}

func restore(t *testing.T, v *vault, s *server, in rotation.RestoreInput) (rotation.Ending, error) {
	t.Helper()
	return rotation.Restore{Secrets: v, Databases: s, Now: atNoon}.Run(t.Context(), in)
}

// What the database says to AWSCURRENT, AWSPENDING and AWSPREVIOUS decides what
// is done. All 27 combinations, and every further login saved.
func TestRestoreCells(t *testing.T) {
	const (
		accepted    = fault.Code("")
		refused     = fault.LoginRefused
		unreachable = fault.DatabaseUnreachable
	)
	answers := []fault.Code{accepted, refused, unreachable}
	for _, current := range answers {
		for _, pending := range answers {
			for _, previous := range answers {
				var outcome rotation.Outcome
				var log []string
				var err fault.Code
				setBack := []string{"set app current", "close", "current", "close"}
				switch {
				case current == accepted:
					outcome, log = rotation.RestoredCleanly, []string{"current", "close"}
				case current == unreachable:
					err, log = unreachable, []string{"current"}
				case pending == accepted:
					outcome, log = rotation.RestoredCleanly, append([]string{"current", "pending"}, setBack...)
				case pending == unreachable:
					err, log = unreachable, []string{"current", "pending"}
				case previous == accepted:
					outcome, log = rotation.RestoredCleanly, append([]string{"current", "pending", "previous"}, setBack...)
				case previous == unreachable:
					err, log = unreachable, []string{"current", "pending", "previous"}
				default:
					outcome, log = rotation.NeedsAttention, []string{"current", "pending", "previous"}
				}
				t.Run(fmt.Sprintf("%q %q %q", current, pending, previous), func(t *testing.T) {
					v, s := newVault(), &server{answers: map[string]fault.Code{"current": current, "pending": pending, "previous": previous}}
					v.pending(own, document("pending"))
					e, failed := restore(t, v, s, failedAt(v, "TestSecret"))
					if e.Outcome != outcome || fault.CodeOf(failed) != err {
						t.Errorf("got %s and %v, want %s and %q", e.Outcome, failed, outcome, err)
					}
					if diff := cmp.Diff(log, s.log); diff != "" {
						t.Errorf("the database saw: %s", diff)
					}
					if _, kept := v.labels[rotation.Pending]; kept == (outcome == rotation.RestoredCleanly) {
						t.Errorf("AWSPENDING kept: %t", kept)
					}
					if v.labels[rotation.Current] != "v-current" || v.password("v-current") != "current" {
						t.Error("AWSCURRENT has changed")
					}
				})
			}
		}
	}
}

// A database that cannot be asked, after a rotation that certainly changed
// nothing in it, is no reason to page. The slightest doubt is.
func TestRestoreKnowsWhenNothingHasHappened(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(v *vault, in *rotation.RestoreInput)
		outcome rotation.Outcome
	}{
		"refused before a change":      {nil, rotation.Refused},
		"statement refused":            {func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "PrivilegeMissing" }, rotation.Refused},
		"window closed":                {func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "WindowClosed" }, rotation.WindowClosed},
		"an attempt's answer was lost": {func(_ *vault, in *rotation.RestoreInput) { in.Unclear = &rotation.Failure{Error: "OutcomeUnknown"} }, rotation.NeedsAttention},
		"nobody knows the error":       {func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "Runtime.ExitError" }, rotation.NeedsAttention},
		"the password was adopted":     {func(_ *vault, in *rotation.RestoreInput) { in.Plan.PendingVersionID = "v-dead" }, rotation.NeedsAttention},
		"a clone was being made": {func(_ *vault, in *rotation.RestoreInput) {
			in.Plan.Strategy, in.Failure.Error = rotation.AlternatingUsers, "PrivilegeMissing"
		}, rotation.NeedsAttention},
		"it had been set": {func(_ *vault, in *rotation.RestoreInput) { in.Set = &rotation.SetResult{} }, rotation.NeedsAttention},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: map[string]fault.Code{"current": fault.CertificateRejected}}
			v.pending(own, document("pending"))
			in := failedAt(v, "SetSecret")
			in.Failure.Error = "CertificateRejected"
			if tc.change != nil {
				tc.change(v, &in)
			}
			e, err := restore(t, v, s, in)
			if err != nil || e.Outcome != tc.outcome {
				t.Fatalf("got %s, %v, want %s", e.Outcome, err, tc.outcome)
			}
			if kept := v.labels[rotation.Pending] == own; kept != (tc.outcome == rotation.NeedsAttention) {
				t.Errorf("AWSPENDING kept: %t", kept)
			}
		})
	}
}

// A failure that waiting does not cure needs a person, at whichever login it
// shows; the alert names it.
func TestRestoreNeedsAttention(t *testing.T) {
	for name, tc := range map[string]struct {
		answers map[string]fault.Code
		spoil   func(*vault, *server)
		says    string
	}{
		"certificate":        {map[string]fault.Code{"current": fault.CertificateRejected}, nil, "CertificateRejected"},
		"all refused":        {nil, nil, "LoginRefused"},
		"cannot set it back": {map[string]fault.Code{"pending": ""}, func(_ *vault, s *server) { s.cannot = fault.New(fault.PrivilegeMissing, "no", "") }, "PrivilegeMissing"},
		"cannot look":        {nil, func(v *vault, _ *server) { v.fails["Describe"] = fault.New(fault.AccessDenied, "no", "") }, "AccessDenied"},
		"cannot read":        {nil, func(v *vault, _ *server) { v.fails["Value"] = fault.New(fault.KeyUnusable, "no", "") }, "KeyUnusable"},
		"spoilt by hand":     {nil, func(v *vault, _ *server) { v.values["v-current"] = "c4nary" }, "InvalidSecret"},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: tc.answers}
			v.pending(own, document("pending"))
			in := failedAt(v, "TestSecret")
			if tc.spoil != nil {
				tc.spoil(v, s)
			}
			e, err := restore(t, v, s, in)
			if err != nil || e.Outcome != rotation.NeedsAttention || e.Severity != "critical" {
				t.Fatalf("got %+v, %v", e, err)
			}
			if v.labels[rotation.Pending] != own {
				t.Error("AWSPENDING was dropped")
			}
			for _, says := range []string{"Tumbler did", tc.says, "kept AWSPENDING", "TestSecret", "it broke"} {
				if !strings.Contains(e.Message, says) {
					t.Errorf("the alert does not say %q:\n%s", says, e.Message)
				}
			}
			if strings.Contains(e.Message, "c4nary") {
				t.Error("the alert quotes the secret")
			}
		})
	}
}

// How far the labels have come tells what there is to do, whatever the failure.
func TestRestoreReadsTheLabels(t *testing.T) {
	for name, tc := range map[string]struct {
		labels  func(v *vault)
		step    string
		outcome rotation.Outcome
		logins  int
	}{
		"finished after all":          {func(v *vault) { v.labels[rotation.Current] = own; v.pending(own, document("pending")) }, "FinishSecret", rotation.Rotated, 0},
		"finished, AWSPENDING gone":   {func(v *vault) { v.labels[rotation.Current] = own }, "FinishSecret", rotation.Rotated, 0},
		"restored by an earlier try":  {func(*vault) {}, "SetSecret", rotation.RestoredCleanly, 0},
		"create failed":               {func(*vault) {}, "CreateSecret", rotation.Refused, 0},
		"create failed, another's":    {func(v *vault) { v.pending("v-other", document("other")) }, "CreateSecret", rotation.Refused, 0},
		"create failed after staging": {func(v *vault) { v.pending(own, document("pending")) }, "CreateSecret", rotation.RestoredCleanly, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
			in := failedAt(v, tc.step)
			tc.labels(v)
			others := v.labels[rotation.Pending]
			e, err := restore(t, v, s, in)
			if err != nil || e.Outcome != tc.outcome {
				t.Fatalf("got %+v, %v", e, err)
			}
			logins := 0
			for _, entry := range s.log {
				if entry == "current" {
					logins++
				}
			}
			if logins != tc.logins || logins*2 != len(s.log) {
				t.Errorf("the database saw %q, want %d logins", s.log, tc.logins)
			}
			now := v.labels[rotation.Pending]
			if now == own || (others != own && now != others) {
				t.Errorf("AWSPENDING was on %q and is on %q", others, now)
			}
			if e.Outcome != rotation.Rotated && e.Event.Step != tc.step {
				t.Errorf("the event names step %q", e.Event.Step)
			}
		})
	}
}

// What ends early, and says why by its name, is not called a failure.
func TestRestoreNamesEndings(t *testing.T) {
	for failure, want := range map[string]rotation.Outcome{
		"WindowClosed": rotation.WindowClosed, "AlreadyRotating": rotation.AlreadyRotating,
		"DatabaseError": rotation.RestoredCleanly, "States.Timeout": rotation.RestoredCleanly,
	} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
		v.pending(own, document("pending"))
		in := failedAt(v, "SetSecret")
		in.Failure = rotation.Failure{Error: failure}
		if e, err := restore(t, v, s, in); err != nil || e.Outcome != want || e.Error != failure {
			t.Errorf("%s: got %s with %q, %v", failure, e.Outcome, e.Error, err)
		}
	}
}

// That AWSPENDING cannot be taken off does not matter to applications.
func TestRestoreCannotDropPending(t *testing.T) {
	for code, retried := range map[fault.Code]bool{fault.AccessDenied: false, fault.Throttled: true} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
		v.pending(own, document("pending"))
		v.fails["MoveLabel"] = fault.New(code, "no", "")
		e, err := restore(t, v, s, failedAt(v, "SetSecret"))
		if (err != nil) != retried {
			t.Errorf("%s: got %v", code, err)
		}
		if e.Outcome != rotation.RestoredCleanly || (!retried && !strings.Contains(e.Message, "the next rotation will do")) {
			t.Errorf("%s: got %+v", code, e)
		}
	}
}
