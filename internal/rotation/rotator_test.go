package rotation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// entries is a registry: the configured request by the secret's ARN.
type entries map[string]string

func (e entries) Lookup(_ context.Context, secretARN, _ string) (json.RawMessage, bool, error) {
	request, found := e[secretARN]
	if request == "down" {
		return nil, false, fault.New(fault.Throttled, "the registry is busy", "")
	}
	return json.RawMessage(request), found, nil
}

// Secrets Manager's event does not say how a secret is rotated. The registry
// does, and for what it does not have, the deployment.
func TestRotatorStrategy(t *testing.T) {
	const pair = `{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"prod/superuser"}`
	for name, tc := range map[string]struct {
		registry rotation.Registry
		strategy rotation.Strategy
		user     string // in the version that was made
		err      fault.Code
	}{
		"nothing said":                      {nil, "", "app", ""},
		"by the deployment":                 {nil, rotation.SingleUser, "app", ""},
		"alternating, without a superuser":  {nil, rotation.AlternatingUsers, "", fault.SuperuserInvalid},
		"no such strategy":                  {nil, "alternating", "", fault.InvalidRequest},
		"by the registry":                   {entries{secretARN: pair}, rotation.SingleUser, "app_clone", ""},
		"by the registry, not like others":  {entries{secretARN: `{"secretId":"prod/app"}`}, rotation.AlternatingUsers, "app", ""},
		"not in the registry":               {entries{"another": pair}, rotation.SingleUser, "app", ""},
		"the registry does not answer":      {entries{secretARN: "down"}, "", "", fault.Throttled},
		"the registry has what is no good ": {entries{secretARN: `{"secretId":""}`}, "", "", fault.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.pending(own, "")
			r := rotation.Rotator{Secrets: v, NewPassword: v.newPassword, Databases: &server{}, Registry: tc.registry, Strategy: tc.strategy, Now: atNoon}
			_, err := r.Run(t.Context(), rotation.NativeInput{Step: rotation.StepCreate, SecretID: "prod/app", ClientRequestToken: own})
			if fault.CodeOf(err) != tc.err {
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			if tc.user == "" {
				if _, made := v.values[own]; made {
					t.Error("a version was made")
				}
				return
			}
			doc, err := secretdoc.Parse(redact.New(v.values[own]))
			if err != nil || doc.Username != tc.user || doc.Password.Reveal() != "new-1" {
				t.Errorf("the version is of %q: %v", doc.Username, err)
			}
		})
	}
}

// Whether PutSecretValue adds its VersionStages to a version's labels or replaces them,
// the documentation leaves open; emulators replace them. Each native rotation goes
// through under both, also when Secrets Manager repeats a step.
func TestRotatorUnderBothReadingsOfVersionStages(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		for _, twice := range []string{"", rotation.StepCreate, rotation.StepSet, rotation.StepTest, rotation.StepFinish} {
			t.Run(fmt.Sprintf("replaces %v, repeated %s", replaces, twice), func(t *testing.T) {
				v := newVault()
				v.replaces = replaces
				v.pending(own, "")
				s := &server{answers: map[string]fault.Code{"current": ""}}
				r := rotation.Rotator{Secrets: v, NewPassword: v.newPassword, Databases: s, Now: atNoon}
				for _, step := range []string{rotation.StepCreate, rotation.StepSet, rotation.StepTest, rotation.StepFinish} {
					for range map[bool]int{false: 1, true: 2}[step == twice] {
						if _, err := r.Run(t.Context(), rotation.NativeInput{Step: step, SecretID: "prod/app", ClientRequestToken: own}); err != nil {
							t.Fatalf("%s: %v", step, err)
						}
						if holder := v.labels[rotation.Pending]; holder != own && step != rotation.StepFinish {
							t.Fatalf("after %s, AWSPENDING is on %q", step, holder)
						}
					}
				}
				if v.labels[rotation.Current] != own || s.answers[v.password(own)] != "" || v.made != map[bool]int{false: 1, true: 2}[twice == rotation.StepCreate] {
					t.Errorf("the labels are %v, %d passwords were made", v.labels, v.made)
				}
			})
		}
	}
}

// A native rotation tells nobody how it ends: it has the superuser reset no password,
// whatever the configuration allows.
func TestRotatorResetsNothing(t *testing.T) {
	for name, tc := range map[string]struct{ request, previous string }{
		"single user": {`{"secretId":"prod/app","recoverPassword":true,"username":"app","superuserSecretId":"prod/admin"}`, "app"},
		"a pair":      {`{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"prod/admin"}`, "app_clone"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.pending(own, "")
			v.values[superVersion] = documentOf("admin", "db.example", "super")
			v.values["v-previous"] = documentOf(tc.previous, "db.example", "previous of "+tc.previous)
			s := &server{answers: map[string]fault.Code{"super": "", "previous of app_clone": ""}}
			r := rotation.Rotator{
				Secrets: superuserBeside{v}, NewPassword: v.newPassword, Databases: s, Servers: noServers{},
				Registry: entries{secretARN: tc.request}, Now: atNoon,
			}
			run := func(step string) error {
				_, err := r.Run(t.Context(), rotation.NativeInput{Step: step, SecretID: "prod/app", ClientRequestToken: own})
				return err
			}
			if err := run(rotation.StepCreate); err != nil {
				t.Fatal(err)
			}
			if err := run(rotation.StepSet); !fault.Is(err, fault.LoginRefused) || !strings.Contains(err.Error(), "the superuser reset no password") {
				t.Errorf("got %v", err)
			}
			if !slices.Contains(s.log, "super") || slices.ContainsFunc(s.log, func(sent string) bool { return strings.HasPrefix(sent, "set ") }) {
				t.Errorf("the database was told %q", s.log)
			}
		})
	}
}

// superuserBeside has the superuser's secret, too.
type superuserBeside struct{ *vault }

func (s superuserBeside) Value(ctx context.Context, id string, v rotation.Version) (redact.String, string, error) {
	if id == "prod/admin" {
		v = rotation.Version{ID: superVersion}
	}
	return s.vault.Value(ctx, id, v)
}

// A version that somebody takes AWSPENDING from while it is stored is not rotated on.
func TestRotatorDoesNotTakeAWSPENDINGBack(t *testing.T) {
	v := newVault()
	v.replaces = true
	v.pending(own, "")
	v.onMove = func() { v.labels[rotation.Pending] = "v-other" }
	_, err := rotation.Rotator{Secrets: v, NewPassword: v.newPassword, Databases: &server{}, Now: atNoon}.Run(t.Context(),
		rotation.NativeInput{Step: rotation.StepCreate, SecretID: "prod/app", ClientRequestToken: own})
	if !fault.Is(err, fault.NotPending) || v.labels[rotation.Pending] != "v-other" {
		t.Errorf("got %v, and AWSPENDING is on %s", err, v.labels[rotation.Pending])
	}
}

// Source: AWS Secrets Manager user guide, "Lambda rotation functions".
func TestRotatorRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		in  rotation.NativeInput
		err fault.Code
	}{
		"no token":              {rotation.NativeInput{Step: rotation.StepSet, SecretID: "prod/app"}, fault.InvalidRequest},
		"a version that is not": {rotation.NativeInput{Step: rotation.StepSet, SecretID: "prod/app", ClientRequestToken: "other"}, fault.NotPending},
		"an older version":      {rotation.NativeInput{Step: rotation.StepSet, SecretID: "prod/app", ClientRequestToken: "v-previous"}, fault.NotPending},
		"no such step":          {rotation.NativeInput{Step: "dropSecret", SecretID: "prod/app", ClientRequestToken: own}, fault.InvalidRequest},
		"already AWSCURRENT":    {rotation.NativeInput{Step: rotation.StepSet, SecretID: "prod/app", ClientRequestToken: "v-current"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{}
			v.pending(own, document("pending"))
			_, err := rotation.Rotator{Secrets: v, NewPassword: v.newPassword, Databases: s, Now: atNoon}.Run(t.Context(), tc.in)
			if fault.CodeOf(err) != tc.err {
				t.Errorf("got %v, want %q", err, tc.err)
			}
			if len(s.log) != 0 {
				t.Errorf("the database saw %q", s.log)
			}
		})
	}
}
