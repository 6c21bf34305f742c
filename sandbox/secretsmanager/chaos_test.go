package secretsmanager_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// An SDK that retries a PutSecretValue whose answer was lost ends with one
// version: its token makes the second call do nothing.
func TestLostAnswers(t *testing.T) {
	for name, failure := range map[string]*wire.Failure{
		"dropped after effect":  {AfterEffect: true},
		"dropped before effect": {},
		"error after effect":    {AfterEffect: true, Err: &wire.Error{Code: "InternalServiceError", Message: "try again", Status: 500}},
		"throttled":             {Err: &wire.Error{Code: "ThrottlingException", Message: "Rate exceeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var records []string
			svc := secretsmanager.New(secretsmanager.Config{})
			h, err := wire.New(wire.Config{
				Intercept: func(_ context.Context, call wire.Call) *wire.Failure {
					mu.Lock()
					defer mu.Unlock()
					if call.Operation == "PutSecretValue" && len(records) == 1 {
						return failure
					}
					return nil
				},
				Observe: func(r wire.Record) {
					mu.Lock()
					defer mu.Unlock()
					records = append(records, strings.TrimSpace(r.Operation+" "+r.ErrorCode))
				},
			}, svc)
			if err != nil {
				t.Fatal(err)
			}
			srv, err := wire.Listen("127.0.0.1:0", h)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{}
			defer func() {
				transport.CloseIdleConnections()
				if err := srv.Close(); err != nil {
					t.Error(err)
				}
			}()
			client := sm.New(sm.Options{
				Region: "us-east-1", BaseEndpoint: &srv.URL, HTTPClient: &http.Client{Transport: transport},
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "x"}, nil
				}),
			})
			_ = must[*sm.CreateSecretOutput](t)(client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("n")}))
			put := must[*sm.PutSecretValueOutput](t)(client.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("n"), SecretString: aws.String("v")}))
			list := must[*sm.ListSecretVersionIdsOutput](t)(client.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: aws.String("n"), IncludeDeprecated: aws.Bool(true)}))
			if len(list.Versions) != 1 || *list.Versions[0].VersionId != *put.VersionId {
				t.Errorf("%+v", list.Versions)
			}
			code := wire.CodeDropped
			if failure.Err != nil {
				code = failure.Err.Code
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff([]string{"CreateSecret", "PutSecretValue " + code, "PutSecretValue", "ListSecretVersionIds"}, records); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A secret value is in no error and in no record.
func TestValuesStayInside(t *testing.T) {
	const canary = "canary-8f3a1c"
	var records strings.Builder
	svc := secretsmanager.New(secretsmanager.Config{})
	h, err := wire.New(wire.Config{Observe: func(r wire.Record) { fmt.Fprintf(&records, "%+v\n", r) }}, svc)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{svc: svc, h: h}
	quoted := `"` + canary + `"`
	for _, call := range []struct{ operation, body string }{
		{"CreateSecret", `{"Name":"n","ClientRequestToken":"` + token(1) + `","SecretString":` + quoted + `}`},
		{"CreateSecret", `{"Name":"n","ClientRequestToken":"` + token(1) + `","SecretString":"` + canary + `2"}`},
		{"CreateSecret", `{"Name":"m","ClientRequestToken":"x","SecretString":` + quoted + `}`},
		{"PutSecretValue", `{"SecretId":"n","ClientRequestToken":"` + token(1) + `","SecretString":"` + canary + `2"}`},
		{"PutSecretValue", `{"SecretId":"n","SecretBinary":` + quoted + `}`},
		{"PutSecretValue", `{"SecretId":"n","SecretString":[` + quoted + `]}`},
		{"PutSecretValue", `{"SecretId":"n","SecretString":` + quoted},
		{"UpdateSecret", `{"SecretId":"n","ClientRequestToken":"` + token(2) + `","SecretBinary":"aGk=","SecretString":` + quoted + `}`},
		{"PutSecretValue", `{"SecretId":"n","ClientRequestToken":"` + token(3) + `","SecretString":"` + strings.Repeat(canary, 6000) + `"}`},
		{"Nope", `{"SecretString":` + quoted + `}`},
	} {
		if status, body := e.raw(t, call.operation, call.body); strings.Contains(body, canary) {
			t.Errorf("%s: %d %s", call.operation, status, body)
		}
	}
	if strings.Contains(records.String(), canary) || records.Len() == 0 {
		t.Error("records:", records.String())
	}
	svc.Close()
}
