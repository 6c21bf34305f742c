package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

const rotatorARN = "arn:aws:lambda:us-east-1:123456789012:function:tumbler-rotator"

// startNative calls RotateSecret with functions/rotator.
func (w *world) startNative() (version string, err error) {
	w.Helper()
	out, err := w.secrets.RotateSecret(w.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(rotatorARN), RotationRules: rules(30),
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.VersionId), nil
}

// native runs a native rotation to its end, with Secrets Manager's retries.
func (w *world) native() string {
	w.Helper()
	version, err := w.startNative()
	w.check(err)
	w.sandbox.Secrets.Wait()
	return version
}

func (w *world) cancelNative() {
	w.Helper()
	_, err := w.secrets.CancelRotateSecret(w.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String(secretID)})
	w.check(err)
}

// nth makes the nth call of an operation by a function fail.
func nth(n int32, function, operation string, failure *wire.Failure) wire.Interceptor {
	var calls atomic.Int32
	return func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function && call.Operation == operation && calls.Add(1) == n {
			return failure
		}
		return nil
	}
}

// Secrets Manager stages a version without a value before it calls the function
// (API reference, RotateSecret); the function gives it its value.
func TestRotatorFillsTheEmptyVersion(t *testing.T) {
	w := newWorld(t)
	_, old := w.value("AWSCURRENT")
	var empty error
	w.sandbox.Intercept(once("rotator", func() {
		_, empty = w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionStage: aws.String("AWSPENDING")})
	}))
	version := w.native()
	if _, missing := errors.AsType[*types.ResourceNotFoundException](empty); !missing {
		t.Errorf("the version had a value before the function was called: %v", empty)
	}
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": version, "AWSPREVIOUS": old}, w.labels()); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	w.currentLogsIn()
	for _, key := range []string{`"secret":"arn:`, `"version":"` + version, `"step":"setSecret"`} {
		if !strings.Contains(w.log.String(), key) {
			t.Errorf("the log has no %s", key)
		}
	}
}

// Secrets Manager repeats all four steps with the same token, whichever failed,
// and whether or not it had done its work.
func TestRotatorIsRetried(t *testing.T) {
	no := &wire.Failure{Err: wire.Errorf("AccessDeniedException", "injected")}
	late := &wire.Failure{AfterEffect: true, Err: wire.Errorf("AccessDeniedException", "injected")}
	for name, fault := range map[string]wire.Interceptor{
		"create cannot write":            nth(1, "rotator", "PutSecretValue", no),
		"create fails after writing":     nth(1, "rotator", "PutSecretValue", late),
		"set cannot read":                nth(2, "rotator", "GetSecretValue", no),
		"test cannot read":               nth(4, "rotator", "GetSecretValue", no),
		"finish cannot label":            nth(1, "rotator", "UpdateSecretVersionStage", no),
		"finish fails after labelling":   nth(1, "rotator", "UpdateSecretVersionStage", late),
		"finish leaves AWSPENDING where": nth(2, "rotator", "UpdateSecretVersionStage", no),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			old, _ := w.value("AWSCURRENT")
			w.sandbox.Intercept(fault)
			version := w.native()
			if _, current := w.value("AWSCURRENT"); current != version {
				t.Fatalf("AWSCURRENT is %s, want %s; the log:\n%s", current, version, w.log.String())
			}
			if !strings.Contains(w.log.String(), "AccessDenied") {
				t.Error("nothing failed")
			}
			w.currentLogsIn()
			w.refused(old.Password, "the old password")
			w.noPending()
		})
	}
}

// While a native rotation runs, no other one starts.
func TestRotatorStartedTwice(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.sandbox.Intercept(holding("rotator", release))
	version, err := w.startNative()
	w.check(err)
	if _, err := w.startNative(); err == nil || !strings.Contains(err.Error(), "previous rotation isn't complete") {
		t.Errorf("the second got %v", err)
	}
	close(release)
	w.sandbox.Secrets.Wait()
	if _, current := w.value("AWSCURRENT"); current != version {
		t.Errorf("AWSCURRENT is %s, want %s", current, version)
	}
	w.currentLogsIn()
	w.noPending()
}

// A workflow steps back for a native rotation. One that stands still for long,
// wherever that is, counts as dead: its password is taken over, and what it does
// afterwards all the same is harmless.
func TestRotatorAndWorkflowAtOnce(t *testing.T) {
	for _, operation := range []string{"DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var first atomic.Bool
			standing, release := make(chan struct{}), make(chan struct{})
			w.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
				if call.Caller.AccessKeyID == "rotator" && call.Operation == operation && first.CompareAndSwap(false, true) {
					close(standing)
					<-release
				}
				return nil
			})
			_, err := w.startNative()
			w.check(err)
			<-standing
			if e := w.rotate(`{"secretId":"prod/app"}`); e.State != "AlreadyRotating" || !strings.Contains(e.Cause, "Secrets Manager itself") {
				t.Errorf("ended in %s: %s", e.State, e.Cause)
			}
			w.ahead.Store(int64(20 * time.Minute))
			w.rotated()
			w.currentLogsIn()
			close(release)
			w.sandbox.Secrets.Wait()
			w.currentLogsIn()
			w.rotated()
			w.currentLogsIn()
			w.noPending()
		})
	}
}

// A native rotation that was given up after the database had changed leaves
// AWSCURRENT dead, with AWS's functions for good. Both ways lead out of it.
func TestRotatorGivenUp(t *testing.T) {
	for name, proceed := range map[string]func(w *world){
		"Secrets Manager tries again": func(w *world) {
			if _, err := w.startNative(); err == nil {
				w.Error("a new rotation began while one was incomplete")
			}
			w.sandbox.Secrets.Wait()
		},
		"the workflow takes over": func(w *world) {
			w.cancelNative()
			w.rotated()
		},
		"the workflow takes over, native rotation stays on": func(w *world) {
			w.ahead.Store(int64(20 * time.Minute))
			w.rotated()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sandbox.Intercept(denied("rotator", "UpdateSecretVersionStage"))
			w.native()
			w.sandbox.Intercept(nil)
			current, _ := w.value("AWSCURRENT")
			w.refused(current.Password, "AWSCURRENT of a rotation that was given up")
			proceed(w)
			w.currentLogsIn()
			w.noPending()
		})
	}
}

// A version that never got a value is replaced by the workflow.
func TestWorkflowReplacesAnEmptyVersion(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	defer close(release)
	w.sandbox.Intercept(holding("rotator", release))
	version, err := w.startNative()
	w.check(err)
	w.cancelNative()
	if w.labels()["AWSPENDING"] != version {
		t.Fatalf("labels: %v", w.labels())
	}
	w.rotated()
	w.currentLogsIn()
	w.noPending()
}

// Where there is no registry, the deployment says which strategy the function
// has, like AWS's one function for each.
func TestRotatorAlternates(t *testing.T) {
	w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) { cfg.Strategy = rotation.AlternatingUsers })
	w.createPair(nil)
	stop := w.probe()
	for range 3 {
		before, _ := w.value("AWSCURRENT")
		version := w.native()
		current, id := w.value("AWSCURRENT")
		if id != version || current.Username != otherUser(before.Username) {
			t.Fatalf("AWSCURRENT is version %s of %s; the log:\n%s", id, current.Username, w.log.String())
		}
		w.bothLogIn()
	}
	w.alternated() // and by the workflow, with the same two users
	w.bothLogIn()
	if logins, err := stop(); err != nil || logins == 0 {
		t.Errorf("%d logins: %v", logins, err)
	}
}

// RotateSecret without RotateImmediately only tests: with AWSCURRENT's value.
func TestRotatorTestsTheConfiguration(t *testing.T) {
	w := newWorld(t)
	before, version := w.value("AWSCURRENT")
	_, err := w.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(rotatorARN), RotationRules: rules(30), RotateImmediately: aws.Bool(false),
	})
	w.check(err)
	w.sandbox.Secrets.Wait()
	if !strings.Contains(w.log.String(), `"step":"testSecret"`) || strings.Contains(w.log.String(), "step failed") {
		t.Errorf("the log:\n%s", w.log.String())
	}
	if after, id := w.value("AWSCURRENT"); id != version || !after.Password.Equal(before.Password) {
		t.Error("AWSCURRENT has changed")
	}
	w.noPending()
}

// The registry tells the function how a secret is rotated.
func TestRotatorReadsTheRegistry(t *testing.T) {
	w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) { cfg.Registry = true })
	w.createPair(func(keys map[string]any) { delete(keys, "masterarn") })
	_, err := scheduler.NewFromConfig(w.sandbox.AWS("test")).CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{
		GroupName: aws.String(sandbox.ScheduleGroup), Name: aws.String(registry.Name(secretID)), State: schedulertypes.ScheduleStateDisabled,
		ScheduleExpression: aws.String("rate(10 days)"), FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff},
		Target: &schedulertypes.Target{
			Arn: &w.sandbox.StateMachineARN, RoleArn: aws.String("arn:aws:iam::123456789012:role/tumbler-scheduler"),
			Input: aws.String(`{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"` + superuserID + `"}`),
		},
	})
	w.check(err)
	for range 2 {
		version := w.native()
		if _, current := w.value("AWSCURRENT"); current != version {
			t.Fatalf("nothing was rotated; the log:\n%s", w.log.String())
		}
		w.bothLogIn()
	}
}
