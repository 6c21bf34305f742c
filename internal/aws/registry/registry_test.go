package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/scheduler"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const (
	group = "tumbler"
	arn   = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:prod/app-AbCdEf"
	name  = "prod/app"
)

// inProcess carries HTTP requests to a handler without a socket.
type inProcess struct{ h http.Handler }

func (t inProcess) Do(r *http.Request) (res *http.Response, err error) {
	r.Host = r.URL.Host // as the server side would see it
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("the connection was dropped")
		}
	}()
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// env is a registry in the sandbox's scheduler.
type env struct {
	*testing.T
	*registry.Client
	api *sdk.Client

	mu    sync.Mutex
	calls []string
	fail  *wire.Failure
	only  string // the operation that fails; "" for all
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{T: t}
	service := scheduler.New(scheduler.Config{Start: func(context.Context, string, json.RawMessage) error { return nil }})
	t.Cleanup(service.Close)
	handler, err := wire.New(wire.Config{Intercept: func(_ context.Context, call wire.Call) *wire.Failure {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.calls = append(e.calls, call.Operation)
		if e.only != "" && e.only != call.Operation {
			return nil
		}
		return e.fail
	}}, service)
	if err != nil {
		t.Fatal(err)
	}
	e.api = sdk.New(sdk.Options{
		Region: "eu-north-1", BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: inProcess{handler},
		Credentials: credentials.NewStaticCredentialsProvider("test", "secret", ""), Retryer: aws.NopRetryer{},
	})
	if _, err := e.api.CreateScheduleGroup(t.Context(), &sdk.CreateScheduleGroupInput{Name: aws.String(group)}); err != nil {
		t.Fatal(err)
	}
	e.Client = registry.New(e.api, group)
	e.calls = nil
	return e
}

// configure registers a secret as the deployment does.
func (e *env) configure(schedule, input string) {
	e.Helper()
	_, err := e.api.CreateSchedule(e.Context(), &sdk.CreateScheduleInput{
		Name: &schedule, GroupName: aws.String(group), ScheduleExpression: aws.String("cron(0 2 ? * 1 *)"), State: types.ScheduleStateDisabled,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{
			Arn: aws.String("arn:aws:states:eu-north-1:123456789012:stateMachine:tumbler-rotation"), Input: &input,
			RoleArn: aws.String("arn:aws:iam::123456789012:role/scheduler"),
		},
	})
	if err != nil {
		e.Fatal(err)
	}
	e.calls = nil
}

func request(secretID string) string {
	return fmt.Sprintf(`{"secretId":%q,"strategy":"single-user","trigger":{"source":"schedule","scheduledAt":"<aws.scheduler.scheduled-time>"}}`, secretID)
}

func TestLookup(t *testing.T) {
	const partial = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:prod/app"
	for _, tt := range []struct {
		configured string
		calls      int
	}{{name, 1}, {arn, 3}, {partial, 5}, {"prod/other", 6}} {
		t.Run(tt.configured, func(t *testing.T) {
			e := newEnv(t)
			e.configure(registry.Name(tt.configured), request(tt.configured))
			input, found, err := e.Lookup(t.Context(), arn, name)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`{"secretId":%q,"strategy":"single-user"}`, tt.configured)
			if tt.configured == "prod/other" {
				want = ""
			}
			if found != (want != "") || string(input) != want {
				t.Errorf("found %v: %s\nwant %s", found, input, want)
			}
			if len(e.calls) != tt.calls {
				t.Errorf("%d calls, want %d", len(e.calls), tt.calls)
			}
		})
	}
}

// TestLookupCollision: a schedule that has the name by accident is of another
// secret.
func TestLookupCollision(t *testing.T) {
	e := newEnv(t)
	e.configure(registry.Name(name), request("prod/other"))
	if _, found, err := e.Lookup(t.Context(), arn, name); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestChangedByHand(t *testing.T) {
	for _, input := range []string{`[]`, `{}`, `{"secretId":7}`, `{"secretId":""}`, `"prod/app"`} {
		e := newEnv(t)
		e.configure(registry.Name(name), input)
		_, found, err := e.Lookup(t.Context(), arn, name)
		if found || !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "deploy again") {
			t.Errorf("%s: found %v, %v", input, found, err)
		}
		if entries, err := e.List(t.Context()); len(entries) != 0 || err != nil {
			t.Errorf("%s is listed: %v, %v", input, entries, err)
		}
	}
}

func TestNoGroup(t *testing.T) {
	e := newEnv(t)
	none := registry.New(e.api, "elsewhere")
	if _, found, err := none.Lookup(t.Context(), arn, name); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	_, err := none.List(t.Context())
	if !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "there is no such group") {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	e := newEnv(t)
	var want []string
	for i := range 120 { // more than a page
		id := fmt.Sprintf("fleet/%03d", i)
		want = append(want, id)
		e.configure(registry.Name(id), request(id))
	}
	e.configure("somebody-elses", request("fleet/000"))
	entries, err := e.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.SecretID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := registry.Entry{
		Name: registry.Name("fleet/000"), SecretID: "fleet/000", Expression: "cron(0 2 ? * 1 *)",
		Input: json.RawMessage(`{"secretId":"fleet/000","strategy":"single-user"}`),
	}
	if since := time.Since(entries[0].ChangedAt); since < 0 || since > time.Minute {
		t.Errorf("changed at %s", entries[0].ChangedAt)
	}
	entries[0].ChangedAt = time.Time{}
	if diff := cmp.Diff(first, entries[0]); diff != "" {
		t.Error(diff)
	}
	slices.Sort(e.calls)
	if calls := slices.Compact(slices.Clone(e.calls)); len(e.calls) != 2+121 || len(calls) != 2 {
		t.Errorf("%d calls: %v", len(e.calls), calls)
	}
	empty := newEnv(t)
	if entries, err := empty.List(t.Context()); len(entries) != 0 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		err  *wire.Error // nil: the connection is dropped
		want fault.Code
	}{
		"denied":      {&wire.Error{Code: "AccessDeniedException", Status: 403}, fault.AccessDenied},
		"expired":     {&wire.Error{Code: "ExpiredTokenException", Status: 403}, fault.AccessDenied},
		"throttled":   {&wire.Error{Code: "ThrottlingException", Status: 429}, fault.Throttled},
		"between":     {&wire.Error{Code: "SomethingNew", Status: 502}, fault.ServiceUnavailable},
		"failing":     {&wire.Error{Code: "InternalServerException", Status: 500}, fault.ServiceUnavailable},
		"unreachable": {nil, fault.ServiceUnavailable},
		"unknown":     {&wire.Error{Code: "ValidationException", Status: 400}, fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.configure(registry.Name("prod/app"), request("prod/app"))
			if tt.err != nil {
				tt.err.Message = "canary-secret"
			}
			e.fail = &wire.Failure{Err: tt.err}
			_, _, lookupErr := e.Lookup(t.Context(), arn, "prod/app")
			_, listErr := e.List(t.Context())
			for _, err := range []error{lookupErr, listErr} {
				if fault.CodeOf(err) != tt.want || fault.From(err).Hint == "" {
					t.Errorf("%v, want %s with a hint", err, tt.want)
				}
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("AWS's text is carried over: %v", err)
				}
			}
		})
	}
}

// TestListStops: one failure ends the listing, and not after every other call.
func TestListStops(t *testing.T) {
	e := newEnv(t)
	for i := range 60 {
		id := fmt.Sprintf("fleet/%03d", i)
		e.configure(registry.Name(id), request(id))
	}
	e.fail, e.only = &wire.Failure{Err: &wire.Error{Code: "AccessDeniedException", Status: 403}}, "GetSchedule"
	if _, err := e.List(t.Context()); !fault.Is(err, fault.AccessDenied) {
		t.Error(err)
	}
	if len(e.calls) > 30 {
		t.Errorf("%d calls", len(e.calls))
	}
}
