package statemachine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// Stretches of paths.
const (
	begin    = "Receive Plan WindowOpen CreateSecret HasRotationFunction " + ready + " SetSecret TestSecret FinishSecret"
	ready    = "Ready ReadyToTest ReadyToFinish ReadyToRestore" // one by one, in the tests
	announce = " TellPeople Announce Ending "
	alert    = " TellPeople SendAlert Announce Ending "
	restore  = " Restore"
	waited   = "Receive Plan WindowOpen WaitForWindow Plan"
	giveUp   = " Restore GiveUp" + alert + "NeedsAttention"
)

// bySuperuser is the normal path where the superuser resets a password.
var bySuperuser = upTo("SetSecret") + " SetSecret TestSecret FinishSecret"

// upTo is the normal path as far as the state.
func upTo(state string) string {
	before, _, _ := strings.Cut(begin+" ", state+" ")
	return before + state
}

// backOff is how long n retries take with the longest jitter: from first
// seconds, doubling up to a cap.
func backOff(n int, first, most time.Duration) (sum time.Duration) {
	for d := first; n > 0; n-- {
		sum += min(d, most)
		d *= 2
	}
	return sum
}

const second = time.Second

// retries is what the definition promises for each task: how often it is
// retried, and with what back-off.
var retries = map[string]struct {
	max         int
	first, most time.Duration
	timeout     time.Duration
}{
	"Plan":           {5, second, 20 * second, 40 * second},
	"CreateSecret":   {5, second, 20 * second, 40 * second},
	"ReadyToTest":    {5, second, 15 * second, 40 * second},
	"ReadyToFinish":  {5, second, 15 * second, 40 * second},
	"ReadyToRestore": {5, second, 15 * second, 40 * second},
	"SetSecret":      {6, second, 30 * second, 75 * second},
	"TestSecret":     {6, second, 15 * second, 40 * second},
	"FinishSecret":   {8, second, 15 * second, 40 * second},
	"Restore":        {10, 2 * second, 60 * second, 75 * second},
	"SendAlert":      {8, second, 30 * second, 60 * second},
	"Announce":       {8, second, 30 * second, 60 * second},

	// A loop tries SetSecretByFunction again.
	"SetSecretByFunction":  {0, second, second, 930 * second},
	"TestSecretByFunction": {4, 2 * second, 15 * second, 930 * second},
}

func exhausted(state string) time.Duration {
	r := retries[state]
	return backOff(r.max, r.first, r.most)
}

// scenarios walk every path by hand; codes_test.go adds every error everywhere.
var scenarios = []scenario{
	{name: "rotated", path: begin + announce + "Rotated"},

	// Who is told.
	{name: "heals", heals: true, path: begin + alert + "Rotated"},
	{
		name: "was a success after all, and heals", heals: true, faults: []failing{{"FinishSecret", "LimitExceeded", 0}}, restored: "Rotated",
		path: upTo("FinishSecret") + restore + alert + "Rotated",
	},
	{
		name: "heals, and cannot say so", heals: true, faults: []failing{{"SendAlert", "SNS.NotFoundException", 0}},
		path: begin + alert + "Rotated",
	},
	{name: "an ending that does not say whether people are told", unsaid: true, path: begin + alert + "Rotated"},

	// The window.
	{
		name: "waits for the window and plans again", decisions: []string{"wait", "rotate"},
		path: waited + strings.TrimPrefix(begin, "Receive Plan") + announce + "Rotated",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2},
	},
	{
		name: "a decision that nobody knows is no decision to rotate", decisions: []string{"surprise", "rotate"},
		path: waited + strings.TrimPrefix(begin, "Receive Plan") + announce + "Rotated",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2},
	},
	{
		name: "is refused after waiting", decisions: []string{"wait"}, faults: []failing{{"Plan", "", 1}, {"Plan", "SecretDeleted", 0}}, restored: "Refused",
		path: waited + restore + alert + "Refused",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2}, err: "SecretDeleted", cause: causeOf("SecretDeleted"),
	},
	{
		name: "is refused after waiting, and that cannot be looked into", decisions: []string{"wait"},
		faults: []failing{{"Plan", "", 1}, {"Plan", "SecretDeleted", 0}, {"Restore", "AccessDenied", 0}},
		path:   waited + giveUp, took: 50 * time.Hour, attempts: map[string]int{"Plan": 2}, err: "SecretDeleted",
		cause: "SecretDeleted: " + causeOf("SecretDeleted") + ". Then restoring failed with AccessDenied: " + causeOf("AccessDenied"),
	},

	// Plan says no.
	{
		name: "the window is closed", faults: []failing{{"Plan", "WindowClosed", 0}}, restored: "WindowClosed",
		path: upTo("Plan") + restore + alert + "WindowClosed", err: "WindowClosed", cause: causeOf("WindowClosed"),
	},
	{
		name: "another execution is rotating", faults: []failing{{"Plan", "AlreadyRotating", 0}}, restored: "AlreadyRotating",
		path: upTo("Plan") + restore + alert + "AlreadyRotating", err: "AlreadyRotating", cause: causeOf("AlreadyRotating"),
	},
	{
		name: "the secret is not Tumbler's", faults: []failing{{"Plan", "SecretManaged", 0}}, restored: "Refused",
		path: upTo("Plan") + restore + alert + "Refused", err: "SecretManaged", cause: causeOf("SecretManaged"),
	},
	{
		name: "an outcome that nobody knows pages", faults: []failing{{"Plan", "SecretManaged", 0}}, restored: "Surprise",
		path: upTo("Plan") + restore + alert + "NeedsAttention", err: "SecretManaged", cause: causeOf("SecretManaged"),
	},

	// The superuser is about to reset a password, which is noted first.
	{
		name: "the superuser is needed", faults: []failing{{"SetSecret", "SuperuserNeeded", 1}},
		path: bySuperuser + announce + "Rotated", attempts: map[string]int{"SetSecret": 2},
	},
	{
		name: "the superuser is needed to restore", faults: []failing{{"SetSecret", "DatabaseError", 0}, {"Restore", "SuperuserNeeded", 1}},
		path: upTo("SetSecret") + restore + restore + alert + "RestoredCleanly", attempts: map[string]int{"Restore": 2},
		err: "DatabaseError", cause: causeOf("DatabaseError"),
	},

	// The answer to a change was lost.
	{
		name: "the outcome is unclear, and then clear", faults: []failing{{"SetSecret", "OutcomeUnknown", 1}},
		path: begin + announce + "Rotated", attempts: map[string]int{"SetSecret": 2}, took: second,
	},
	{
		name: "the outcome stays unclear", faults: []failing{{"SetSecret", "OutcomeUnknown", 1}, {"SetSecret", "CertificateRejected", 0}},
		path: upTo("SetSecret") + restore + alert + "RestoredCleanly", err: "CertificateRejected", cause: causeOf("CertificateRejected"),
		attempts: map[string]int{"SetSecret": 2}, took: second,
	},

	// What Restore finds decides the ending.
	{
		name: "restored cleanly", faults: []failing{{"TestSecret", "PrivilegeMissing", 0}},
		path: upTo("TestSecret") + restore + alert + "RestoredCleanly", err: "PrivilegeMissing", cause: causeOf("PrivilegeMissing"),
	},
	{
		name: "restored, but applications may be affected", faults: []failing{{"SetSecret", "DatabaseError", 0}}, restored: "NeedsAttention",
		path: upTo("SetSecret") + restore + alert + "NeedsAttention", err: "DatabaseError", cause: causeOf("DatabaseError"),
	},
	{
		name: "was a success after all", faults: []failing{{"FinishSecret", "LimitExceeded", 0}}, restored: "Rotated",
		path: upTo("FinishSecret") + restore + announce + "Rotated",
	},
	{
		name: "another execution holds AWSPENDING", faults: []failing{{"CreateSecret", "AlreadyRotating", 0}}, restored: "AlreadyRotating",
		path: upTo("CreateSecret") + restore + alert + "AlreadyRotating", err: "AlreadyRotating", cause: causeOf("AlreadyRotating"),
	},
	{
		name: "the window closed before the commit point", faults: []failing{{"SetSecret", "WindowClosed", 0}}, restored: "WindowClosed",
		path: upTo("SetSecret") + restore + alert + "WindowClosed", err: "WindowClosed", cause: causeOf("WindowClosed"),
	},
	{
		name: "the secret is not fit", faults: []failing{{"CreateSecret", "InvalidSecret", 0}}, restored: "Refused",
		path: upTo("CreateSecret") + restore + alert + "Refused", err: "InvalidSecret", cause: causeOf("InvalidSecret"),
	},

	// What comes after the change is not ready for it.
	{
		name: "FinishSecret may not move labels", faults: []failing{{"ReadyToFinish", "AccessDenied", 0}}, restored: "Refused",
		path: upTo("ReadyToFinish") + restore + alert + "Refused", err: "AccessDenied", cause: causeOf("AccessDenied"),
	},

	// Restore fails.
	{
		name: "gives up", faults: []failing{{"TestSecret", "LoginRefused", 0}, {"Restore", "DatabaseUnreachable", 0}},
		path: upTo("TestSecret") + giveUp, err: "LoginRefused",
		cause:    "LoginRefused: " + causeOf("LoginRefused") + ". Then restoring failed with DatabaseUnreachable: " + causeOf("DatabaseUnreachable"),
		attempts: map[string]int{"TestSecret": 5, "Restore": 11}, took: backOff(4, second, 8*second) + exhausted("Restore"),
	},
	{
		name: "cannot even report a failed plan", faults: []failing{{"Plan", "InternalError", 0}, {"Restore", "KeyUnusable", 0}},
		path: upTo("Plan") + giveUp, err: "InternalError",
		cause: "InternalError: " + causeOf("InternalError") + ". Then restoring failed with KeyUnusable: " + causeOf("KeyUnusable"),
	},
	{
		name: "gives up on a Restore that does not answer", faults: []failing{{"TestSecret", "LoginRefused", 0}, {"Restore", late, 0}},
		path: upTo("TestSecret") + strings.Replace(giveUp, " ReadRestoreCause", "", 1), err: "LoginRefused",
		cause:    "LoginRefused: " + causeOf("LoginRefused") + ". Then restoring failed with States.Timeout: ",
		attempts: map[string]int{"TestSecret": 5, "Restore": 11}, took: backOff(4, second, 8*second) + exhausted("Restore") + 11*75*second, paused: 11 * 75 * second,
	},
	{
		name: "Restore gets through at last", faults: []failing{{"SetSecret", "CertificateRejected", 0}, {"Restore", "DatabaseUnavailable", 10}},
		path: upTo("SetSecret") + restore + alert + "RestoredCleanly", err: "CertificateRejected", cause: causeOf("CertificateRejected"),
		attempts: map[string]int{"Restore": 11}, took: exhausted("Restore"),
	},

	// Retriers that share a state count for themselves.
	{
		name: "TestSecret has two budgets", faults: []failing{{"TestSecret", "LoginRefused", 4}, {"TestSecret", "DatabaseUnreachable", 6}},
		path: begin + announce + "Rotated", attempts: map[string]int{"TestSecret": 11},
		took: backOff(4, second, 8*second) + exhausted("TestSecret"),
	},

	// The messages fail: the ending stays what it was.
	{
		name: "the alert cannot be sent", faults: []failing{{"SetSecret", "DatabaseError", 0}, {"SendAlert", "SNS.AuthorizationErrorException", 0}},
		path: upTo("SetSecret") + restore + alert + "RestoredCleanly", err: "DatabaseError", cause: causeOf("DatabaseError"),
	},
	{
		name: "neither message can be sent", faults: []failing{{"Plan", "SecretNotFound", 0}, {"SendAlert", "SNS.NotFoundException", 0}, {"Announce", "EventBridge.ResourceNotFoundException", 0}},
		path: upTo("Plan") + restore + alert + "RestoredCleanly", err: "SecretNotFound", cause: causeOf("SecretNotFound"),
	},
	{
		name: "a success cannot be announced", faults: []failing{{"Announce", "States.Permissions", 0}},
		path: begin + announce + "Rotated",
	},
	{
		name: "the alert takes too long", faults: []failing{{"Plan", "SecretNotFound", 0}, {"SendAlert", late, 0}},
		path: upTo("Plan") + restore + alert + "RestoredCleanly", err: "SecretNotFound", cause: causeOf("SecretNotFound"),
		attempts: map[string]int{"SendAlert": 9}, took: exhausted("SendAlert") + 9*60*second,
	},
}

// messageErrors are the errors for which a message is tried again.
var messageErrors = map[string][]string{
	"SendAlert": {"SNS.InternalErrorException", "SNS.ThrottledException", "SNS.KMSThrottlingException", "SNS.SdkClientException"},
	"Announce":  {"EventBridge.FailedEntry", "EventBridge.InternalException", "EventBridge.ThrottlingException", "EventBridge.SdkClientException"},
}

// messageScenario is one of them, for good.
func messageScenario(state, err string) scenario {
	sc := scenario{
		name: state + " " + err + " for good", faults: []failing{{"SetSecret", "DatabaseError", 0}, {state, err, 0}},
		path: upTo("SetSecret") + restore + alert + "RestoredCleanly", err: "DatabaseError", cause: causeOf("DatabaseError"),
		attempts: map[string]int{state: 9}, took: exhausted(state),
	}
	if err == late {
		sc.took += 9 * retries[state].timeout
	}
	return sc
}

// messageScenarios are each of them, for good and passing at the last attempt.
func messageScenarios() (list []scenario) {
	for state, errors := range messageErrors {
		for _, err := range append([]string{late}, errors...) {
			sc := messageScenario(state, err)
			passing := sc
			passing.name, passing.faults = state+" "+err+" passing", []failing{{"SetSecret", "DatabaseError", 0}, {state, err, 8}}
			if err == late {
				passing.took -= retries[state].timeout
			}
			list = append(list, sc, passing)
		}
	}
	return list
}

func TestPaths(t *testing.T) {
	m := loaded(t)
	for _, sc := range slices.Concat(scenarios, byFunction, messageScenarios()) {
		t.Run(sc.name, func(t *testing.T) {
			if wrong, _ := sc.check(t.Context(), m); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// Full jitter: at 0 there is no pause at all; in between it is in proportion.
func TestJitter(t *testing.T) {
	m := loaded(t)
	for _, jitter := range []float64{0, 0.25, 1} {
		for _, sc := range slices.Concat(scenarios, byFunction) {
			if sc.decisions != nil || strings.Contains(sc.name, "too long") {
				continue // these wait for something else as well
			}
			w := newWorld(sc)
			w.run(t.Context(), m, jitter)
			want := sc.paused + time.Duration(jitter*float64(sc.took-sc.paused))
			if got := w.clock.Now().Sub(epoch); got != want {
				t.Errorf("%s with jitter %g: took %s, want %s", sc.name, jitter, got, want)
			}
		}
	}
}

// The whole rotation has 32 days: a month's window and some.
func TestMachineTimeout(t *testing.T) {
	w := newWorld(scenario{decisions: []string{"wait"}})
	w.opensAt = epoch.AddDate(0, 0, 33)
	r := w.run(t.Context(), loaded(t), 1)
	if r.Status != asl.TimedOut || w.clock.Now().Sub(epoch) != 32*24*time.Hour {
		t.Errorf("%s after %s", r.Status, w.clock.Now().Sub(epoch))
	}
}
