package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// trial is one case as it runs.
type trial struct {
	*World
	ctx     context.Context
	result  *Result
	trigger string // who asks; empty: nobody says
	err     error  // of the harness
}

// patience is longer than a native rotation is waited for before its AWSPENDING
// counts as the remains of a dead one (rotation.Plan), in virtual time.
const patience = time.Hour

// run runs the case; healed is called when its first execution has ended.
func (t *trial) run(healed func()) {
	arn := t.start()
	ended := t.await(arn, true)
	t.events.hook(nil)
	if healed != nil {
		healed()
	}
	t.result.Events, t.result.Fired = t.events.happened()
	t.result.Ending = ended.State
	t.abort.Store(false)
	t.atRest("after the fault", ended)
	switch {
	case t.err != nil:
		return
	case ended.Status != sfntypes.ExecutionStatusAborted:
	case t.result.Case.Then == Redrive:
		_, err := t.states.RedriveExecution(t.ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn})
		t.fail(err)
		t.atRest("after the redrive", t.await(arn, false))
	case t.result.Case.Then == Native:
		t.native()
		t.somethingLogsIn("after the native rotation")
		t.fail(t.clock.Sleep(t.ctx, patience))
	case t.result.Case.Then == Nobody:
		t.fail(t.clock.Sleep(t.ctx, patience))
		t.somethingLogsIn("after a while")
	}
	t.events.reset(nil)
	last := t.await(t.start(), false)
	if t.err == nil && last.State != string(rotation.Rotated) {
		t.violation("the next run ended in %s: %s: %s", last.State, last.Error, last.Cause)
	}
	t.currentLogsIn("after the next run")
	t.labels("after the next run")
	t.pairIsLevel("after the next run")
	t.everywhere("after the next run")
	t.fail(t.clock.Sleep(t.ctx, patience)) // nothing may come later
	t.currentLogsIn("a while after the end")
	t.labels("a while after the end")
}

// takePendingOff is what a person does who thinks that the rotation hangs.
func (t *trial) takePendingOff() {
	id := t.labelled()[rotation.Pending]
	if id == "" {
		return
	}
	_, err := t.secrets.UpdateSecretVersionStage(t.ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &t.secretID, VersionStage: aws.String(rotation.Pending), RemoveFromVersionId: &id,
	})
	t.fail(err)
}

// start starts an execution.
func (t *trial) start() string {
	request := rotation.Request{SecretID: t.secretID, Strategy: t.target.Strategy, SuperuserSecretID: t.superuser}
	request.Trigger.Source = t.trigger
	input, err := json.Marshal(request)
	t.fail(err)
	out, err := t.states.StartExecution(t.ctx, &sfn.StartExecutionInput{
		StateMachineArn: &t.box.StateMachineARN, Input: aws.String(string(input)),
	})
	t.fail(err)
	if err != nil {
		return ""
	}
	return aws.ToString(out.ExecutionArn)
}

// await waits for an execution's end, and aborts it when the case says so.
func (t *trial) await(arn string, stoppable bool) follow.Ending {
	if t.err != nil {
		return follow.Ending{}
	}
	ctx, cancel := context.WithTimeout(t.ctx, 3*time.Minute)
	defer cancel()
	if stoppable {
		stop := t.stop // of this case: the goroutine may be late
		go func() {
			select {
			case <-stop:
				_, _ = t.states.StopExecution(t.ctx, &sfn.StopExecutionInput{ExecutionArn: &arn})
			case <-ctx.Done():
			}
		}()
	}
	if _, err := t.box.Wait(ctx, arn); err != nil {
		t.fail(fmt.Errorf("waiting for %s: %w", arn, err))
		return follow.Ending{}
	}
	cfg := follow.Config{API: t.states}
	if stoppable {
		cfg.OnStep = func(s follow.Step) {
			if s.Error != "" {
				t.result.Errors = append(t.result.Errors, s.State+": "+s.Error)
			}
		}
	}
	ending, err := cfg.Execution(ctx, arn)
	t.fail(err)
	return ending
}

// native lets Secrets Manager rotate by Tumbler's function. A second fault may
// hit it.
func (t *trial) native() {
	t.events.enter(nativeState)
	_, err := t.secrets.RotateSecret(t.ctx, &secretsmanager.RotateSecretInput{
		SecretId:          &t.secretID,
		RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:123456789012:function:tumbler-rotator"),
		RotationRules:     &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	if _, busy := errors.AsType[*types.InvalidRequestException](err); !busy {
		t.fail(err) // busy: it sees the dead run's AWSPENDING and keeps its hands off
	}
	t.box.Secrets.Wait()
}

func (t *trial) fail(err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
}

func (t *trial) violation(format string, args ...any) {
	t.result.Violations = append(t.result.Violations, fmt.Sprintf(format, args...))
}

// document reads a version and points it at the server itself.
func (t *trial) document(v rotation.Version) (secretdoc.Document, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &t.secretID}
	if v.ID != "" {
		in.VersionId = &v.ID
	}
	if v.Label != "" {
		in.VersionStage = &v.Label
	}
	out, err := t.secrets.GetSecretValue(t.ctx, in)
	if err != nil {
		return secretdoc.Document{}, err
	}
	doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
	return doc.At(t.target.Host, t.target.Port), err
}
