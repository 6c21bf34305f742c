package statemachine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/asl"
)

// Stretches of paths.
const (
	begin    = "Receive Plan WindowOpen CreateSecret WhoSets SetSecret TestSecret FinishSecret"
	announce = " Announce Ending "
	alert    = " SendAlert Announce Ending "
	restore  = " Restore RotatedAfterAll"
	giveUp   = " Restore WasAnythingTouched GiveUp" + alert + "NeedsAttention"
	healed   = announce + "SendHealed Rotated"
)

// begin2 is the normal path when the answer to a change was lost.
var begin2 = strings.Replace(begin, "SetSecret ", "SetSecret SetSecretAgain ", 1)

// upTo is the normal path as far as the state.
func upTo(state string) string {
	path := begin
	if state == "SetSecretAgain" {
		path = begin2
	}
	before, _, _ := strings.Cut(path, state+" ")
	if state == "FinishSecret" {
		before = strings.TrimSuffix(begin, state)
	}
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
	"SetSecret":      {6, second, 30 * second, 75 * second},
	"SetSecretAgain": {6, second, 30 * second, 75 * second},
	"TestSecret":     {6, second, 15 * second, 40 * second},
	"FinishSecret":   {8, second, 15 * second, 40 * second},
	"Restore":        {10, 2 * second, 60 * second, 75 * second},
	"SendAlert":      {8, second, 30 * second, 60 * second},
	"SendHealed":     {8, second, 30 * second, 60 * second},
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

	{name: "heals", heals: true, path: begin + healed},
	{
		name: "was a success after all, and heals", heals: true, faults: []failing{{"FinishSecret", "LimitExceeded", 0}}, restored: "Rotated",
		path: upTo("FinishSecret") + restore + healed,
	},
	{
		name: "heals, and cannot say so", heals: true, faults: []failing{{"SendHealed", "SNS.NotFoundException", 0}},
		path: begin + healed,
	},

	// The window.
	{
		name: "waits for the window and plans again", decisions: []string{"wait", "rotate"},
		path: "Receive Plan WindowOpen WaitForWindow " + strings.TrimPrefix(begin, "Receive ") + announce + "Rotated",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2},
	},
	{
		name: "is turned away after waiting", decisions: []string{"wait", "reject"}, rejected: "Refused",
		path: "Receive Plan WindowOpen WaitForWindow Plan WindowOpen TurnAway" + alert + "Refused",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2}, err: "Refused", cause: "the plan says so",
	},
	{
		name: "fails to plan after waiting", decisions: []string{"wait"}, faults: []failing{{"Plan", "", 1}, {"Plan", "SecretDeleted", 0}},
		path: "Receive Plan WindowOpen WaitForWindow Plan" + restore + alert + "RestoredCleanly",
		took: 50 * time.Hour, attempts: map[string]int{"Plan": 2}, err: "SecretDeleted", cause: causeOf("SecretDeleted"),
	},
	{
		name: "window is closed", decisions: []string{"reject"}, rejected: "WindowClosed",
		path: "Receive Plan WindowOpen TurnAway" + alert + "WindowClosed", err: "WindowClosed", cause: "the plan says so",
	},
	{
		name: "already rotating", decisions: []string{"reject"}, rejected: "AlreadyRotating",
		path: "Receive Plan WindowOpen TurnAway" + alert + "AlreadyRotating", err: "AlreadyRotating", cause: "the plan says so",
	},
	{
		name: "an outcome that nobody knows pages", decisions: []string{"reject"}, rejected: "Surprise",
		path: "Receive Plan WindowOpen TurnAway" + alert + "NeedsAttention", err: "Surprise", cause: "the plan says so",
	},
	{
		name: "a decision that nobody knows is turned away", decisions: []string{"surprise"}, rejected: "Refused",
		path: "Receive Plan WindowOpen TurnAway" + alert + "Refused", err: "Refused", cause: "the plan says so",
	},

	// The answer to a change was lost.
	{
		name: "the outcome is unclear, and then clear", faults: []failing{{"SetSecret", "OutcomeUnknown", 0}},
		path: begin2 + announce + "Rotated", attempts: map[string]int{"SetSecret": 1, "SetSecretAgain": 1},
	},
	{
		name: "the outcome stays unclear", faults: []failing{{"SetSecret", "OutcomeUnknown", 0}, {"SetSecretAgain", "CertificateRejected", 0}},
		path: upTo("SetSecretAgain") + restore + alert + "RestoredCleanly", err: "CertificateRejected", cause: causeOf("CertificateRejected"),
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

	// Restore fails.
	{
		name: "gives up", faults: []failing{{"TestSecret", "LoginRefused", 0}, {"Restore", "DatabaseUnreachable", 0}},
		path: upTo("TestSecret") + giveUp, err: "LoginRefused",
		cause:    "LoginRefused: " + causeOf("LoginRefused") + ". Then restoring failed with DatabaseUnreachable: " + causeOf("DatabaseUnreachable"),
		attempts: map[string]int{"TestSecret": 5, "Restore": 11}, took: backOff(4, second, 8*second) + exhausted("Restore"),
	},
	{
		name: "cannot even report a failed plan", faults: []failing{{"Plan", "InternalError", 0}, {"Restore", "KeyUnusable", 0}},
		path: "Receive Plan Restore WasAnythingTouched NothingTouched" + alert + "Refused", err: "InternalError",
		cause: "InternalError: " + causeOf("InternalError") + ". Then the function restore failed with KeyUnusable: " + causeOf("KeyUnusable"),
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
		path: "Receive Plan" + restore + alert + "RestoredCleanly", err: "SecretNotFound", cause: causeOf("SecretNotFound"),
	},
	{
		name: "a success cannot be announced", faults: []failing{{"Announce", "States.Permissions", 0}},
		path: begin + announce + "Rotated",
	},
	{
		name: "the alert takes too long", faults: []failing{{"Plan", "SecretNotFound", 0}, {"SendAlert", late, 0}},
		path: "Receive Plan" + restore + alert + "RestoredCleanly", err: "SecretNotFound", cause: causeOf("SecretNotFound"),
		attempts: map[string]int{"SendAlert": 9}, took: exhausted("SendAlert") + 9*60*second,
	},
}

var snsErrors = []string{"SNS.InternalErrorException", "SNS.ThrottledException", "SNS.KMSThrottlingException", "SNS.SdkClientException"}

// messageErrors are the errors for which a message is tried again.
var messageErrors = map[string][]string{
	"SendAlert":  snsErrors,
	"SendHealed": snsErrors,
	"Announce":   {"EventBridge.FailedEntry", "EventBridge.InternalException", "EventBridge.ThrottlingException", "EventBridge.SdkClientException"},
}

// messageScenarios try each of them, for good and for a while.
func messageScenarios() (list []scenario) {
	for state, errors := range messageErrors {
		for _, e := range append([]string{late}, errors...) {
			sc := scenario{
				name: state + " " + e, faults: []failing{{"SetSecret", "DatabaseError", 0}, {state, e, 0}},
				path: upTo("SetSecret") + restore + alert + "RestoredCleanly", err: "DatabaseError", cause: causeOf("DatabaseError"),
				attempts: map[string]int{state: 9}, took: exhausted(state),
			}
			if state == "SendHealed" {
				sc.heals, sc.faults, sc.path, sc.err, sc.cause = true, sc.faults[1:], begin+healed, "", ""
			}
			if e == late {
				sc.took += 9 * retries[state].timeout
			}
			list = append(list, sc)
		}
	}
	return list
}

func TestPaths(t *testing.T) {
	m := rotation(t)
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
	m := rotation(t)
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
	r := w.run(t.Context(), rotation(t), 1)
	if r.Status != asl.TimedOut || w.clock.Now().Sub(epoch) != 32*24*time.Hour {
		t.Errorf("%s after %s", r.Status, w.clock.Now().Sub(epoch))
	}
}
