package secretsmgr_test

import (
	"context"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const (
	name   = "prod/app"
	canary = "c4nary"
)

var first, second = rotation.VersionID("first"), rotation.VersionID("second")

// env is a secret with two versions behind the real wire protocol.
type env struct {
	*testing.T
	sandbox *sandbox.Sandbox
	api     *api.Client
	client  *secretsmgr.Client // as the functions have it
	once    *secretsmgr.Client // without the SDK's retries
}

func setup(t *testing.T) *env {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	cfg := box.AWS("test")
	e := &env{T: t, sandbox: box, api: api.NewFromConfig(cfg)}
	e.client = secretsmgr.New(e.api)
	e.once = secretsmgr.New(api.NewFromConfig(withoutRetries(cfg)))
	_, err = e.api.CreateSecret(t.Context(), &api.CreateSecretInput{
		Name: aws.String(name), SecretString: aws.String(canary), ClientRequestToken: &first,
	})
	e.check(err)
	e.check(e.client.PutVersion(t.Context(), name, second, rotation.GivenUp, redact.New(canary+"2")))
	return e
}

func withoutRetries(cfg aws.Config) aws.Config {
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}

func (e *env) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) labels() map[string]string {
	e.Helper()
	m, err := e.client.Describe(context.Background(), name)
	e.check(err)
	return m.Labels
}

// calls are all operations, each with the name of the API's.
func calls(c *secretsmgr.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"DescribeSecret": func(ctx context.Context) error { _, err := c.Describe(ctx, name); return err },
		"GetSecretValue": func(ctx context.Context) error {
			_, _, err := c.Value(ctx, name, rotation.Version{Label: rotation.Current})
			return err
		},
		"PutSecretValue": func(ctx context.Context) error {
			return c.PutVersion(ctx, name, rotation.VersionID("third"), rotation.GivenUp, redact.New(canary+"3"))
		},
		"UpdateSecretVersionStage": func(ctx context.Context) error {
			_, err := c.MoveLabel(ctx, name, rotation.Pending, "", second)
			return err
		},
	}
}

// Every error of Secrets Manager's API reference, its common errors, and KMS's.
func TestClassification(t *testing.T) {
	const heals = "It heals by itself"
	e := setup(t)
	for _, tc := range []struct {
		code, message string
		status        int
		want          fault.Code
		hint          string
		quotes        bool // AWS's message is passed on
	}{
		{"ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 0, fault.SecretNotFound, "name or ARN and the Region", false},
		{"InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", 0, fault.SecretDeleted, "restore-secret", false},
		{"InvalidRequestException", "You can't perform this operation because the secret was deleted.", 0, fault.SecretDeleted, "restore-secret", false},
		{"InvalidRequestException", "Something else about the secret's state.", 0, fault.InvalidRequest, "secret's state", true},
		{"InvalidParameterException", "The parameter is not good.", 0, fault.InvalidRequest, "not good", true},
		{"ValidationException", "1 validation error detected.", 0, fault.InvalidRequest, "validation error", true},
		{"ThrottlingException", "Rate exceeded", 0, fault.Throttled, "heals by itself", false},
		{"TooManyRequestsException", "Rate exceeded", 429, fault.Throttled, "heals by itself", false},
		{"RequestLimitExceeded", "Rate exceeded", 503, fault.Throttled, "heals by itself", false},
		{"LimitExceededException", "You have 100 labels.", 0, fault.LimitExceeded, "raise the quota", false},
		{"DecryptionFailure", "KMS key is disabled", 0, fault.KeyUnusable, "kms:Decrypt", false},
		{"EncryptionFailure", "KMS key is disabled", 0, fault.KeyUnusable, "kms:GenerateDataKey", false},
		{"AccessDeniedException", "Access to KMS is not allowed", 0, fault.KeyUnusable, "kms:Decrypt", false},
		{"AccessDeniedException", "User: x is not authorized", 0, fault.AccessDenied, "rotations.yaml names the secret", false},
		{"NotAuthorized", "You do not have permission", 0, fault.AccessDenied, "allow secretsmanager:CALL", false},
		{"UnrecognizedClientException", "The security token is invalid", 0, fault.AccessDenied, "allow secretsmanager:CALL", false},
		{"ExpiredTokenException", "The security token is expired", 0, fault.AccessDenied, "allow secretsmanager:CALL", false},
		{"InternalServiceError", "An error occurred", 500, fault.ServiceUnavailable, heals, false},
		{"InternalServiceError", "An error occurred", 0, fault.ServiceUnavailable, heals, false},
		{"InternalFailure", "An error occurred", 500, fault.ServiceUnavailable, heals, false},
		{"ServiceUnavailable", "Busy", 503, fault.ServiceUnavailable, heals, false},
		{"RequestTimeoutException", "Too slow", 0, fault.ServiceUnavailable, heals, false},
		{"SomethingNew", "A proxy's own words", 502, fault.ServiceUnavailable, heals, false},
		{"SomethingNew", "Nobody knows this", 0, fault.Internal, "report it", false},
	} {
		for operation, call := range calls(e.once) {
			e.sandbox.Intercept(func(_ context.Context, c wire.Call) *wire.Failure {
				if c.Operation == operation {
					return &wire.Failure{Err: &wire.Error{Code: tc.code, Message: tc.message + " '" + canary + "'", Status: tc.status}}
				}
				return nil
			})
			err := call(t.Context())
			want, hint := tc.want, strings.ReplaceAll(tc.hint, "CALL", operation)
			if operation == "UpdateSecretVersionStage" {
				switch tc.code {
				case "InvalidParameterException":
					want = "" // the label is elsewhere
				case "ResourceNotFoundException":
					want, hint = fault.VersionNotReady, "a moment to show"
				}
			}
			if got := fault.CodeOf(err); got != want {
				t.Errorf("%s answers %s %q: got %q, want %q", operation, tc.code, tc.message, got, want)
				continue
			}
			if err == nil {
				continue
			}
			// What was sent with PutSecretValue may not come back in an error.
			quotes := tc.quotes && operation != "PutSecretValue"
			if quotes != strings.Contains(err.Error(), canary) {
				t.Errorf("%s answers %s: quoted: %v", operation, tc.code, err)
			}
			if operation == "PutSecretValue" && tc.quotes {
				continue
			}
			if !strings.Contains(err.Error(), hint) {
				t.Errorf("%s answers %s: %q does not say %q", operation, tc.code, err, hint)
			}
			if !strings.Contains(err.Error(), name) && want != fault.VersionNotReady {
				t.Errorf("%s answers %s: %q does not name the secret", operation, tc.code, err)
			}
		}
	}
}

// "Not found" of a version is something else than of a secret.
func TestValueNotThere(t *testing.T) {
	e := setup(t)
	for what, tc := range map[string]struct {
		secret  string
		version rotation.Version
		want    fault.Code
		says    string
	}{
		"secret":          {"prod/none", rotation.Version{Label: rotation.Current}, fault.SecretNotFound, "prod/none"},
		"version":         {name, rotation.Version{ID: rotation.VersionID("none")}, fault.VersionNotReady, rotation.VersionID("none")},
		"label":           {name, rotation.Version{Label: rotation.Pending}, fault.VersionNotReady, "labelled AWSPENDING"},
		"label elsewhere": {name, rotation.Version{ID: second, Label: rotation.Current}, fault.VersionNotReady, "labelled AWSCURRENT"},
	} {
		_, _, err := e.client.Value(t.Context(), tc.secret, tc.version)
		if fault.CodeOf(err) != tc.want || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %s", what, err, tc.want)
		}
	}
	_, err := e.api.DeleteSecret(t.Context(), &api.DeleteSecretInput{SecretId: aws.String(name)})
	e.check(err)
	if _, _, err := e.client.Value(t.Context(), name, rotation.Version{Label: rotation.Current}); fault.CodeOf(err) != fault.SecretDeleted {
		t.Errorf("deleted: got %v", err)
	}
	if m, err := e.client.Describe(t.Context(), name); err != nil || !m.Deleted {
		t.Errorf("deleted: got %+v, %v", m, err)
	}
}

// No answer at all: dropped connections, nobody there, nobody listening in time.
func TestNoAnswer(t *testing.T) {
	e := setup(t)
	e.sandbox.Intercept(func(context.Context, wire.Call) *wire.Failure { return &wire.Failure{} })
	expect := func(why string, c *secretsmgr.Client, ctx context.Context) {
		t.Helper()
		for operation, call := range calls(c) {
			err := call(ctx)
			if fault.CodeOf(err) != fault.ServiceUnavailable || !strings.Contains(err.Error(), operation+" of secret ") || !strings.Contains(err.Error(), "interface endpoint") {
				t.Errorf("%s, %s: got %v", why, operation, err)
			}
		}
	}
	expect("dropped", e.once, t.Context())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	e.check(err)
	l.Close()
	cfg := withoutRetries(e.sandbox.AWS("test"))
	cfg.BaseEndpoint = aws.String("http://" + l.Addr().String())
	expect("nobody listens", secretsmgr.New(api.NewFromConfig(cfg)), t.Context())

	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	expect("out of time", e.once, expired)
}

// MoveLabel is a compare-and-swap.
func TestMoveLabel(t *testing.T) {
	const label = "STAGE"
	for what, tc := range map[string]struct {
		holder, from, to string
		moved            bool
		then             string
	}{
		"attach":                       {"", "", first, true, first},
		"move":                         {first, first, second, true, second},
		"take off":                     {first, first, "", true, ""},
		"taken meanwhile":              {second, "", first, false, second},
		"moved meanwhile":              {second, first, second, false, second},
		"taken off meanwhile":          {"", first, second, false, ""},
		"take off, moved meanwhile":    {second, first, "", false, second},
		"take off, long since":         {"", first, "", false, ""},
		"move to where it is":          {second, second, second, true, second},
		"attach to where it is, again": {first, "", first, true, first},
	} {
		t.Run(what, func(t *testing.T) {
			e := setup(t)
			if tc.holder != "" {
				moved, err := e.client.MoveLabel(t.Context(), name, label, "", tc.holder)
				if err != nil || !moved {
					t.Fatal(moved, err)
				}
			}
			before := e.labels()
			moved, err := e.client.MoveLabel(t.Context(), name, label, tc.from, tc.to)
			if err != nil || moved != tc.moved {
				t.Errorf("moved: %t, %v", moved, err)
			}
			want := maps.Clone(before)
			delete(want, label)
			if tc.then != "" {
				want[label] = tc.then
			}
			if diff := cmp.Diff(want, e.labels()); diff != "" {
				t.Errorf("labels: %s", diff)
			}
		})
	}
}

// An answer that is lost after the label was moved looks, to the SDK's own
// retry, as if somebody else had moved it: callers look where it is.
func TestLostAnswers(t *testing.T) {
	e := setup(t)
	lose := func() {
		var calls atomic.Int32
		e.sandbox.Intercept(func(context.Context, wire.Call) *wire.Failure {
			if calls.Add(1) == 1 {
				return &wire.Failure{AfterEffect: true}
			}
			return nil
		})
	}
	lose()
	moved, err := e.client.MoveLabel(t.Context(), name, rotation.Current, first, second)
	if err != nil || moved {
		t.Errorf("moved: %t, %v", moved, err)
	}
	if got := e.labels()[rotation.Current]; got != second {
		t.Errorf("AWSCURRENT is on %s", got)
	}
	lose()
	third := rotation.VersionID("third")
	if err := e.client.PutVersion(t.Context(), name, third, rotation.GivenUp, redact.New("a")); err != nil {
		t.Error(err)
	}
	value, id, err := e.client.Value(t.Context(), name, rotation.Version{ID: third})
	if err != nil || value.Reveal() != "a" || id != third {
		t.Errorf("got %s, %v", id, err)
	}
}

// The first attempt's value stays, so that all attempts go on with one password.
func TestPutVersionKeepsTheFirstValue(t *testing.T) {
	e := setup(t)
	third := rotation.VersionID("third")
	for _, value := range []string{"a", "b"} {
		if err := e.client.PutVersion(t.Context(), name, third, rotation.GivenUp, redact.New(value)); err != nil {
			t.Fatal(err)
		}
	}
	value, _, err := e.client.Value(t.Context(), name, rotation.Version{ID: third})
	if err != nil || value.Reveal() != "a" {
		t.Errorf("got another value, %v", err)
	}
	if got := e.labels()[rotation.GivenUp]; got != third {
		t.Errorf("the label is on %s", got)
	}
}

func TestDescribe(t *testing.T) {
	e := setup(t)
	m, err := e.client.Describe(t.Context(), name)
	e.check(err)
	if !strings.Contains(m.ARN, ":secret:"+name+"-") || m.Name != name || m.Deleted || m.NativeRotationARN != "" {
		t.Errorf("got %+v", m)
	}
	if diff := cmp.Diff(map[string]string{rotation.Current: first, rotation.GivenUp: second}, m.Labels); diff != "" {
		t.Error(diff)
	}
}
