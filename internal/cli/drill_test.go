package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/jackc/pgx/v5"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// What logins with AWSCURRENT show.
const (
	logsIn   = "logs in"
	refused  = "refused"
	unproven = "cannot be tried" // no answer, or no credentials
)

// drill is an on-call drill: a secret of a real database, and what a person sees of
// it from outside.
type drill struct {
	*testing.T
	db      *dbtest.DB
	sandbox *sandbox.Sandbox
	secrets *secretsmanager.Client
}

func newDrill(t *testing.T, request rotation.Request, change func(*sandbox.Config), opts ...dbtest.Option) *drill {
	t.Helper()
	d := &drill{T: t, db: dbtest.Postgres(t, opts...)}
	cfg := sandbox.Config{
		Engines: all.Engines, Registry: true, Clock: asl.NewVirtualClock(time.Now()),
		Sleep: func(context.Context, time.Duration) error { return nil },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if d.sandbox, err = sandbox.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.sandbox.Close)
	d.secrets = secretsmanager.NewFromConfig(d.sandbox.AWS("test"))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": d.sandbox.URL, "AWS_REGION": sandbox.Region, "AWS_ACCESS_KEY_ID": "cli", "AWS_SECRET_ACCESS_KEY": "x",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	request.SecretID = "prod/app"
	d.check(d.sandbox.Configure(t.Context(), request))
	d.create("prod/app", d.db.Document(nil).Encode().Reveal())
	d.create("prod/superuser", d.db.SuperuserDocument(nil).Encode().Reveal())
	t.Cleanup(func() { d.dropClone() })
	return d
}

func (d *drill) dropClone() {
	conn, err := d.db.Server.Admin(context.Background())
	if err != nil {
		return // the server was stopped
	}
	_, _ = conn.Exec(context.Background(), "DROP ROLE IF EXISTS "+pgx.Identifier{d.db.User + "_clone"}.Sanitize()).ReadAll()
	_ = conn.Close(context.Background())
}

func (d *drill) check(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *drill) create(name, value string) {
	d.Helper()
	_, err := d.secrets.CreateSecret(d.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
	d.check(err)
}

// put stores a value as AWSCURRENT, or under a label, as a person would.
func (d *drill) put(name, value string, labels ...string) {
	d.Helper()
	_, err := d.secrets.PutSecretValue(d.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value, VersionStages: labels})
	d.check(err)
}

// wrong is the secret with a password that nobody has set.
func (d *drill) wrong() string {
	return d.db.Document(func(keys map[string]any) { keys["password"] = "wr0ng-c4nary" }).Encode().Reveal()
}

// run is the command, and what it writes to both streams.
func (d *drill) run(args ...string) (int, string) {
	d.Helper()
	var out bytes.Buffer
	code := Run(d.Context(), args, &out, &out)
	return code, out.String()
}

// truth logs in with AWSCURRENT, as an application does.
func (d *drill) truth() string {
	d.Helper()
	value, err := d.secrets.GetSecretValue(d.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("prod/app")})
	if err != nil {
		return unproven
	}
	doc, err := secretdoc.Parse(redact.New(aws.ToString(value.SecretString)))
	if err != nil {
		return unproven
	}
	session, err := all.Engines["postgres"].Connect(d.Context(), doc)
	switch {
	case fault.Is(err, fault.LoginRefused):
		return refused
	case err != nil:
		return unproven
	}
	defer session.Close()
	d.check(session.Probe(d.Context()))
	return logsIn
}

func (d *drill) deny(function, operation string) {
	d.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function && call.Operation == operation {
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
		}
		return nil
	})
}

// denyAfterTheChange takes a permission away that was there before the change.
func (d *drill) denyAfterTheChange(function, operation string) {
	var entered atomic.Bool
	d.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == "setsecret" {
			entered.Store(true)
		}
		if entered.Load() && call.Caller.AccessKeyID == function && call.Operation == operation {
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
		}
		return nil
	})
}

// alert is the last one, "" without any.
func (d *drill) alert() (severity, text string) {
	messages := d.sandbox.Outbox.Messages()
	if len(messages) == 0 {
		return "", ""
	}
	m := messages[len(messages)-1]
	return m.Attributes["severity"].StringValue, m.Subject + "\n\n" + m.Body
}

func (d *drill) event() (detail rotation.Event) {
	d.Helper()
	events := d.sandbox.Events.Events()
	if len(events) == 0 {
		d.Fatal("no event")
	}
	d.check(json.Unmarshal(events[len(events)-1].Detail, &detail))
	return detail
}

// holds compares every word about logins with what a login shows now.
func (d *drill) holds(truth, where, text string) {
	d.Helper()
	claims := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	text = strings.ReplaceAll(text, "whether AWSCURRENT logs in", "")
	if truth != logsIn && claims("naffected", "AWSCURRENT logs in", "have logged in", `"login": "logs in"`) {
		d.Errorf("%s says that AWSCURRENT logs in, and it %s:\n%s", where, truth, text)
	}
	if truth != refused && claims("AWSCURRENT is refused", `"login": "refused"`) {
		d.Errorf("%s says that AWSCURRENT is refused, and it %s:\n%s", where, truth, text)
	}
	if strings.Contains(text, "c4nary") {
		d.Errorf("%s quotes a password", where)
	}
}

// statuses reads the status both ways, and holds each to the truth.
func (d *drill) statuses() (quick, tried string) {
	d.Helper()
	truth := d.truth()
	code, quick := d.run("status")
	d.holds(truth, "status", quick)
	if !strings.Contains(quick, "not tried") {
		d.Errorf("status has not logged in and does not say so:\n%s", quick)
	}
	codeTried, tried := d.run("status", "--login")
	d.holds(truth, "status --login", tried)
	_, asJSON := d.run("status", "--login", "--json")
	d.holds(truth, "status --login --json", asJSON)
	want := map[string]string{logsIn: "logs in", refused: "refused", unproven: "not tried"}[truth]
	if !strings.Contains(tried, want) || !strings.Contains(asJSON, fmt.Sprintf(`"login": %q`, want)) {
		d.Errorf("a login shows: %s. status --login does not say %q:\n%s%s", truth, want, tried, asJSON)
	}
	if truth != logsIn && codeTried == ExitOK {
		d.Errorf("status --login exits with 0 while AWSCURRENT %s:\n%s", truth, tried)
	}
	if code == ExitOK && codeTried != ExitOK && truth == logsIn {
		d.Errorf("status exits with 0, status --login does not:\n%s\n%s", quick, tried)
	}
	return quick, tried
}

// says fails for each text that is not there; those that begin with "no:" may not be.
func (d *drill) says(where, text string, words ...string) {
	d.Helper()
	for _, w := range words {
		if not, ok := strings.CutPrefix(w, "no:"); ok == strings.Contains(text, strings.TrimPrefix(w, "no:")) {
			d.Errorf("%s: %q (%v):\n%s", where, not, !ok, text)
		}
	}
}

// The drill: each of these is broken, a rotation is tried, and what the alert, the
// event and the status say is compared with what a login shows at that moment.
func TestDrill(t *testing.T) {
	pair := rotation.Request{Strategy: rotation.AlternatingUsers, SuperuserSecretID: "prod/superuser"}
	for _, tc := range []struct {
		name    string
		request rotation.Request
		opts    []dbtest.Option
		config  func(*sandbox.Config)
		spoil   func(*drill)
		rotate  []string // instead of rotate prod/app

		truth, after string // what logins show before and after the rotation
		alert        []string
		noAlert      bool
		severity     string
		applications []string // one of them
		quick        []string // of the status before the rotation
		status       []string // after it
	}{
		{
			name: "database stopped", opts: []dbtest.Option{dbtest.Unshared("stopped")},
			spoil: func(d *drill) { d.db.Server.Stop() }, truth: unproven, after: unproven,
			alert: []string{"DatabaseUnreachable", "What to do", "Tumbler: "}, applications: []string{"not changed", "at risk"},
			status: []string{"DatabaseUnreachable"},
		},
		{
			name:  "wrong AWSCURRENT by hand",
			spoil: func(d *drill) { d.put("prod/app", d.wrong()) }, truth: refused, after: logsIn,
			noAlert: true, applications: []string{"restored"}, status: []string{"Rotated"},
		},
		{
			name: "changed in the database",
			spoil: func(d *drill) {
				d.db.Exec(d.db.Quiet() + "ALTER ROLE " + pgx.Identifier{d.db.User}.Sanitize() + " PASSWORD 'an0ther-c4nary'")
			}, truth: refused, after: refused,
			alert: []string{"LoginRefused", "AWSCURRENT, AWSPENDING and AWSPREVIOUS"}, severity: "critical", applications: []string{"at risk"},
			status: []string{"needs attention", "NeedsAttention"},
		},
		{
			name:  "JSON broken",
			spoil: func(d *drill) { d.put("prod/app", `{"engine":"postgres","password":"c4nary"`) }, truth: unproven, after: unproven,
			alert: []string{"InvalidSecret", "not valid JSON", "not changed by this rotation", "applications cannot read"}, applications: []string{"not changed"},
			status: []string{"failed", "InvalidSecret"},
		},
		{
			name:  "secret deleted",
			spoil: func(d *drill) { d.delete("prod/app") }, truth: unproven, after: unproven,
			rotate: []string{"--scheduled"},
			alert:  []string{"SecretDeleted", "not changed by this rotation", "applications cannot read"}, applications: []string{"not changed"},
			status: []string{"missing"},
		},
		{
			name: "superuser missing", request: pair,
			spoil: func(d *drill) { d.delete("prod/superuser") }, truth: logsIn, after: logsIn,
			alert: []string{"SuperuserInvalid", "prod/superuser"}, applications: []string{"unaffected", "not changed"}, status: []string{"failed", "SuperuserInvalid"},
		},
		{
			name: "superuser wrong", request: pair,
			spoil: func(d *drill) {
				d.put("prod/superuser", d.db.SuperuserDocument(func(keys map[string]any) { keys["password"] = "wr0ng-c4nary" }).Encode().Reveal())
			}, truth: logsIn, after: logsIn,
			alert:        []string{"SuperuserInvalid", "superuser's secret prod/superuser", "not the application's"},
			applications: []string{"unaffected", "not changed"}, status: []string{"failed", "SuperuserInvalid"},
		},
		{
			name: "privilege missing", request: pair,
			spoil: func(d *drill) {
				weak := d.db.User + "_weak"
				d.db.Exec(d.db.Quiet() + "CREATE ROLE " + pgx.Identifier{weak}.Sanitize() + " LOGIN PASSWORD 'we4k-c4nary'")
				d.Cleanup(func() { d.db.Exec("DROP ROLE IF EXISTS " + pgx.Identifier{weak}.Sanitize()) })
				d.put("prod/superuser", d.db.SuperuserDocument(func(keys map[string]any) { keys["username"], keys["password"] = weak, "we4k-c4nary" }).Encode().Reveal())
			}, truth: logsIn, after: logsIn,
			alert: []string{"PrivilegeMissing", "CREATEROLE"}, applications: []string{"unaffected", "not changed"}, status: []string{"failed", "PrivilegeMissing"},
		},
		{
			name:  "permission denied",
			spoil: func(d *drill) { d.deny("finishsecret", "UpdateSecretVersionStage") }, truth: logsIn, after: logsIn,
			alert: []string{"AccessDenied", "UpdateSecretVersionStage", "not changed by this rotation"}, severity: "warning", applications: []string{"not changed"},
			status: []string{"failed", "AccessDenied", "Refused"},
		},
		{
			name:  "permission denied after the change",
			spoil: func(d *drill) { d.denyAfterTheChange("finishsecret", "UpdateSecretVersionStage") }, truth: logsIn, after: logsIn,
			alert: []string{"AccessDenied", "UpdateSecretVersionStage", "restored: AWSCURRENT logs in again"}, severity: "warning", applications: []string{"restored"},
			status: []string{"failed", "AccessDenied", "RestoredCleanly"},
		},
		{
			name: "certificate wrong", opts: []dbtest.Option{dbtest.TLS(certs.New("a private authority").Server("127.0.0.1"))},
			truth: unproven, after: unproven,
			alert: []string{"CertificateRejected", "The password was not sent"}, applications: []string{"not changed", "at risk"},
			status: []string{"CertificateRejected"},
		},
		{
			name:  "AWSPENDING by hand",
			spoil: func(d *drill) { d.put("prod/app", d.wrong(), "AWSPENDING") }, truth: logsIn, after: logsIn,
			quick:   []string{"stuck", "by hand", "no:rotating"},
			alert:   []string{"healed"},
			noAlert: false, severity: "info", applications: []string{"unaffected"}, status: []string{"ok", "Rotated"},
		},
		{
			name: "window closed", config: func(c *sandbox.Config) { c.Clock = nil },
			request: rotation.Request{Schedule: &rotation.Schedule{Expression: fmt.Sprintf("cron(0 2 %d * ? *)", (time.Now().UTC().Day()+10)%28+1), Duration: "3h"}},
			truth:   logsIn, after: logsIn, noAlert: true, // somebody at a keyboard was told
			applications: []string{"not changed"}, status: []string{"ok", "WindowClosed"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDrill(t, tc.request, tc.config, tc.opts...)
			if tc.spoil != nil {
				tc.spoil(d)
			}
			if got := d.truth(); got != tc.truth {
				t.Fatalf("AWSCURRENT: %s, want %s", got, tc.truth)
			}
			quick, _ := d.statuses()
			d.says("status before", quick, tc.quick...)

			var out string
			if tc.rotate == nil {
				_, out = d.run("rotate", "prod/app")
			} else {
				d.scheduled()
			}
			d.sandbox.Intercept(nil)
			truth := d.truth()
			if truth != tc.after {
				t.Fatalf("AWSCURRENT: %s, want %s; %s", truth, tc.after, out)
			}
			d.holds(truth, "rotate", out)
			severity, alert := d.alert()
			if (alert == "") != tc.noAlert {
				t.Errorf("alert: %q", alert)
			}
			d.holds(truth, "the alert", alert)
			d.says("the alert", alert, tc.alert...)
			if tc.severity != "" && severity != tc.severity {
				t.Errorf("severity %q, want %q", severity, tc.severity)
			}
			event := d.event()
			d.holds(truth, "the event", event.Applications)
			if !contains(tc.applications, event.Applications) {
				t.Errorf("the event says %q, want one of %q", event.Applications, tc.applications)
			}
			quick, _ = d.statuses()
			d.says("status after", quick, tc.status...)
		})
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (d *drill) delete(name string) {
	d.Helper()
	_, err := d.secrets.DeleteSecret(d.Context(), &secretsmanager.DeleteSecretInput{SecretId: &name})
	d.check(err)
}

// scheduled rotates as a schedule does, which nobody watches.
func (d *drill) scheduled() {
	d.Helper()
	api := sfn.NewFromConfig(d.sandbox.AWS("test"))
	started, err := api.StartExecution(d.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &d.sandbox.StateMachineARN, Input: aws.String(`{"secretId":"prod/app","trigger":{"source":"schedule"}}`),
	})
	d.check(err)
	_, err = d.sandbox.Wait(d.Context(), aws.ToString(started.ExecutionArn))
	d.check(err)
}

// The eleventh: a rotation that is stopped after the database has changed. Its alert
// comes from the function incident, and the status says that nobody knows.
func TestDrillStoppedMidway(t *testing.T) {
	for _, remedy := range []string{"redrive", "rotate"} {
		t.Run(remedy, func(t *testing.T) { stoppedMidway(t, remedy) })
	}
}

func stoppedMidway(t *testing.T, remedy string) {
	t.Helper()
	reached := make(chan struct{}, 1)
	d := newDrill(t, rotation.Request{}, func(c *sandbox.Config) {
		c.Task = func(next asl.TaskFunc) asl.TaskFunc {
			return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
				if task.State != "TestSecret" || len(reached) > 0 {
					return next(ctx, task)
				}
				reached <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}
	})
	api := sfn.NewFromConfig(d.sandbox.AWS("test"))
	started, err := api.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &d.sandbox.StateMachineARN, Input: aws.String(`{"secretId":"prod/app","trigger":{"source":"manual"}}`),
	})
	d.check(err)
	for len(reached) == 0 {
		time.Sleep(time.Millisecond)
	}
	_, err = api.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: started.ExecutionArn})
	d.check(err)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(d.sandbox.Outbox.Messages()) == 0; {
		time.Sleep(time.Millisecond)
	}
	if truth := d.truth(); truth != refused {
		t.Fatalf("AWSCURRENT %s", truth)
	}
	severity, alert := d.alert()
	d.holds(refused, "the alert", alert)
	d.says("the alert", alert, "rotation cut short: prod/app", "at risk", "redrive-execution")
	if severity != "critical" {
		t.Errorf("severity %q", severity)
	}
	quick, tried := d.statuses()
	d.says("status", quick, "needs attention", "ABORTED", "Rotate the secret")
	d.says("status --login", tried, "AWSCURRENT is refused")

	// What is redriven settles what was alerted, and says so; and so does the rotation that
	// the runbook asks for, with no edit and no deployment.
	if remedy == "redrive" {
		_, err = api.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: started.ExecutionArn})
		d.check(err)
		_, err = d.sandbox.Wait(t.Context(), aws.ToString(started.ExecutionArn))
		d.check(err)
	} else if code, out := d.run("rotate", "prod/app", "--outside-window"); code != ExitOK {
		t.Fatal(out)
	}
	if truth := d.truth(); truth != logsIn {
		t.Fatalf("AWSCURRENT %s", truth)
	}
	_, alert = d.alert()
	d.holds(logsIn, "the alert", alert)
	d.says("the alert", alert, "healed: prod/app")
	quick, _ = d.statuses()
	d.says("status", quick, "ok", "Rotated")
}
