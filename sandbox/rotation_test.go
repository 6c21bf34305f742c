package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/counted"
)

func TestRotates(t *testing.T) {
	w := newWorld(t)
	old, oldVersion := w.value("AWSCURRENT")
	w.rotated()

	current, version := w.value("AWSCURRENT")
	if version == oldVersion || current.Password.Equal(old.Password) {
		t.Error("AWSCURRENT has not changed")
	}
	w.currentLogsIn()
	w.refused(old.Password, "the old password")
	want := map[string]string{"AWSCURRENT": version, "AWSPREVIOUS": oldVersion}
	if diff := cmp.Diff(want, w.labels()); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	if n := len(w.sandbox.Outbox.Messages()); n != 0 {
		t.Errorf("%d alerts about a rotation that succeeded", n)
	}
}

func TestAnnouncesTheRotation(t *testing.T) {
	w := newWorld(t)
	w.rotate(`{"secretId":"prod/app","trigger":{"source":"manual","reason":"INC-1"}}`)
	events := w.sandbox.Events.Events()
	if len(events) != 1 || events[0].Source != "tumbler" || events[0].DetailType != "Rotation Succeeded" {
		t.Fatalf("got %+v", events)
	}
	var detail rotation.Event
	w.check(json.Unmarshal(events[0].Detail, &detail))
	if detail.Outcome != rotation.Rotated || detail.Applications != "unaffected" || detail.Trigger.Reason != "INC-1" ||
		detail.CredentialGapMs == nil || !strings.Contains(detail.SecretARN, secretID) {
		t.Errorf("got %+v", detail)
	}
}

// AWS's published functions make 14 calls and a refused login (docs/compared.md).
func TestCostOfARotation(t *testing.T) {
	w := newWorld(t)
	w.rotated()
	if got := w.logins.Take(); got != (counted.Logins{Accepted: 2}) {
		t.Errorf("logins: %+v, want 2 accepted", got)
	}
	if calls := w.functionCalls(); calls != 13 {
		t.Errorf("%d Secrets Manager calls, want 13", calls)
	}
}

// The same of the first rotation of a pair, which makes the clone, and of a later
// one of each user.
func TestCostOfAnAlternatingRotation(t *testing.T) {
	w := newPairWorld(t)
	for i, want := range []int{15, 15, 15} {
		before := w.functionCalls()
		w.logins.Take()
		w.alternated()
		if got := w.logins.Take(); got != (counted.Logins{Accepted: 3}) {
			t.Errorf("rotation %d: logins: %+v, want 3 accepted", i+1, got)
		}
		if calls := w.functionCalls() - before; calls != want {
			t.Errorf("rotation %d: %d Secrets Manager calls, want %d", i+1, calls, want)
		}
	}
}

// functionCalls is how often the functions have called Secrets Manager.
func (w *world) functionCalls() (calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.Service == "secretsmanager" && c.Caller.AccessKeyID != "test" {
			calls++
		}
	}
	return calls
}

func TestRotatesAgainAndAgain(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.rotated()
		w.currentLogsIn()
		w.noPending()
	}
}

// applications is what an alert says of them, by ending and step.
var applications = map[string]string{
	"RefusedPlan":                 "not changed by this rotation",
	"RefusedCreateSecret":         "not changed by this rotation",
	"RefusedReady":                "not changed by this rotation",
	"RestoredCleanlySetSecret":    "unaffected: AWSCURRENT logs in",
	"RestoredCleanlyTestSecret":   "restored: AWSCURRENT logs in again",
	"RestoredCleanlyFinishSecret": "restored: AWSCURRENT logs in again",
}

// Each step fails for good, one after the other, after everything before it was
// done. Applications must be able to log in afterwards, nothing may be left
// AWSPENDING, and the next rotation must succeed.
func TestRestores(t *testing.T) {
	for name, tc := range map[string]struct {
		function, operation, code string
		ending, error             string
		step                      string
		late                      bool // not before the function has been asked whether it is ready
	}{
		"plan denied":           {"plan", "DescribeSecret", "AccessDeniedException", "Refused", "AccessDenied", "Plan", false},
		"create cannot read":    {"createsecret", "GetSecretValue", "AccessDeniedException", "Refused", "AccessDenied", "CreateSecret", false},
		"create cannot decrypt": {"createsecret", "GetSecretValue", "DecryptionFailure", "Refused", "KeyUnusable", "CreateSecret", false},
		"create cannot write":   {"createsecret", "PutSecretValue", "AccessDeniedException", "Refused", "AccessDenied", "CreateSecret", false},
		"create at its limit":   {"createsecret", "PutSecretValue", "LimitExceededException", "Refused", "LimitExceeded", "CreateSecret", false},
		"create cannot label":   {"createsecret", "UpdateSecretVersionStage", "AccessDeniedException", "Refused", "AccessDenied", "CreateSecret", false},
		"set cannot read":       {"setsecret", "GetSecretValue", "AccessDeniedException", "RestoredCleanly", "AccessDenied", "SetSecret", false},
		"set: AWS is down":      {"setsecret", "GetSecretValue", "InternalServiceError", "RestoredCleanly", "ServiceUnavailable", "SetSecret", false},
		"test cannot read":      {"testsecret", "GetSecretValue", "AccessDeniedException", "Refused", "AccessDenied", "Ready", false},
		"test: AWS is down":     {"testsecret", "GetSecretValue", "InternalServiceError", "Refused", "ServiceUnavailable", "Ready", false},
		"restore cannot read":   {"restore", "GetSecretValue", "AccessDeniedException", "Refused", "AccessDenied", "Ready", false},
		"finish cannot label":   {"finishsecret", "UpdateSecretVersionStage", "AccessDeniedException", "Refused", "AccessDenied", "Ready", false},
		"finish: AWS is down":   {"finishsecret", "UpdateSecretVersionStage", "InternalServiceError", "Refused", "ServiceUnavailable", "Ready", false},
		"finish may no more":    {"finishsecret", "UpdateSecretVersionStage", "AccessDeniedException", "RestoredCleanly", "AccessDenied", "FinishSecret", true},
		"finish: AWS goes down": {"finishsecret", "UpdateSecretVersionStage", "InternalServiceError", "RestoredCleanly", "ServiceUnavailable", "FinishSecret", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before, _ := w.value("AWSCURRENT")
			fails := failing(tc.function, tc.operation, tc.code)
			if tc.late {
				fails = sinceReady(fails)
			}
			w.sandbox.Intercept(fails)
			e := w.rotate(`{"secretId":"prod/app"}`)
			w.sandbox.Intercept(nil)

			if e.State != tc.ending || e.Error != tc.error {
				t.Fatalf("ended in %s with %s (%s), want %s with %s", e.State, e.Error, e.Cause, tc.ending, tc.error)
			}
			after, _ := w.value("AWSCURRENT")
			if !after.Password.Equal(before.Password) {
				t.Error("AWSCURRENT has changed")
			}
			w.currentLogsIn()
			w.noPending()
			alert := w.lastAlert()
			for _, want := range []string{tc.error, tc.step, "Applications:   " + applications[tc.ending+tc.step], "What to do", "tumbler explain " + tc.error} {
				if !strings.Contains(alert.Body, want) {
					t.Errorf("the alert does not say %q:\n%s", want, alert.Body)
				}
			}
			if got := alert.Attributes["severity"].StringValue; got != "warning" {
				t.Errorf("severity %q", got)
			}
			w.rotated()
			w.currentLogsIn()
		})
	}
}

// When nobody can find out what works, nothing may be dropped, and somebody has
// to be told.
func TestNeedsAttention(t *testing.T) {
	w := newWorld(t)
	w.sandbox.Intercept(both(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")), sinceReady(denied("restore", "GetSecretValue"))))
	e := w.rotate(`{"secretId":"prod/app"}`)
	w.sandbox.Intercept(nil)
	if e.State != "NeedsAttention" || e.Error != "AccessDenied" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	pending, _ := w.value("AWSPENDING")
	w.check(w.login(pending.Password))
	alert := w.lastAlert()
	if alert.Attributes["severity"].StringValue != "critical" || !strings.Contains(alert.Subject, "NEEDS ATTENTION") {
		t.Errorf("alert: %q, severity %q", alert.Subject, alert.Attributes["severity"].StringValue)
	}

	w.rotated() // and this is what the alert says to do
	w.currentLogsIn()
	w.noPending()
}

// Restore cannot find out anything, for as long as it is tried.
func TestGivesUp(t *testing.T) {
	w := newWorld(t)
	w.sandbox.Intercept(both(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")), failing("restore", "DescribeSecret", "InternalServiceError")))
	e := w.rotate(`{"secretId":"prod/app"}`)
	w.sandbox.Intercept(nil)
	if e.State != "NeedsAttention" || e.Error != "AccessDenied" || !strings.Contains(e.Cause, "ServiceUnavailable") {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	if alert := w.lastAlert(); !strings.Contains(alert.Body, "prod/app") || alert.Attributes["severity"].StringValue != "critical" {
		t.Errorf("alert: %+v", alert)
	}
	w.rotated()
	w.currentLogsIn()
}

// A dead run's password may be in the database already: it is taken over.
func TestAdoptsTheRemainsOfADeadRun(t *testing.T) {
	for name, fault := range map[string]struct{ function, operation string }{
		"before the database changed": {"setsecret", "GetSecretValue"},
		"after the database changed":  {"finishsecret", "UpdateSecretVersionStage"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sandbox.Intercept(both(sinceReady(denied(fault.function, fault.operation)), denied("restore", "DescribeSecret")))
			if e := w.rotate(`{"secretId":"prod/app"}`); e.State != "NeedsAttention" {
				t.Fatalf("ended in %s", e.State)
			}
			w.sandbox.Intercept(nil)
			left, leftVersion := w.value("AWSPENDING")
			w.rotated()
			current, version := w.value("AWSCURRENT")
			if !current.Password.Equal(left.Password) {
				t.Error("the pending password was not adopted")
			}
			if version == leftVersion {
				t.Error("the version of the dead run was used; it belongs to that run")
			}
			w.currentLogsIn()
			w.noPending()
		})
	}
}

func TestOneRotationAtATime(t *testing.T) {
	w := newWorld(t)
	// The first execution holds AWSPENDING and is kept from going on.
	release := make(chan struct{})
	w.sandbox.Intercept(holding("setsecret", release))
	first, err := w.states.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.StateMachineARN, Input: aws.String(`{"secretId":"prod/app"}`),
	})
	w.check(err)
	for w.labels()["AWSPENDING"] == "" {
		time.Sleep(time.Millisecond)
	}
	second := w.rotate(`{"secretId":"prod/app"}`)
	if second.State != "AlreadyRotating" || !strings.Contains(second.Cause, aws.ToString(first.ExecutionArn)) {
		t.Errorf("ended in %s: %s; want AlreadyRotating naming %s", second.State, second.Cause, aws.ToString(first.ExecutionArn))
	}
	close(release)
	if e := w.await(aws.ToString(first.ExecutionArn)); e.State != "Rotated" {
		t.Errorf("the first ended in %s: %s", e.State, e.Cause)
	}
	w.currentLogsIn()
	w.noPending()
}

func TestAValueStoredByHandMeanwhileIsKept(t *testing.T) {
	w := newWorld(t)
	byHand := w.db.Document(nil)
	w.sandbox.Intercept(atCall(2, "finishsecret", func() { // the first shows that it is ready
		_, err := w.secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String(secretID), SecretString: aws.String(byHand.Encode().Reveal()),
		})
		w.check(err)
	}))
	e := w.rotate(`{"secretId":"prod/app"}`)
	if e.State != "RestoredCleanly" || e.Error != "SecretChanged" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	current, _ := w.value("AWSCURRENT")
	if !current.Password.Equal(byHand.Password) {
		t.Error("the value stored by hand was overwritten")
	}
	w.currentLogsIn()
	w.noPending()
}

func TestNativeRotation(t *testing.T) {
	w := newWorld(t)
	old, _ := w.value("AWSCURRENT")
	_, err := w.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId:          aws.String(secretID),
		RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:123456789012:function:tumbler-rotator"),
		RotationRules:     rules(30),
	})
	w.check(err)
	w.sandbox.Secrets.Wait()
	current, _ := w.value("AWSCURRENT")
	if current.Password.Equal(old.Password) {
		t.Fatalf("nothing was rotated; the function's log:\n%s", w.log.String())
	}
	w.currentLogsIn()
	w.refused(old.Password, "the old password")
	w.noPending()
	w.rotated() // both ways of rotating get along
	w.currentLogsIn()
}
