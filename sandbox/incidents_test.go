package sandbox_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// messages waits for the alerts to be n, and a moment longer for one too many.
func (w *world) messages(n int) []sns.Message {
	w.Helper()
	var got []sns.Message
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(got) < n; time.Sleep(5 * time.Millisecond) {
		got = w.sandbox.Outbox.Messages()
	}
	time.Sleep(50 * time.Millisecond)
	if got = w.sandbox.Outbox.Messages(); len(got) != n {
		for _, m := range got {
			w.Log(m.Subject)
		}
		w.Fatalf("%d alerts, want %d", len(got), n)
	}
	return got
}

func says(t *testing.T, m sns.Message, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(m.Subject+"\n"+m.Body, want) {
			t.Errorf("the alert does not say %q:\n%s\n%s", want, m.Subject, m.Body)
		}
	}
}

// A failure that the execution has alerted itself is not alerted again; when the
// next rotation succeeds, that is told once.
func TestOneAlertForAFailureAndOneWhenItHeals(t *testing.T) {
	w := newWorld(t)
	w.sandbox.Intercept(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")))
	if e := w.rotate(`{"secretId":"prod/app"}`); e.State != "RestoredCleanly" {
		t.Fatalf("%+v", e)
	}
	says(t, w.messages(1)[0], "rotation failed, AWSCURRENT logs in again", "AccessDenied")
	w.sandbox.Intercept(nil)
	w.rotated()
	healed := w.messages(2)[1]
	says(t, healed, "healed: prod/app", "Severity:       info")
	if healed.Attributes["severity"].StringValue != "info" || healed.Attributes["outcome"].StringValue != "Rotated" {
		t.Errorf("attributes %v", healed.Attributes)
	}
	w.rotated() // as every day: nobody is told
	w.messages(2)
}

// An incident that the function could not tell, and not at Lambda's retries either, waits
// in the queue that it reads.
func TestIncidentIsToldLater(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int32
	w.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		switch {
		case call.Caller.AccessKeyID == "incident" && call.Operation == "Publish" && calls.Add(1) <= 3,
			call.Caller.AccessKeyID == "stepfunctions" && call.Operation == "Publish": // the execution cannot tell itself
			return &wire.Failure{Err: wire.Errorf("AuthorizationError", "no")}
		case call.Caller.AccessKeyID == "plan":
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
		}
		return nil
	})
	w.rotate(`{"secretId":"prod/app"}`)
	says(t, w.messages(1)[0], "AccessDenied")
	if n := calls.Load(); n != 4 {
		t.Errorf("the function tried %d times, want three and once from the queue", n)
	}
}

// An execution that is stopped after the commit point cannot say so. What is said
// for it is the truth, and healed by the next.
func TestStoppedExecutionIsAlerted(t *testing.T) {
	reached := make(chan string, 1)
	w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) {
		cfg.Task = func(next asl.TaskFunc) asl.TaskFunc {
			return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
				if task.State != "TestSecret" || len(reached) > 0 {
					return next(ctx, task)
				}
				reached <- task.State
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}
	})
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	started, err := w.states.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.StateMachineARN, Input: aws.String(`{"secretId":"prod/app"}`),
	})
	w.check(err)
	for len(reached) == 0 {
		time.Sleep(time.Millisecond)
	}
	_, err = w.states.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: started.ExecutionArn, Error: aws.String("Ops"), Cause: aws.String("changed our mind")})
	w.check(err)
	m := w.messages(1)[0]
	says(t, m, "rotation cut short: prod/app", "Applications:   at risk", "TestSecret", "ABORTED with Ops: changed our mind", "AWSPENDING",
		"redrive-execution --execution-arn "+aws.ToString(started.ExecutionArn), "tumbler rotate ")
	if m.Attributes["severity"].StringValue != "critical" || m.Attributes["error"].StringValue != "RotationCutShort" {
		t.Errorf("attributes %v", m.Attributes)
	}
	w.rotated()
	says(t, w.messages(2)[1], "healed: prod/app")
}

// An alert that the state machine could not send is sent for it.
func TestUnsentAlertIsSent(t *testing.T) {
	w := newWorld(t)
	w.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		switch {
		case call.Caller.AccessKeyID == "stepfunctions" && call.Operation == "Publish",
			call.Caller.AccessKeyID == "plan" && call.Operation == "DescribeSecret":
			return &wire.Failure{Err: wire.Errorf("AuthorizationError", "no")}
		}
		return nil
	})
	w.rotate(`{"secretId":"prod/app"}`)
	says(t, w.messages(1)[0], "not rotated: prod/app", "Failed step:    Plan")
}

// A start that never happened is alerted from the queue.
func TestUndeliveredStartIsAlerted(t *testing.T) {
	w := newTriggered(t)
	w.sandbox.StateMachineARN += "-gone"
	w.ask(`{"secretId":"prod/app"}`)
	says(t, w.messages(1)[0], "rotation not started: prod/app", "rule/tumbler-rotate-now", "AccessDeniedException", "Rotate again:   tumbler rotate prod/app")
}
