package sandbox_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

const byForeign = `{"secretId":"prod/app","rotationFunction":"` + foreignARN + `"}`

// handlerFunc is a lambda.Handler.
type handlerFunc func(ctx context.Context, payload []byte) ([]byte, error)

func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// An existing function sets and tests; the rest is Tumbler's.
func TestRotatesByAnExistingFunction(t *testing.T) {
	w, f := newTemplateWorld(t, false)
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	for range 3 {
		old, oldVersion := w.value("AWSCURRENT")
		if e := w.rotate(byForeign); e.State != "Rotated" {
			t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
		if got := f.asked(); got != "setSecret testSecret" {
			t.Errorf("the function was asked for %q", got)
		}
		if labels := w.labels(); labels["AWSPREVIOUS"] != oldVersion || len(labels) != 2 {
			t.Errorf("labels: %v", labels)
		}
		w.currentLogsIn()
		w.refused(old.Password, "the old password")
		w.noPending()
	}
	w.rotated() // and by Tumbler's own engine
	w.currentLogsIn()
}

// failures are what a function can do to a rotation, and what comes of it where
// Tumbler can log in and see.
var failures = map[string]struct {
	function sandbox.Function
	request  string
	err      string
	says     []string
	asked    int // how often; 0: not looked at
}{
	"fails": {
		function: sandbox.Function{Handler: handlerFunc(func(context.Context, []byte) ([]byte, error) {
			return nil, valueError("cannot run ALTER USER app PASSWORD 'c4nary-Pa55word'")
		})},
		err: "RotationFunctionFailed", says: []string{foreignARN, "failed 4 times", "its own log"}, asked: 4,
	},
	"fails without a name": {
		function: sandbox.Function{Handler: handlerFunc(func(context.Context, []byte) ([]byte, error) {
			return nil, messages.InvokeResponse_Error{Message: "c4nary-Pa55word"}
		})},
		err: "RotationFunctionFailed", says: []string{foreignARN}, asked: 4,
	},
	"poses as Tumbler": {
		function: sandbox.Function{Handler: handlerFunc(func(context.Context, []byte) ([]byte, error) {
			return nil, messages.InvokeResponse_Error{Type: "AlreadyRotating", Message: "c4nary-Pa55word"}
		})},
		err: "RotationFunctionFailed", says: []string{"failed 4 times"}, asked: 4,
	},
	"times out": {
		function: sandbox.Function{Timeout: 5 * time.Millisecond, Handler: handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})},
		err: "RotationFunctionFailed", says: []string{"failed 4 times"}, asked: 4,
	},
	"does not exist": {
		err: "RotationFunctionFailed", says: []string{"failed 4 times"},
	},
	"says yes and does nothing": {
		function: sandbox.Function{Handler: handlerFunc(func(_ context.Context, payload []byte) ([]byte, error) {
			if strings.Contains(string(payload), "testSecret") {
				return nil, valueError("Unable to log into database with pending secret")
			}
			return nil, nil
		})},
		err: "RotationFunctionFailed", says: []string{"look in its own log"}, asked: 6, // testing is tried five times
	},
}

func TestFunctionFails(t *testing.T) {
	for name, tc := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) {
				f := tc.function
				if inner := f.Handler; inner != nil {
					f.Handler = handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
						asked++
						return inner.Invoke(ctx, payload)
					})
				}
				cfg.Functions = map[string]sandbox.Function{foreignARN: f}
			})
			w.createSecret(w.db.Document(nil).Encode().Reveal())
			before, _ := w.value("AWSCURRENT")
			e := w.rotate(byForeign)
			if e.State != "RestoredCleanly" || e.Error != tc.err {
				t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
			}
			if asked != tc.asked {
				t.Errorf("the function was asked %d times, want %d", asked, tc.asked)
			}
			alert := w.lastAlert()
			for _, says := range tc.says {
				if !strings.Contains(alert.Body, says) {
					t.Errorf("the alert does not say %q:\n%s", says, alert.Body)
				}
			}
			events, err := json.Marshal(w.sandbox.Events.Events())
			w.check(err)
			for place, text := range map[string]string{"alert": alert.Body, "ending": e.Cause, "events": string(events), "log": w.log.String()} {
				if strings.Contains(text, "c4nary-Pa55word") {
					t.Errorf("the %s repeats what the function said", place)
				}
			}
			if after, _ := w.value("AWSCURRENT"); !after.Password.Equal(before.Password) {
				t.Error("AWSCURRENT has changed")
			}
			w.currentLogsIn()
			w.noPending()
			w.rotated()
		})
	}
}

// A function that fails after it has changed the password is made good: Restore
// sees which password works.
func TestFunctionFailsAfterTheChange(t *testing.T) {
	w, f := newTemplateWorld(t, false)
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	f.fail = func(step string) error {
		if step == "testSecret" {
			return valueError("no")
		}
		return nil
	}
	e := w.rotate(byForeign)
	if e.State != "RestoredCleanly" || e.Error != "RotationFunctionFailed" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	if body := w.lastAlert().Body; !strings.Contains(body, "set the password back") || !strings.Contains(body, "TestSecret") {
		t.Errorf("alert:\n%s", body)
	}
	w.currentLogsIn()
	w.noPending()
}

// Only what the deployment lists may be called, or a request could have any
// function of the account run in Tumbler's name.
func TestFunctionIsNotAllowed(t *testing.T) {
	w := newWorld(t)
	e := w.rotate(byForeign)
	if e.State != "Refused" || e.Error != "InvalidRequest" || !strings.Contains(e.Cause, foreignARN) {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	w.currentLogsIn()
}

// The window holds for a function that knows none: after it has closed the
// function is not asked again.
func TestFunctionAndTheWindow(t *testing.T) {
	opens := time.Now().Truncate(time.Hour)
	now, asked := opens.Add(30*time.Minute), 0
	w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) {
		cfg.Now = func() time.Time { return now }
		cfg.Functions = map[string]sandbox.Function{foreignARN: {Handler: handlerFunc(func(context.Context, []byte) ([]byte, error) {
			asked++
			now = opens.Add(time.Hour) // no longer inside
			return nil, valueError("no")
		})}}
	})
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	stamp := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	e := w.rotate(`{"secretId":"prod/app","rotationFunction":"` + foreignARN + `","window":{"opensAt":"` + stamp(opens) + `","closesAt":"` + stamp(opens.Add(time.Hour)) + `"}}`)
	if e.State != "WindowClosed" || e.Error != "WindowClosed" || asked != 1 {
		t.Fatalf("ended in %s with %s after %d attempts: %s", e.State, e.Error, asked, e.Cause)
	}
	w.currentLogsIn()
	w.noPending()
}

// Db2 has no engine: the function alone can log in. What it may have set is kept
// until it has said yes.
func TestFunctionForAnEngineThatTumblerLacks(t *testing.T) {
	var (
		w       *world
		has     string // the database's password
		failing = true
	)
	pending := func(ctx context.Context, payload []byte) string {
		var in struct{ ClientRequestToken string }
		w.check(json.Unmarshal(payload, &in))
		out, err := w.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: aws.String(secretID), VersionId: &in.ClientRequestToken, VersionStage: aws.String("AWSPENDING"),
		})
		w.check(err)
		doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
		w.check(err)
		return doc.Password.Reveal()
	}
	w = newWorldWith(t, engine.Table{}, func(_ *world, cfg *sandbox.Config) {
		cfg.Functions = map[string]sandbox.Function{foreignARN: {Handler: handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			if password := pending(ctx, payload); strings.Contains(string(payload), "setSecret") {
				has = password
			} else if failing || has != password {
				return nil, valueError("Unable to log into database with pending secret")
			}
			return nil, nil
		})}}
	})
	w.createSecret(`{"engine":"db2","host":"db.internal","dbname":"SAMPLE","username":"app","password":"db2-f1rst-password"}`)

	e := w.rotate(byForeign)
	if e.State != "NeedsAttention" || e.Error != "RotationFunctionFailed" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	if body := w.lastAlert().Body; !strings.Contains(body, "only rotation function "+foreignARN) {
		t.Errorf("alert:\n%s", body)
	}
	kept, _ := w.value("AWSPENDING")
	if kept.Password.Reveal() != has {
		t.Fatal("the password that the database has was not kept")
	}

	failing = false
	if e := w.rotate(byForeign); e.State != "Rotated" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	if current, _ := w.value("AWSCURRENT"); current.Password.Reveal() != has || !current.Password.Equal(kept.Password) {
		t.Error("AWSCURRENT is not what the database has")
	}
	w.noPending()
}
