package secondopinion

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// scenario is executions for one secret, one after the other.
type scenario struct {
	name     string
	requests []string     // SECRET stands for the secret's name
	spoil    func(*scene) // before the last request. Optional.
	fail     func() wire.Interceptor
	during   string // of which function's call the last request is made in the midst. Optional.
	asks     bool   // the functions ask the service about other executions
	fleet    int    // how many secrets there are, for the state machine of fleets; 0: the rotation's

	endings []string // "STATE" or "STATE ERROR APPLICATIONS", as they come
	refused bool     // AWSCURRENT does not log in afterwards

	elsewhere map[string][]string // the endings on an interpreter that is known to do otherwise than AWS
}

const byExisting = `{"secretId":"SECRET","rotationFunction":"` + existingARN + `"}`

var scenarios = []scenario{
	{name: "single user", requests: []string{`{"secretId":"SECRET"}`, `{"secretId":"SECRET"}`}, endings: []string{"Rotated", "Rotated"}},
	{
		name:     "alternating users, to the clone and back",
		requests: []string{`{"secretId":"SECRET","strategy":"alternating-users"}`, `{"secretId":"SECRET","strategy":"alternating-users"}`},
		endings:  []string{"Rotated", "Rotated"},
	},
	{
		name:     "the window is closed",
		requests: []string{`{"secretId":"SECRET","schedule":{"expression":"cron(0 3 ` + time.Now().AddDate(0, 6, 0).Format("2 1") + ` ? *)","duration":"1h"}}`},
		endings:  []string{"WindowClosed WindowClosed not changed"},
	},
	{name: "no such secret", requests: []string{`{"secretId":"SECRET/misspelt"}`}, endings: []string{"Refused SecretNotFound not changed"}},
	{
		name: "no new version can be written", requests: []string{`{"secretId":"SECRET"}`}, fail: denied("createsecret", "PutSecretValue"),
		endings: []string{"Refused AccessDenied not changed"},
	},
	{
		name: "fails before the change", requests: []string{`{"secretId":"SECRET"}`}, fail: denied("setsecret", "GetSecretValue"),
		endings: []string{"RestoredCleanly AccessDenied unaffected"},
	},
	{
		name: "fails after the change, and is restored", requests: []string{`{"secretId":"SECRET"}`}, fail: sinceReady(denied("finishsecret", "UpdateSecretVersionStage")),
		endings: []string{"RestoredCleanly AccessDenied restored"},
	},
	{
		name: "nor can it be restored", requests: []string{`{"secretId":"SECRET"}`},
		fail: func() wire.Interceptor {
			finish, restore := sinceReady(denied("finishsecret", "UpdateSecretVersionStage"))(), sinceReady(denied("restore", "GetSecretValue"))()
			return func(ctx context.Context, call wire.Call) *wire.Failure {
				if failure := finish(ctx, call); failure != nil {
					return failure
				}
				return restore(ctx, call)
			}
		},
		endings: []string{"NeedsAttention AccessDenied at risk"}, refused: true,
	},
	{
		name: "the superuser is needed", requests: []string{`{"secretId":"SECRET"}`, `{"secretId":"SECRET","recoverPassword":true}`},
		spoil:   func(s *scene) { s.db.Exec("ALTER ROLE " + s.db.User + " PASSWORD 'changed by hand'") },
		endings: []string{"Rotated", "Rotated"},
		// It loses a Catch that leads to the state itself, and goes on with the next one.
		elsewhere: map[string][]string{"moto": {"Rotated", "RestoredCleanly LoginRefused restored"}},
	},
	{
		name:     "by an existing function",
		requests: []string{byExisting, byExisting}, endings: []string{"Rotated", "Rotated"},
	},
	{
		name: "an existing function fails, and is asked again", requests: []string{byExisting},
		fail:    func() wire.Interceptor { return first(1, denied("rotator", "DescribeSecret")()) },
		endings: []string{"Rotated"},
	},
	{
		name: "an existing function fails after the change", requests: []string{byExisting}, fail: sinceReady(denied("rotator", "DescribeSecret")),
		endings: []string{"RestoredCleanly RotationFunctionFailed restored"},
	},
	{
		name: "the service is away for a moment", requests: []string{`{"secretId":"SECRET"}`},
		fail: func() wire.Interceptor {
			return first(3, denied("createsecret", "PutSecretValue", "InternalServiceError")())
		},
		endings: []string{"Rotated"},
	},
	{
		name: "two at once", requests: []string{`{"secretId":"SECRET"}`, `{"secretId":"SECRET"}`}, during: "setsecret", asks: true,
		endings: []string{"AlreadyRotating AlreadyRotating not changed", "Rotated"},
	},
	{name: "a fleet", fleet: 3, requests: []string{`{"select":{"prefix":"SECRET/"},"canary":1,"reason":"INC-4711"}`}, endings: []string{"AllRotated"}},
	{
		name: "a fleet whose canary fails", fleet: 2, asks: true, requests: []string{`{"select":{"prefix":"SECRET/"},"canary":1}`},
		fail:    denied("setsecret", "GetSecretValue"),
		endings: []string{"CanaryFailed CanaryFailed"},
	},
}

// denied makes a function's calls fail, by default as for want of a permission.
func denied(function, operation string, code ...string) func() wire.Interceptor {
	return func() wire.Interceptor {
		return func(_ context.Context, call wire.Call) *wire.Failure {
			if call.Caller.AccessKeyID != function || call.Operation != operation {
				return nil
			}
			return &wire.Failure{Err: wire.Errorf(append(code, "AccessDeniedException")[0], "injected")}
		}
	}
}

func sinceReady(fail func() wire.Interceptor) func() wire.Interceptor {
	return func() wire.Interceptor { return wire.AfterFirst(fail()) }
}

// first makes only so many calls fail.
func first(n int, fail wire.Interceptor) wire.Interceptor {
	var mu sync.Mutex
	return func(ctx context.Context, call wire.Call) *wire.Failure {
		failure := fail(ctx, call)
		mu.Lock()
		defer mu.Unlock()
		if failure == nil || n == 0 {
			return nil
		}
		n--
		return failure
	}
}

// scene is a scenario in a world.
type scene struct {
	*world
	scenario
	db     *dbtest.DB
	secret string
}

// secretName is what stands for SECRET in the nth scenario.
func secretName(n int) string { return fmt.Sprintf("opinion/%02d", n) }

func (w *world) scene(n int, sc scenario) *scene {
	w.Helper()
	s := &scene{world: w, scenario: sc, db: dbtest.Postgres(w.T), secret: secretName(n)}
	superuser := w.store(strings.ReplaceAll(s.secret, "/", "-")+"-superuser", s.db.SuperuserDocument(nil)) // in no fleet
	w.Cleanup(func() { s.db.Exec(`DROP ROLE IF EXISTS "` + s.db.User + `_clone"`) })
	doc := s.db.Document(func(keys map[string]any) { keys["masterarn"] = superuser })
	if sc.fleet == 0 {
		w.store(s.secret, doc)
	}
	for i := range sc.fleet {
		user := fmt.Sprintf("%s_%d", s.db.User, i)
		member := s.db.Document(func(keys map[string]any) { keys["username"] = user })
		s.db.Exec(fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD '%s'`, user, member.Password.Reveal()))
		w.Cleanup(func() { s.db.Exec(fmt.Sprintf(`DROP ROLE %q`, user)) })
		w.store(fmt.Sprintf("%s/%d", s.secret, i), member)
	}
	return s
}

func (w *world) store(name string, doc secretdoc.Document) (arn string) {
	w.Helper()
	made, err := w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: aws.String(doc.Encode().Reveal()),
	})
	w.check(err)
	return aws.ToString(made.ARN)
}

// currentLogsIn says whether AWSCURRENT of every secret does.
func (s *scene) currentLogsIn() error {
	names := []string{s.secret}
	if s.fleet > 0 {
		names = nil
		for i := range s.fleet {
			names = append(names, fmt.Sprintf("%s/%d", s.secret, i))
		}
	}
	for _, name := range names {
		value, err := s.secrets.GetSecretValue(s.Context(), &secretsmanager.GetSecretValueInput{SecretId: &name})
		if err != nil {
			return err
		}
		doc, err := secretdoc.Parse(redact.New(aws.ToString(value.SecretString)))
		if err != nil {
			return err
		}
		session, err := all.Engines["postgres"].Connect(s.Context(), doc)
		if err != nil {
			return err
		}
		session.Close()
	}
	return nil
}

// play runs the scenario's executions.
func (s *scene) play(by interpreter) (outcomes []outcome) {
	machine := s.box.StateMachineARN
	if s.fleet > 0 {
		machine = s.box.FleetARN
	}
	run := func(i int) outcome {
		name := fmt.Sprintf("%s-%d", strings.ReplaceAll(s.secret, "/", "-"), i)
		return by.run(machine, name, strings.ReplaceAll(s.requests[i], "SECRET", s.secret))
	}
	defer s.box.Intercept(nil)
	switch {
	case s.during != "":
		var once sync.Once
		s.box.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
			if call.Caller.AccessKeyID == s.during {
				once.Do(func() { outcomes = append(outcomes, run(1)) }) // others wait until it is over
			}
			return nil
		})
		return append(outcomes, run(0))
	case s.fail != nil:
		s.box.Intercept(s.fail())
	}
	for i := range s.requests {
		if s.spoil != nil && i == len(s.requests)-1 {
			s.spoil(s)
		}
		outcomes = append(outcomes, run(i))
	}
	return outcomes
}

// ending says how an execution ended, and what was announced last of applications.
func (s *scene) ending(o outcome) string {
	state := o.Path[len(o.Path)-1]
	if o.Status == "SUCCEEDED" {
		return state
	}
	var announced struct{ Outcome, Applications string }
	for _, e := range s.box.Events.Events() {
		event := announced
		if json.Unmarshal(e.Detail, &event) == nil && event.Outcome == state {
			announced = event
		}
	}
	return strings.TrimSpace(state + " " + o.Error + " " + announced.Applications)
}
