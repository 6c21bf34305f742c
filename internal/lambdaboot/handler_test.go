package lambdaboot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

const (
	canary  = "c4nary"
	payload = `{"plan":{"secretArn":"arn:secret","versionId":"v-1"},"execution":{"arn":"arn:execution"},"Step":"setSecret"}`
)

// invoke runs a step behind the boundary and returns what Lambda would report
// and what was logged.
func invoke[Out any](t *testing.T, payload string, run func(context.Context, rotation.StepInput) (Out, error)) (response []byte, failed *messages.InvokeResponse_Error, log string) {
	t.Helper()
	var written bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := Env{Log: slog.New(slog.NewJSONHandler(&written, nil)), Now: func() time.Time {
		now = now.Add(42 * time.Millisecond)
		return now
	}}
	response, err := Handler(e, "setsecret", run).Invoke(t.Context(), []byte(payload))
	if err == nil {
		return response, nil, written.String()
	}
	// Any other type's name would replace the code.
	of, ok := err.(messages.InvokeResponse_Error)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	return response, &of, written.String()
}

func failing(err error) func(context.Context, rotation.StepInput) (struct{}, error) {
	return func(context.Context, rotation.StepInput) (struct{}, error) { return struct{}{}, err }
}

func panicking(with any) func(context.Context, rotation.StepInput) (struct{}, error) {
	return func(context.Context, rotation.StepInput) (struct{}, error) { panic(with) }
}

// What a step returns is reported under its code, and nothing of what it
// wrapped or of a panic gets out.
func TestErrors(t *testing.T) {
	coded := fault.Wrap(errors.New(canary), fault.LoginRefused, "logging in to db", "Correct the password")
	var nothing *rotation.Planned
	for name, tc := range map[string]struct {
		run       func(context.Context, rotation.StepInput) (struct{}, error)
		code, say string
	}{
		"coded":           {failing(coded), "LoginRefused", "logging in to db. Correct the password"},
		"coded, wrapped":  {failing(fmt.Errorf("%s: %w", canary, coded)), "LoginRefused", "logging in to db. Correct the password"},
		"any other":       {failing(errors.New(canary)), "InternalError", "*errors.errorString"},
		"panic: text":     {panicking(canary), "InternalError", "report it"},
		"panic: error":    {panicking(errors.New(canary)), "InternalError", "report it"},
		"panic: document": {panicking(map[string]string{"password": canary}), "InternalError", "report it"},
		"panic: runtime": {func(context.Context, rotation.StepInput) (struct{}, error) {
			_ = nothing.VersionID
			return struct{}{}, nil
		}, "InternalError", "report it"},
	} {
		t.Run(name, func(t *testing.T) {
			response, failed, log := invoke(t, payload, tc.run)
			if failed == nil || failed.Type != tc.code || !strings.Contains(failed.Message, tc.say) || response != nil {
				t.Fatalf("got %s, %+v", response, failed)
			}
			raw, err := json.Marshal(failed)
			if err != nil || !strings.Contains(string(raw), `"errorType":"`+tc.code+`"`) {
				t.Errorf("Lambda would report %s, %v", raw, err)
			}
			if strings.Contains(string(raw)+log, canary) {
				t.Errorf("it got out: %s\n%s", raw, log)
			}
			if !strings.Contains(log, `"outcome":"`+tc.code+`"`) {
				t.Errorf("log: %s", log)
			}
			if paniced := strings.HasPrefix(name, "panic"); paniced != strings.Contains(log, "handler_test.go") {
				t.Errorf("the stack is logged: %t\n%s", !paniced, log)
			}
		})
	}
}

func TestBadPayload(t *testing.T) {
	for name, payload := range map[string]string{
		"nothing": ``, "no JSON": canary, "cut off": `{"Step":"` + canary, "a list": `["` + canary + `"]`, "wrong type": `{"Step":{"` + canary + `":1}}`,
	} {
		_, failed, log := invoke(t, payload, failing(nil))
		if failed == nil || failed.Type != "InvalidRequest" || !strings.Contains(failed.Message, "through the state machine") {
			t.Errorf("%s: got %+v", name, failed)
			continue
		}
		if strings.Contains(failed.Message+log, canary) {
			t.Errorf("%s: the payload is quoted", name)
		}
	}
}

// A secret cannot leave by mistake: it does not marshal.
func TestResultWithASecret(t *testing.T) {
	_, failed, log := invoke(t, payload, func(context.Context, rotation.StepInput) (redact.String, error) { return redact.New(canary), nil })
	if failed == nil || failed.Type != "InternalError" || strings.Contains(failed.Message+log, canary) {
		t.Errorf("got %+v", failed)
	}
}

func TestAnswer(t *testing.T) {
	response, failed, _ := invoke(t, payload, func(_ context.Context, in rotation.StepInput) (rotation.SetResult, error) {
		return rotation.SetResult{LoggedInWith: in.Plan.VersionID}, nil
	})
	if failed != nil || !strings.Contains(string(response), `"loggedInWith":"v-1"`) {
		t.Errorf("got %s, %+v", response, failed)
	}
}

// Every line can be found by execution, secret, version and step, whoever calls.
func TestLogLine(t *testing.T) {
	for name, tc := range map[string]struct {
		payload string
		run     func(context.Context, rotation.StepInput) (struct{}, error)
		want    map[string]any
	}{
		"ok": {payload, failing(nil), map[string]any{
			"level": "INFO", "msg": "step ended", "execution": "arn:execution", "secret": "arn:secret", "version": "v-1", "step": "setSecret", "outcome": "ok",
		}},
		"failed": {payload, failing(fault.New(fault.LoginRefused, "no", "Yes")), map[string]any{
			"level": "ERROR", "msg": "step failed", "execution": "arn:execution", "secret": "arn:secret", "version": "v-1", "step": "setSecret",
			"outcome": "LoginRefused", "cause": "no. Yes",
		}},
		"plan": {`{"request":{"secretId":"prod/app"},"execution":{"arn":"arn:execution"}}`, failing(nil), map[string]any{
			"level": "INFO", "msg": "step ended", "execution": "arn:execution", "secret": "prod/app", "version": "", "step": "", "outcome": "ok",
		}},
		"Secrets Manager": {`{"Step":"testSecret","SecretId":"arn:secret","ClientRequestToken":"v-2"}`, failing(nil), map[string]any{
			"level": "INFO", "msg": "step ended", "execution": "", "secret": "arn:secret", "version": "v-2", "step": "testSecret", "outcome": "ok",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, log := invoke(t, tc.payload, tc.run)
			var got map[string]any
			if err := json.Unmarshal([]byte(log), &got); err != nil {
				t.Fatalf("not one line of JSON: %v\n%s", err, log)
			}
			want := maps.Clone(tc.want)
			want["function"], want["durationMs"], want["time"] = "setsecret", float64(42), got["time"]
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeployment(t *testing.T) {
	vars := map[string]string{"TUMBLER_ROTATOR_ARN": "arn:r", "TUMBLER_ROTATION_FUNCTIONS": " arn:a,,arn:b ", "TUMBLER_STRATEGY": "alternating-users"}
	got := deployment(func(name string) string { return vars[name] })
	if got.RotatorARN != "arn:r" || got.Strategy != rotation.AlternatingUsers || !slices.Equal(got.Functions, []string{"arn:a", "arn:b"}) {
		t.Errorf("got %+v", got)
	}
	if got := deployment(func(string) string { return "" }); got.RotatorARN != "" || got.Functions != nil || got.ScheduleGroup != "" {
		t.Errorf("got %+v", got)
	}
}
