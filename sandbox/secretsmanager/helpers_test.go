package secretsmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// clock is a clock that only tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 250e6, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// inProcess carries HTTP requests to a handler without a socket.
type inProcess struct{ h http.Handler }

func (t inProcess) Do(r *http.Request) (*http.Response, error) {
	// As the server side would see it.
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// env is a service with a client and a clock.
type env struct {
	*sm.Client
	svc   *secretsmanager.Service
	clock *clock
	h     http.Handler
}

func setup(t testing.TB, edit ...func(*secretsmanager.Config)) *env {
	t.Helper()
	c := newClock()
	cfg := secretsmanager.Config{Now: c.Now}
	for _, f := range edit {
		f(&cfg)
	}
	svc := secretsmanager.New(cfg)
	t.Cleanup(svc.Close)
	h, err := wire.New(wire.Config{Now: c.Now}, svc)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{svc: svc, clock: c, h: h}
	e.Client = e.client("us-east-1", "app")
	return e
}

// client makes an SDK client for a region and an access key id.
func (e *env) client(region, key string) *sm.Client {
	return sm.New(sm.Options{
		Region:       region,
		BaseEndpoint: aws.String("http://127.0.0.1:1"),
		HTTPClient:   inProcess{e.h},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: "x"}, nil
		}),
		RetryMaxAttempts: 1,
	})
}

// must unwraps a call that may not fail.
func must[T any](t testing.TB) func(T, error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// create makes a secret with a value and returns its ARN and version id.
func (e *env) create(t testing.TB, name, text string) (arn, version string) {
	t.Helper()
	out := must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name, SecretString: &text}))
	return *out.ARN, aws.ToString(out.VersionId)
}

// put adds a version with labels and returns its id.
func (e *env) put(t testing.TB, name, text string, labels ...string) string {
	t.Helper()
	out := must[*sm.PutSecretValueOutput](t)(e.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: &name, SecretString: &text, VersionStages: labels,
	}))
	return *out.VersionId
}

// labels is DescribeSecret's map, turned around.
func (e *env) labels(t testing.TB, name string) map[string]string {
	t.Helper()
	out := must[*sm.DescribeSecretOutput](t)(e.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: &name}))
	m := map[string]string{}
	for id, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			if other, twice := m[stage]; twice {
				t.Fatalf("%s is on %s and on %s", stage, other, id)
			}
			m[stage] = id
		}
	}
	return m
}

// versions is ListSecretVersionIds as "id:label+label".
func (e *env) versions(t testing.TB, name string, deprecated bool) []string {
	t.Helper()
	var list []string
	p := sm.NewListSecretVersionIdsPaginator(e.Client, &sm.ListSecretVersionIdsInput{SecretId: &name, IncludeDeprecated: &deprecated})
	for p.HasMorePages() {
		for _, v := range must[*sm.ListSecretVersionIdsOutput](t)(p.NextPage(t.Context())).Versions {
			list = append(list, *v.VersionId+":"+strings.Join(v.VersionStages, "+"))
		}
	}
	return list
}

// token makes a version id that is easy to recognise.
func token(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// wantError checks for an AWS error by its code and a part of its message.
func wantError(t testing.TB, err error, code, message string) {
	t.Helper()
	apiErr, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("got %v, want %s", err, code)
	}
	if apiErr.ErrorCode() != code || !strings.Contains(apiErr.ErrorMessage(), message) {
		t.Errorf("got %s %q, want %s %q", apiErr.ErrorCode(), apiErr.ErrorMessage(), code, message)
	}
}

// raw posts a body as it is, for what the SDK would not send.
func (e *env) raw(t testing.TB, operation, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=app/20260101/us-east-1/secretsmanager/aws4_request")
	w := httptest.NewRecorder()
	e.h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
