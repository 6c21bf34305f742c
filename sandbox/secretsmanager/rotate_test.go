package secretsmanager_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:rotator"

// rotator is a rotation function after AWS's template, in process. It works
// through the SDK like a real one.
type rotator struct {
	env *env

	mu    sync.Mutex
	steps []string
	fail  map[string]int // step -> how many more times it fails
	// block, when set, is waited for in createSecret.
	block chan struct{}
	// idle makes every step succeed without doing anything.
	idle bool
	// seen is what GetSecretValue said of AWSPENDING in the first step.
	seen error
}

func (f *rotator) KnowsFunction(arn string) bool { return arn == functionARN }

func (f *rotator) Invoke(ctx context.Context, arn string, payload []byte) ([]byte, string, error) {
	if arn != functionARN {
		return nil, "", errors.New("wrong function")
	}
	var event struct{ Step, SecretId, ClientRequestToken string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	f.steps = append(f.steps, event.Step)
	failing := f.fail[event.Step] > 0
	f.fail[event.Step]--
	block := f.block
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	if failing {
		return []byte(`{"errorMessage":"no"}`), "Unhandled", nil
	}
	if f.idle {
		return nil, "", nil
	}
	if err := f.step(ctx, event.Step, event.SecretId, event.ClientRequestToken); err != nil {
		return nil, "Unhandled", nil
	}
	return []byte("null"), "", nil
}

func (f *rotator) step(ctx context.Context, step, id, token string) error {
	in := &sm.GetSecretValueInput{SecretId: &id, VersionId: &token, VersionStage: aws.String("AWSPENDING")}
	switch step {
	case "createSecret":
		if _, err := f.env.GetSecretValue(ctx, in); err != nil {
			f.mu.Lock()
			f.seen = err
			f.mu.Unlock()
		}
		_, err := f.env.PutSecretValue(ctx, &sm.PutSecretValueInput{
			SecretId: &id, ClientRequestToken: &token, SecretString: aws.String("new"), VersionStages: []string{"AWSPENDING"},
		})
		return err
	case "testSecret":
		_, err := f.env.GetSecretValue(ctx, in)
		return err
	case "finishSecret":
		out, err := f.env.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &id})
		if err != nil {
			return err
		}
		move := &sm.UpdateSecretVersionStageInput{SecretId: &id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &token}
		for version, stages := range out.VersionIdsToStages {
			if slices.Contains(stages, "AWSCURRENT") {
				move.RemoveFromVersionId = &version
			}
		}
		_, err = f.env.UpdateSecretVersionStage(ctx, move)
		return err
	}
	return nil
}

func (f *rotator) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := f.steps
	f.steps = nil
	return steps
}

// rotation is an env with a rotator and the events it caused.
type rotation struct {
	*env
	f      *rotator
	mu     sync.Mutex
	events []string
}

func (r *rotation) takeEvents() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

func setupRotation(t *testing.T) *rotation {
	r := &rotation{f: &rotator{fail: map[string]int{}}}
	r.env = setup(t, func(c *secretsmanager.Config) {
		c.Invoker = r.f
		c.RotationBackoff = func(int) time.Duration { return time.Millisecond }
		c.OnRotation = func(e secretsmanager.RotationEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, strings.TrimSpace(e.Kind+" "+e.Step))
		}
	})
	r.f.env = r.env
	return r
}

func (r *rotation) rotate(t *testing.T, edit ...func(*sm.RotateSecretInput)) (*sm.RotateSecretOutput, error) {
	t.Helper()
	in := &sm.RotateSecretInput{SecretId: aws.String("n"), RotationLambdaARN: aws.String(functionARN)}
	for _, f := range edit {
		f(in)
	}
	return r.RotateSecret(t.Context(), in)
}

func (r *rotation) describe(t *testing.T) *sm.DescribeSecretOutput {
	t.Helper()
	return must[*sm.DescribeSecretOutput](t)(r.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("n")}))
}

var fourSteps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

func TestRotateSecret(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	out := must[*sm.RotateSecretOutput](t)(r.rotate(t, func(in *sm.RotateSecretInput) {
		in.ClientRequestToken = aws.String(token(2))
		in.RotationRules = &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30), Duration: aws.String("3h")}
	}))
	if *out.VersionId != token(2) {
		t.Errorf("%+v", out)
	}
	r.svc.Wait()
	if diff := cmp.Diff(fourSteps, r.f.take()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"RotationStarted", "RotationSucceeded"}, r.takeEvents()); diff != "" {
		t.Error(diff)
	}
	// The version was registered without a value.
	wantError(t, r.f.seen, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: "+token(2))
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": token(2), "AWSPREVIOUS": v1}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	d := r.describe(t)
	now := r.clock.Now()
	if !*d.RotationEnabled || *d.RotationLambdaARN != functionARN || *d.RotationRules.AutomaticallyAfterDays != 30 || *d.RotationRules.Duration != "3h" {
		t.Errorf("%+v", d)
	}
	if !d.LastRotatedDate.Equal(now) || !d.NextRotationDate.Equal(now.AddDate(0, 0, 30)) {
		t.Errorf("last %v next %v", d.LastRotatedDate, d.NextRotationDate)
	}
	// A new value set by hand counts as a rotation for the schedule.
	r.clock.add(24 * time.Hour)
	r.put(t, "n", "by hand")
	if d := r.describe(t); !d.NextRotationDate.Equal(now.AddDate(0, 0, 31)) {
		t.Errorf("next %v", d.NextRotationDate)
	}
	// Once configured, it takes no more than the name.
	_ = must[*sm.RotateSecretOutput](t)(r.rotate(t, func(in *sm.RotateSecretInput) { in.RotationLambdaARN = nil }))
	r.svc.Wait()
	if diff := cmp.Diff(fourSteps, r.f.take()); diff != "" {
		t.Error(diff)
	}
	_, err := r.rotate(t, func(in *sm.RotateSecretInput) { in.ClientRequestToken = aws.String(token(2)) })
	wantError(t, err, "ResourceExistsException", "already in use")
}

func TestRotationRetries(t *testing.T) {
	r := setupRotation(t)
	r.create(t, "n", "old")
	r.f.fail["setSecret"] = 2
	_ = must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Wait()
	want := []string{"createSecret", "setSecret", "createSecret", "setSecret", "createSecret", "setSecret", "testSecret", "finishSecret"}
	if diff := cmp.Diff(want, r.f.take()); diff != "" {
		t.Error(diff)
	}
	want = []string{"RotationStarted", "RotationFailed setSecret", "RotationFailed setSecret", "RotationSucceeded"}
	if diff := cmp.Diff(want, r.takeEvents()); diff != "" {
		t.Error(diff)
	}
}

func TestFailedRotationBlocks(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	r.f.fail["createSecret"] = 3
	out := must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Wait()
	events := r.takeEvents()
	if events[len(events)-1] != "RotationAbandoned" || len(events) != 5 {
		t.Errorf("events %v", events)
	}
	// AWSPENDING stays on an empty version, and that is not a version to move
	// anything to.
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": v1, "AWSPENDING": *out.VersionId}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	_, err := r.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("n"), VersionStage: aws.String("AWSPENDING")})
	wantError(t, err, "ResourceNotFoundException", "staging label: AWSPENDING")
	_, err = r.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: aws.String("n"), VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &v1, MoveToVersionId: out.VersionId,
	})
	wantError(t, err, "ResourceNotFoundException", *out.VersionId)

	// Another rotation is refused, but tries the first one again.
	_, err = r.rotate(t)
	wantError(t, err, "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	r.svc.Wait()
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": *out.VersionId, "AWSPREVIOUS": v1}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
}

// AWSPENDING that somebody else put there blocks native rotation, and is left
// alone.
func TestForeignPendingBlocks(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	mine := r.put(t, "n", "mine", "AWSPENDING")
	_, err := r.rotate(t)
	wantError(t, err, "InvalidRequestException", "A previous rotation isn't complete.")
	r.svc.Wait()
	if steps := r.f.take(); steps != nil {
		t.Errorf("steps %v", steps)
	}
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": v1, "AWSPENDING": mine}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	if d := r.describe(t); d.RotationEnabled != nil {
		t.Error("the refused call configured rotation")
	}
	// On the current version it does not block.
	_ = must[*sm.UpdateSecretVersionStageOutput](t)(r.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: aws.String("n"), VersionStage: aws.String("AWSCURRENT"), RemoveFromVersionId: &v1, MoveToVersionId: &mine,
	}))
	_ = must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Wait()
	if labels := r.labels(t, "n"); labels["AWSPREVIOUS"] != mine || labels["AWSPENDING"] != "" {
		t.Errorf("labels %v", labels)
	}
}

// A function that moves no label has not rotated.
func TestRotationThatDoesNothing(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	r.f.idle = true
	out := must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Wait()
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": v1, "AWSPENDING": *out.VersionId}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	if d := r.describe(t); d.LastRotatedDate != nil {
		t.Errorf("last rotated %v", d.LastRotatedDate)
	}
}

func TestRotateSecretWithoutRotating(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	_ = must[*sm.RotateSecretOutput](t)(r.rotate(t, func(in *sm.RotateSecretInput) {
		in.RotateImmediately = aws.Bool(false)
		in.RotationRules = &types.RotationRulesType{ScheduleExpression: aws.String("rate(10 days)")}
	}))
	r.svc.Wait()
	if diff := cmp.Diff([]string{"testSecret"}, r.f.take()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"TestRotationStarted", "TestRotationSucceeded"}, r.takeEvents()); diff != "" {
		t.Error(diff)
	}
	// The version made for the test is gone.
	if diff := cmp.Diff([]string{v1 + ":AWSCURRENT"}, r.versions(t, "n", true)); diff != "" {
		t.Error(diff)
	}
	if d := r.describe(t); !*d.RotationEnabled || d.LastRotatedDate != nil || !d.NextRotationDate.Equal(r.clock.Now().AddDate(0, 0, 10)) {
		t.Errorf("%+v", d)
	}
}

func TestCancelRotateSecret(t *testing.T) {
	r := setupRotation(t)
	_, v1 := r.create(t, "n", "old")
	_, err := r.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: aws.String("n")})
	wantError(t, err, "InvalidRequestException", "Lambda function ARN")
	r.f.block = make(chan struct{})
	started := must[*sm.RotateSecretOutput](t)(r.rotate(t, func(in *sm.RotateSecretInput) {
		in.RotationRules = &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1)}
	}))
	// The same call again is the same rotation.
	again := must[*sm.RotateSecretOutput](t)(r.rotate(t, func(in *sm.RotateSecretInput) { in.ClientRequestToken = started.VersionId }))
	if *again.VersionId != *started.VersionId {
		t.Errorf("again %+v", again)
	}
	out := must[*sm.CancelRotateSecretOutput](t)(r.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: aws.String("n")}))
	r.svc.Wait()
	if *out.VersionId != *started.VersionId {
		t.Errorf("%+v", out)
	}
	// The labels are as the rotation left them.
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": v1, "AWSPENDING": *started.VersionId}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
	if d := r.describe(t); *d.RotationEnabled || d.NextRotationDate != nil || *d.RotationLambdaARN != functionARN {
		t.Errorf("%+v", d)
	}
	if events := r.takeEvents(); events[len(events)-1] != "RotationAbandoned" {
		t.Errorf("events %v", events)
	}
}

func TestCloseEndsRotations(t *testing.T) {
	r := setupRotation(t)
	r.create(t, "n", "old")
	r.f.block = make(chan struct{})
	_ = must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Close()
	_, err := r.rotate(t)
	wantError(t, err, "AccessDeniedException", "")
}

func TestRotateSecretRefuses(t *testing.T) {
	r := setupRotation(t)
	r.create(t, "n", "old")
	rules := func(days int64, expression, duration string) func(*sm.RotateSecretInput) {
		return func(in *sm.RotateSecretInput) {
			in.RotationRules = &types.RotationRulesType{}
			if days != 0 {
				in.RotationRules.AutomaticallyAfterDays = &days
			}
			if expression != "" {
				in.RotationRules.ScheduleExpression = &expression
			}
			if duration != "" {
				in.RotationRules.Duration = &duration
			}
		}
	}
	lambda := func(arn string) func(*sm.RotateSecretInput) {
		return func(in *sm.RotateSecretInput) { in.RotationLambdaARN = &arn }
	}
	for name, test := range map[string]struct {
		edit          func(*sm.RotateSecretInput)
		code, message string
	}{
		"no function":   {lambda(""), "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."},
		"unknown":       {lambda("arn:aws:lambda:us-east-1:123456789012:function:x"), "AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function."},
		"long ARN":      {lambda(strings.Repeat("x", 2049)), "ValidationException", "2048"},
		"no secret":     {func(in *sm.RotateSecretInput) { in.SecretId = aws.String("x") }, "ResourceNotFoundException", ""},
		"token":         {func(in *sm.RotateSecretInput) { in.ClientRequestToken = aws.String("x") }, "InvalidParameterException", "32-64"},
		"1001 days":     {rules(1001, "", ""), "InvalidParameterException", "within 1-1000"},
		"-1 days":       {rules(-1, "", ""), "InvalidParameterException", "within 1-1000"},
		"both":          {rules(1, "rate(1 day)", ""), "InvalidParameterException", "both"},
		"expression":    {rules(0, "every day", ""), "InvalidParameterException", "neither rate() nor cron()"},
		"characters":    {rules(0, "rate(1 day);", ""), "ValidationException", "pattern"},
		"long":          {rules(0, "cron("+strings.Repeat("*", 256)+")", ""), "ValidationException", "256"},
		"too often":     {rules(0, "rate(3 hours)", ""), "InvalidParameterException", "every four hours"},
		"zero":          {rules(0, "rate(0 days)", ""), "InvalidParameterException", "positive"},
		"long duration": {rules(1, "", "100h"), "ValidationException", "less than or equal to 3"},
		"duration":      {rules(1, "", "1d"), "ValidationException", "pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.rotate(t, test.edit)
			wantError(t, err, test.code, test.message)
		})
	}
	if d := r.describe(t); d.RotationEnabled != nil {
		t.Error("a refused call configured rotation")
	}
	for _, expression := range []string{"rate(4 hours)", "cron(0 /8 * * ? *)", "rate(1 day)"} {
		_ = must[*sm.RotateSecretOutput](t)(r.rotate(t, rules(0, expression, "")))
		r.svc.Wait()
	}
	// Without an Invoker nothing can be invoked.
	e := setup(t)
	e.create(t, "n", "old")
	_, err := e.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: aws.String("n"), RotationLambdaARN: aws.String(functionARN)})
	wantError(t, err, "AccessDeniedException", "")
}

func TestNextRotationIsPluggable(t *testing.T) {
	r := setupRotation(t)
	e := setup(t, func(c *secretsmanager.Config) {
		c.Invoker = r.f
		c.NextRotation = func(rules secretsmanager.RotationRules, last time.Time) (time.Time, error) {
			if *rules.ScheduleExpression == "cron(bad)" {
				return time.Time{}, errors.New("bad field")
			}
			return last.Add(42 * time.Hour), nil
		}
	})
	r.f.env = e
	e.create(t, "n", "old")
	in := &sm.RotateSecretInput{
		SecretId: aws.String("n"), RotationLambdaARN: aws.String(functionARN),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("cron(bad)")},
	}
	_, err := e.RotateSecret(t.Context(), in)
	wantError(t, err, "InvalidParameterException", "Invalid ScheduleExpression: bad field")
	in.RotationRules.ScheduleExpression = aws.String("cron(good)")
	_ = must[*sm.RotateSecretOutput](t)(e.RotateSecret(t.Context(), in))
	e.svc.Wait()
	d := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("n")}))
	if !d.NextRotationDate.Equal(e.clock.Now().Add(42 * time.Hour)) {
		t.Errorf("next %v", d.NextRotationDate)
	}
}

// An empty secret can be rotated: its first value then comes from the function.
func TestRotateEmptySecret(t *testing.T) {
	r := setupRotation(t)
	_ = must[*sm.CreateSecretOutput](t)(r.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("n")}))
	out := must[*sm.RotateSecretOutput](t)(r.rotate(t))
	r.svc.Wait()
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": *out.VersionId}, r.labels(t, "n")); diff != "" {
		t.Error(diff)
	}
}
