package rotation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// failedAt is the execution's state after a failure of the named step.
func failedAt(v *vault, step string) rotation.RestoreInput {
	in := rotation.RestoreInput{
		Request:   json.RawMessage(`{"secretId":"prod/app"}`),
		Execution: rotation.Execution{ARN: thisExecution, StartedAt: noon},
		Plan:      planned(v),
		Progress:  rotation.Progress{Database: rotation.NotEntered},
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
		in.Progress = rotation.Progress{Database: rotation.MayHave}
	}
	return in
}

// restore runs the step, and tells how long it waited for late statements.
func restore(t *testing.T, v *vault, s *server, in rotation.RestoreInput) (e rotation.Ending, waited time.Duration, err error) {
	t.Helper()
	e, err = rotation.Restore{Secrets: v, Databases: s, Now: atNoon, Sleep: func(_ context.Context, d time.Duration) error {
		waited += d
		return nil
	}}.Run(t.Context(), in)
	return e, waited, err
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
				again := []string{"set app current", "close", "current", "close"}
				switch {
				case current == accepted: // and set all the same: something may be on its way
					outcome, log = rotation.RestoredCleanly, append([]string{"current"}, again...)
				case current == unreachable:
					err, log = unreachable, []string{"current"}
				case pending == accepted:
					outcome, log = rotation.RestoredCleanly, append([]string{"current", "pending"}, again...)
				case pending == unreachable:
					err, log = unreachable, []string{"current", "pending"}
				case previous == accepted:
					outcome, log = rotation.RestoredCleanly, append([]string{"current", "pending", "previous"}, again...)
				case previous == unreachable:
					err, log = unreachable, []string{"current", "pending", "previous"}
				default:
					outcome, log = rotation.NeedsAttention, []string{"current", "pending", "previous"}
				}
				t.Run(fmt.Sprintf("%q %q %q", current, pending, previous), func(t *testing.T) {
					v, s := newVault(), &server{answers: map[string]fault.Code{"current": current, "pending": pending, "previous": previous}}
					v.stored(document("pending"))
					e, _, failed := restore(t, v, s, failedAt(v, "TestSecret"))
					if e.Outcome != outcome || fault.CodeOf(failed) != err {
						t.Errorf("got %s and %v, want %s and %q", e.Outcome, failed, outcome, err)
					}
					if diff := cmp.Diff(log, s.log); diff != "" {
						t.Errorf("the database saw: %s", diff)
					}
					gone := v.labels[rotation.Pending] == "" && v.labels[rotation.Hold(own)] == "" && v.labels[rotation.GivenUp] == own
					kept := v.labels[rotation.Pending] == own && v.labels[rotation.Hold(own)] == own
					if gone != (outcome == rotation.RestoredCleanly) || kept == gone {
						t.Errorf("labels %v", v.labels)
					}
					if v.labels[rotation.Current] != "v-current" || v.password("v-current") != "current" {
						t.Error("AWSCURRENT has changed")
					}
				})
			}
		}
	}
}

// The last attempt does not ask for another one, which nobody would make: it says what
// it could not find out, and keeps every label.
func TestRestoreEndsAtItsLastAttempt(t *testing.T) {
	for _, code := range fault.Codes() {
		if !code.Retryable() {
			continue
		}
		for _, fails := range []string{"Describe", "Value", "Connect", "MoveLabel"} {
			for _, at := range []string{"CreateSecret", "SetSecret", "TestSecret"} {
				v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
				v.stored(document("pending"))
				in := failedAt(v, at)
				in.Retries = 10
				if v.fails[fails] = fault.New(code, "not now", ""); fails == "Connect" {
					s.answers["current"] = code
				}
				_, _, first := restore(t, v, s, in)
				in.State.RetryCount = 10
				e, _, last := restore(t, v, s, in)
				asked := first != nil // whether the failing call is made at all
				if asked && fault.CodeOf(first) != code || last != nil {
					t.Errorf("%s of %s, after %s: %v at first, %v at last", code, fails, at, first, last)
				}
				want := rotation.RestoredCleanly
				switch {
				case at == "CreateSecret" && !asked:
					want = rotation.Refused
				case at == "CreateSecret":
					want = rotation.NeedsAttention
					if e.Event.Applications != "not changed" || e.Severity != "warning" {
						t.Errorf("%s of %s: %s, applications are %s", code, fails, e.Severity, e.Event.Applications)
					}
				case fails != "MoveLabel":
					want = rotation.NeedsAttention
				}
				kept := v.labels[rotation.Pending] == own && v.labels[rotation.Hold(own)] == own
				if e.Outcome != want || asked && (!kept || fails != "Describe" && !strings.Contains(e.Message, string(code)+": ")) {
					t.Errorf("%s of %s, after %s: %s, labels %v\n%s", code, fails, at, e.Outcome, v.labels, e.Message)
				}
			}
		}
	}
}

// A server that keeps two passwords accepts both, and a profile that admits no password
// twice refuses to set AWSCURRENT's back. Where it is accepted for a time only (Oracle), a
// person has to look, and no label may go. Elsewhere AWSCURRENT logs in, and that is told;
// without the other one the refusal says nothing.
func TestRestoreOfASecondPassword(t *testing.T) {
	for _, tc := range []struct{ both, expires bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		both, told := tc.both, tc.both && tc.expires
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}, cannot: fault.New(fault.PasswordRejected, "it was used before", "")}
		if both {
			s.answers["pending"] = ""
		}
		v.stored(document("pending"))
		if tc.expires {
			for id, value := range v.values {
				v.values[id] = strings.Replace(value, `"engine":"postgres"`, `"engine":"oracle-ee","dbname":"ORCL"`, 1)
			}
		}
		want := rotation.RestoredCleanly
		if told {
			want = rotation.NeedsAttention
		}
		e, _, err := restore(t, v, s, failedAt(v, "TestSecret"))
		pending, held := v.labels[rotation.Pending] == own, v.labels[rotation.Hold(own)] == own
		if err != nil || e.Outcome != want || pending != told || held != both || strings.Contains(e.Message, "it was used before") != told {
			t.Errorf("%+v: %s, %v, labels %v\n%s", tc, e.Outcome, err, v.labels, e.Message)
		}
	}
}

// Only a wrong password is ever repaired. Whatever else is wrong with an account,
// somebody has decided it, and the superuser least of all may undo it.
func TestRestoreLeavesAccountsAlone(t *testing.T) {
	for _, code := range []fault.Code{fault.AccountDisabled, fault.PasswordExpired} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": code, "pending": "", "previous": ""}}
		v.stored(document("pending"))
		in := failedAt(v, "SetSecret")
		in.Plan.RecoverPassword = true
		e, _, err := restore(t, v, s, in)
		if err != nil || e.Outcome != rotation.NeedsAttention || !strings.Contains(e.Message, string(code)) || len(s.log) != 1 {
			t.Errorf("%s: %s, %v, %q", code, e.Outcome, err, s.log)
		}
	}
}

// From CreateSecret's success on the database may have been changed, whatever
// else is in the state, and whatever the failure. Without an answer from the
// database nothing is called fine. A key that is missing is no answer.
func TestRestoreAsksTheDatabase(t *testing.T) {
	for name, change := range map[string]func(v *vault, in *rotation.RestoreInput){
		"as it is":                 func(*vault, *rotation.RestoreInput) {},
		"statement refused":        func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "PrivilegeMissing" },
		"window closed":            func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "WindowClosed" },
		"nobody knows the error":   func(_ *vault, in *rotation.RestoreInput) { in.Failure.Error = "Runtime.ExitError" },
		"no progress in the state": func(_ *vault, in *rotation.RestoreInput) { in.Progress = rotation.Progress{} },
		"a pair":                   func(_ *vault, in *rotation.RestoreInput) { in.Plan.Strategy = rotation.AlternatingUsers },
		"it had been set":          func(_ *vault, in *rotation.RestoreInput) { in.Set = &rotation.SetResult{} },
		"AWSPENDING was taken off": func(v *vault, _ *rotation.RestoreInput) { delete(v.labels, rotation.Pending) },
		"AWSPENDING was moved":     func(v *vault, _ *rotation.RestoreInput) { v.labels[rotation.Pending] = "v-previous" },
		"every label was taken off": func(v *vault, _ *rotation.RestoreInput) {
			delete(v.labels, rotation.Pending)
			delete(v.labels, rotation.Hold(own))
		},
		"AWSCURRENT was moved to ours": func(v *vault, _ *rotation.RestoreInput) { v.labels[rotation.Current] = own },
		"AWSCURRENT was moved to ours, and nothing entered": func(v *vault, in *rotation.RestoreInput) {
			v.labels[rotation.Current], in.Progress.Database = own, rotation.NotEntered
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: map[string]fault.Code{"current": fault.CertificateRejected, "pending": fault.CertificateRejected}}
			v.stored(document("pending"))
			in := failedAt(v, "SetSecret")
			in.Failure.Error = "CertificateRejected"
			change(v, &in)
			labels := fmt.Sprint(v.labels)
			e, _, err := restore(t, v, s, in)
			if err != nil || e.Outcome != rotation.NeedsAttention || e.Event.Applications != "at risk" || e.Severity != "critical" {
				t.Fatalf("got %+v, %v", e, err)
			}
			if len(s.log) == 0 {
				t.Error("the database was not asked")
			}
			if got := fmt.Sprint(v.labels); got != labels {
				t.Errorf("labels were %s and are %s", labels, got)
			}
		})
	}
}

// A person, or another rotation, has moved AWSPENDING: nothing is changed under
// it, and nothing called fine that is not.
func TestRestoreUnderAnother(t *testing.T) {
	for name, tc := range map[string]struct {
		answers map[string]fault.Code
		outcome rotation.Outcome
		log     []string
		waits   bool
	}{
		"AWSCURRENT works":      {map[string]fault.Code{"current": ""}, rotation.RestoredCleanly, []string{"current", "close", "current", "close", "pending"}, true},
		"AWSCURRENT is refused": {map[string]fault.Code{"pending": ""}, rotation.NeedsAttention, []string{"current", "pending", "close"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: tc.answers}
			in := failedAt(v, "TestSecret")
			v.stored(document("pending"))
			v.pending("v-other", document("other"))
			e, waited, err := restore(t, v, s, in)
			if err != nil || e.Outcome != tc.outcome {
				t.Fatalf("got %+v, %v", e, err)
			}
			if diff := cmp.Diff(tc.log, s.log); diff != "" || waited > 0 != tc.waits {
				t.Errorf("waited %s; the database saw: %s", waited, diff)
			}
			if v.labels[rotation.Pending] != "v-other" {
				t.Errorf("labels %v", v.labels)
			}
		})
	}
}

// A user that may not set this password again may have had a statement on its way
// all the same: it is waited for.
func TestRestoreWaitsForLateStatements(t *testing.T) {
	for name, tc := range map[string]struct {
		late    bool // the statement comes while it is waited for
		outcome rotation.Outcome
	}{
		"none comes": {false, rotation.RestoredCleanly},
		"one comes":  {true, rotation.NeedsAttention},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}, cannot: fault.New(fault.PasswordRejected, "no", "")}
			v.stored(document("pending"))
			slept := time.Duration(0)
			e, err := rotation.Restore{Secrets: v, Databases: s, Now: atNoon, Sleep: func(_ context.Context, d time.Duration) error {
				slept = d
				if tc.late {
					s.answers = map[string]fault.Code{"pending": ""}
				}
				return nil
			}}.Run(t.Context(), failedAt(v, "SetSecret"))
			if err != nil || e.Outcome != tc.outcome || slept != engine.LateBound {
				t.Errorf("%s after %s, %v", e.Outcome, slept, err)
			}
			if kept := v.labels[rotation.Hold(own)] == own; kept != tc.late {
				t.Errorf("labels %v", v.labels)
			}
		})
	}
}

// A server may let an old password in from a cache, until the new one is used.
func TestRestoreSeesThroughACache(t *testing.T) {
	v, s := newVault(), &server{answers: map[string]fault.Code{"current": "", "pending": ""}, cannot: fault.New(fault.PrivilegeMissing, "no", "")}
	v.stored(document("pending"))
	s.onConnect = func(password string) {
		if password == "pending" {
			s.answers = map[string]fault.Code{"pending": ""}
		}
	}
	e, _, err := restore(t, v, s, failedAt(v, "SetSecret"))
	if err != nil || e.Outcome != rotation.NeedsAttention || v.labels[rotation.Hold(own)] != own {
		t.Errorf("%s, %v, labels %v", e.Outcome, err, v.labels)
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
			v.stored(document("pending"))
			in := failedAt(v, "TestSecret")
			if tc.spoil != nil {
				tc.spoil(v, s)
			}
			e, _, err := restore(t, v, s, in)
			if err != nil || e.Outcome != rotation.NeedsAttention || e.Severity != "critical" {
				t.Fatalf("got %+v, %v", e, err)
			}
			if v.labels[rotation.Pending] != own || v.labels[rotation.Hold(own)] != own {
				t.Error("a label was dropped")
			}
			for _, says := range []string{"Tumbler did", tc.says, "kept every label", "TestSecret", "it broke"} {
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

// What has not gone to the database takes off its own labels and no other's, and
// says that no login was tried.
func TestRestoreStepsBack(t *testing.T) {
	for name, tc := range map[string]struct {
		labels func(v *vault)
		left   func(v *vault) // before it was planned
		kept   bool
	}{
		"create failed":                       {func(*vault) {}, nil, false},
		"create failed, stored":               {func(v *vault) { v.stored(document("pending")); delete(v.labels, rotation.Pending) }, nil, false},
		"create failed, another has won":      {func(v *vault) { v.stored(document("pending")); v.pending("v-other", document("other")) }, nil, false},
		"create failed after staging":         {func(v *vault) { v.stored(document("pending")) }, nil, false},
		"what was taken over from a dead one": {func(v *vault) { v.stored(document("left")) }, func(v *vault) { v.pending("v-dead", document("left")) }, true},
		"AWSCURRENT was changed by a person":  {func(v *vault) { v.stored(document("pending")); v.labels[rotation.Current] = "v-previous" }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{}
			if tc.left != nil {
				tc.left(v)
			}
			in := failedAt(v, "CreateSecret")
			tc.labels(v)
			others := v.labels[rotation.Pending]
			e, _, err := restore(t, v, s, in)
			if err != nil || e.Outcome != rotation.Refused || e.Event.Applications != "not changed" || e.Event.Step != "CreateSecret" {
				t.Fatalf("got %+v, %v", e, err)
			}
			if len(s.log) > 0 || strings.Contains(e.Message, "unaffected") {
				t.Errorf("the database saw %q, and the alert says:\n%s", s.log, e.Message)
			}
			hold, now := v.labels[rotation.Hold(own)] == own, v.labels[rotation.Pending]
			if hold != tc.kept || (now == own) != tc.kept || others != own && now != others || v.labels[rotation.GivenUp] != "" {
				t.Errorf("labels %v", v.labels)
			}
		})
	}
}

// That AWSCURRENT already is the new version is a success once it has logged in.
func TestRestoreFindsASuccess(t *testing.T) {
	for name, answers := range map[string]map[string]fault.Code{"it logs in": {"pending": ""}, "an older one does": {"current": ""}} {
		v, s := newVault(), &server{answers: answers}
		in := failedAt(v, "FinishSecret")
		v.stored(document("pending"))
		v.labels[rotation.Current], v.labels[rotation.Previous] = own, "v-current"
		e, _, err := restore(t, v, s, in)
		if err != nil || e.Outcome != rotation.Rotated || v.labels[rotation.Pending] != "" || v.labels[rotation.Hold(own)] != "" {
			t.Errorf("%s: %+v, %v, labels %v", name, e, err, v.labels)
		}
		if s.answers["pending"] != "" || !slices.Contains(s.log, "pending") {
			t.Errorf("%s: the database saw %q", name, s.log)
		}
	}
}

// An alert says whether applications were refused for a time.
func TestRestoreTellsOfTheGap(t *testing.T) {
	changedAt, justNow, secondsAgo := noon.Add(-time.Minute), noon.Add(-34*time.Millisecond), noon.Add(-20346*time.Millisecond)
	for name, tc := range map[string]struct {
		set     *rotation.SetResult
		failure string
		works   string
		want    string
		gap     string // ms; "<" and the most that it can be, where the answer was lost
		retries int    // of Restore: what an earlier attempt has found is not known
		says    string
	}{
		"the statement was refused":   {nil, "PrivilegeMissing", "current", "unaffected", "", 0, ""},
		"the answer was lost":         {nil, "OutcomeUnknown", "current", "restored", "<90000", 0, "perhaps, for 1m30s at most: the answer to the change was lost"},
		"the function died":           {nil, "Sandbox.Timedout", "current", "restored", "<90000", 0, "perhaps, for 1m30s at most: the answer to the change was lost"},
		"it was found changed":        {nil, "PrivilegeMissing", "pending", "restored", "<90000", 0, "for 1m30s at most: the answer to the change was lost"},
		"it was set and did not test": {&rotation.SetResult{ChangedAt: &changedAt}, "CertificateRejected", "pending", "restored", "60000", 0, "for 1m0s"},
		"only a moment ago":           {&rotation.SetResult{ChangedAt: &justNow}, "CertificateRejected", "pending", "restored", "34", 0, "for 34ms"},
		"some seconds ago":            {&rotation.SetResult{ChangedAt: &secondsAgo}, "CertificateRejected", "pending", "restored", "20346", 0, "for 20.3s"},
		"Restore had hung":            {nil, "WindowClosed", "current", "restored", "<90000", 1, "perhaps, for 1m30s at most: the answer to the change was lost"},
	} {
		v, s := newVault(), &server{answers: map[string]fault.Code{tc.works: ""}}
		in := failedAt(v, "SetSecret")
		v.stored(document("pending"))
		in.Set, in.Failure.Error = tc.set, tc.failure
		in.Create.At = new(noon.Add(-90 * time.Second))
		in.State.RetryCount = tc.retries
		e, _, err := restore(t, v, s, in)
		gap := ""
		if ms := e.Event.CredentialGapMs; ms != nil {
			gap = fmt.Sprint(*ms)
		}
		if ms := e.Event.CredentialGapAtMostMs; ms != nil {
			gap += fmt.Sprint("<", *ms)
		}
		if err != nil || e.Event.Applications != tc.want || gap != tc.gap {
			t.Errorf("%s: %s, gap %q, %v", name, e.Event.Applications, gap, err)
		}
		if again := strings.Contains(e.Subject, "again"); again != (tc.want == "restored") {
			t.Errorf("%s: the subject is %q", name, e.Subject)
		}
		if _, after, told := strings.Cut(e.Message, "\nRefused:        "); told != (tc.says != "") || told && !strings.HasPrefix(after, tc.says+"\n") {
			t.Errorf("%s: the message does not say %q:\n%s", name, tc.says, e.Message)
		}
	}
}

// What ends early, and says why by its name, is not called a failure.
func TestRestoreNamesEndings(t *testing.T) {
	for failure, want := range map[string]rotation.Outcome{
		"WindowClosed": rotation.WindowClosed, "AlreadyRotating": rotation.AlreadyRotating,
		"DatabaseError": rotation.RestoredCleanly, "States.Timeout": rotation.RestoredCleanly,
	} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
		v.stored(document("pending"))
		in := failedAt(v, "SetSecret")
		in.Failure = rotation.Failure{Error: failure}
		if e, _, err := restore(t, v, s, in); err != nil || e.Outcome != want || e.Error != failure {
			t.Errorf("%s: got %s with %q, %v", failure, e.Outcome, e.Error, err)
		}
	}
}

// That a label cannot be taken off does not matter to applications, and nothing is
// said to be done that was not.
func TestRestoreCannotMoveLabels(t *testing.T) {
	for code, retried := range map[fault.Code]bool{fault.AccessDenied: false, fault.Throttled: true} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
		v.stored(document("pending"))
		v.fails["MoveLabel"] = fault.New(code, "no", "")
		e, _, err := restore(t, v, s, failedAt(v, "SetSecret"))
		if (err != nil) != retried {
			t.Errorf("%s: got %v", code, err)
		}
		if !retried && (e.Outcome != rotation.RestoredCleanly || !strings.Contains(e.Message, "could not move label AWSPENDING") || strings.Contains(e.Message, "took AWSPENDING off")) {
			t.Errorf("%s: got %+v", code, e)
		}
	}
}
