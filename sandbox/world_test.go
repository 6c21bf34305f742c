package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/counted"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
	"github.com/tumbler-rotation/tumbler/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(everyPermission{m})) }

const secretID = "prod/app"

// The secrets that rotations.yaml names. Nothing is allowed about any other.
var (
	rotatedSecrets   = []string{secretID, "maria/app", "fleet/*"}
	superuserSecrets = []string{superuserID, "superuser", "maria/admin", "rds!db-shop"}
)

// world is a sandbox, a real database, and a secret of one of its users. When
// the test ends it looks for every password that the secret ever had in
// everything that was written.
type world struct {
	*testing.T
	db      *dbtest.DB
	sandbox *sandbox.Sandbox
	secrets *secretsmanager.Client
	states  *sfn.Client
	logins  *counted.Counter

	log       safeBuffer
	histories []string
	canaries  []string // further texts that may not show anywhere

	mysql *dbtest.MySQLServer // another database, with secrets of its own. Optional.

	ahead atomic.Int64 // how much the functions' clock is ahead, in nanoseconds

	mu    sync.Mutex
	calls []wire.Record
}

func newWorld(t *testing.T, opts ...dbtest.Option) *world {
	t.Helper()
	w := newWorldWithoutSecret(t, all.Engines, opts...)
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	return w
}

func newWorldWithoutSecret(t *testing.T, table engine.Table, opts ...dbtest.Option) *world {
	t.Helper()
	return newWorldWith(t, table, func(*world, *sandbox.Config) {}, opts...)
}

// newWorldWith lets the test change what is started.
func newWorldWith(t *testing.T, table engine.Table, change func(*world, *sandbox.Config), opts ...dbtest.Option) *world {
	t.Helper()
	w := &world{T: t, db: dbtest.Postgres(t, opts...)}
	engines, counter := counted.Wrap(table)
	w.logins = counter
	policies, err := iam.Load(iam.Open)
	if err != nil {
		t.Fatal(err)
	}
	policies.Secrets, policies.Superusers, policies.Used = rotatedSecrets, superuserSecrets, permissions.note
	cfg := sandbox.Config{
		Engines: engines, Policies: policies,
		Log:   slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clock: asl.NewVirtualClock(time.Now()),

		// Nothing waits for a lock here.
		Sleep: func(context.Context, time.Duration) error { return nil },

		RotationBackoff: func(int) time.Duration { return time.Millisecond },
		Now:             func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		Observe: func(r wire.Record) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, r)
		},
	}
	change(w, &cfg)
	if w.sandbox, err = sandbox.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sandbox.Close)
	client := w.sandbox.AWS("test")
	w.secrets, w.states = secretsmanager.NewFromConfig(client), sfn.NewFromConfig(client)
	t.Cleanup(w.searchForPasswords)
	return w
}

func (w *world) createSecret(value string) {
	w.Helper()
	_, err := w.secrets.CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{
		Name: aws.String(secretID), SecretString: &value,
	})
	w.check(err)
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// rotate runs an execution to its end.
func (w *world) rotate(request string) follow.Ending {
	w.Helper()
	started, err := w.states.StartExecution(w.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.StateMachineARN, Input: &request,
	})
	w.check(err)
	return w.await(aws.ToString(started.ExecutionArn))
}

func (w *world) await(arn string) follow.Ending {
	w.Helper()
	ending, err := follow.Config{API: w.states, Interval: 2 * time.Millisecond}.Execution(w.Context(), arn)
	w.check(err)
	w.keepHistory(arn)
	return ending
}

func (w *world) keepHistory(arn string) {
	w.Helper()
	pages := sfn.NewGetExecutionHistoryPaginator(w.states, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.Context())
		w.check(err)
		raw, err := json.Marshal(page.Events)
		w.check(err)
		w.histories = append(w.histories, string(raw))
	}
}

// rotated fails unless the rotation ended in Rotated.
func (w *world) rotated() {
	w.Helper()
	if e := w.rotate(`{"secretId":"prod/app"}`); e.State != "Rotated" {
		w.Fatalf("ended in %s: %s: %s", e.State, e.Error, e.Cause)
	}
}

// value reads the version that carries a label.
func (w *world) value(label string) (secretdoc.Document, string) {
	w.Helper()
	out, err := w.secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(secretID), VersionStage: &label,
	})
	w.check(err)
	doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
	w.check(err)
	return doc, aws.ToString(out.VersionId)
}

// labels maps each staging label to its version.
func (w *world) labels() map[string]string {
	w.Helper()
	out, err := w.secrets.DescribeSecret(w.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	w.check(err)
	labels := map[string]string{}
	for id, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			labels[stage] = id
		}
	}
	return labels
}

// login reports how the database takes a password of the secret's user.
func (w *world) login(password redact.String) error {
	w.Helper()
	doc := w.db.Document(func(keys map[string]any) { keys["password"] = password.Reveal() })
	session, err := all.Engines["postgres"].Connect(w.Context(), doc)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Probe(w.Context())
}

// currentLogsIn fails unless applications can log in.
func (w *world) currentLogsIn() {
	w.Helper()
	doc, _ := w.value("AWSCURRENT")
	if err := w.login(doc.Password); err != nil {
		w.Errorf("AWSCURRENT does not log in: %v", err)
	}
}

func (w *world) refused(password redact.String, which string) {
	w.Helper()
	if err := w.login(password); !fault.Is(err, fault.LoginRefused) {
		w.Errorf("%s: got %v, want LoginRefused", which, err)
	}
}

// noPending fails if a version is staged AWSPENDING.
func (w *world) noPending() {
	w.Helper()
	if id, ok := w.labels()["AWSPENDING"]; ok {
		w.Errorf("version %s is left AWSPENDING", id)
	}
}

func (w *world) lastAlert() sns.Message {
	w.Helper()
	messages := w.sandbox.Outbox.Messages()
	if len(messages) == 0 {
		w.Fatal("no alert was sent")
	}
	return messages[len(messages)-1]
}

// put stores a value as AWSCURRENT, as a person would.
func (w *world) put(value string) {
	w.Helper()
	_, err := w.secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(secretID), SecretString: &value,
	})
	w.check(err)
}

// searchForPasswords is the canary test. No version's password may be anywhere
// but in Secrets Manager.
func (w *world) searchForPasswords() {
	w.sandbox.Intercept(nil)
	passwords := append(w.canaries, w.db.Password.Reveal())
	versions, err := w.secrets.ListSecretVersionIds(context.Background(), &secretsmanager.ListSecretVersionIdsInput{
		SecretId: aws.String(secretID), IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(100),
	})
	if err != nil { // the test has deleted the secret
		versions = &secretsmanager.ListSecretVersionIdsOutput{}
	}
	for _, v := range versions.Versions {
		out, err := w.secrets.GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{
			SecretId: aws.String(secretID), VersionId: v.VersionId,
		})
		if err != nil {
			continue // a version without a value
		}
		if doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString))); err == nil {
			passwords = append(passwords, doc.Password.Reveal())
		}
	}
	alerts, _ := json.Marshal(w.sandbox.Outbox.Messages())
	events, _ := json.Marshal(w.sandbox.Events.Events())
	for place, text := range map[string]string{
		"function logs":       w.log.String(),
		"execution histories": strings.Join(w.histories, "\n"),
		"alerts":              string(alerts),
		"events":              string(events),
		"database log":        w.db.Log(),
	} {
		for _, password := range passwords {
			if strings.Contains(text, password) {
				w.Errorf("a password shows in the %s", place)
			}
		}
	}
}

// safeBuffer is a bytes.Buffer for concurrent use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
