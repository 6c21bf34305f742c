package rotation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func set(t *testing.T, v *vault, s *server, plan rotation.Planned) (rotation.SetResult, error) {
	t.Helper()
	return rotation.Set{Secrets: v, Databases: s, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: plan})
}

// Logins are made in the order in which they are likely to succeed, and none
// after one that says all there is to know: refused logins lock accounts.
func TestSetOrderOfLogins(t *testing.T) {
	const refused = fault.LoginRefused
	for name, tc := range map[string]struct {
		answers map[string]fault.Code
		log     []string
		with    string // the label that was accepted
		code    fault.Code
	}{
		"first attempt":    {map[string]fault.Code{"current": ""}, []string{"current", "set app pending", "close"}, rotation.Current, ""},
		"already done":     {map[string]fault.Code{"pending": ""}, []string{"current", "pending", "set app pending", "close"}, rotation.Pending, ""},
		"AWSPREVIOUS":      {map[string]fault.Code{"previous": ""}, []string{"current", "pending", "previous", "set app pending", "close"}, rotation.Previous, ""},
		"an earlier run's": {map[string]fault.Code{"last": ""}, []string{"current", "pending", "previous", "last", "set app pending", "close"}, rotation.Hold("v-last"), ""},
		"one given up":     {map[string]fault.Code{"given up": ""}, []string{"current", "pending", "previous", "last", "given up", "set app pending", "close"}, rotation.GivenUp, ""},
		"none":             {nil, []string{"current", "pending", "previous", "last", "given up"}, "", refused},
		"disabled":         {map[string]fault.Code{"current": fault.AccountDisabled}, []string{"current"}, "", fault.AccountDisabled},
		"expired":          {map[string]fault.Code{"current": fault.PasswordExpired}, []string{"current"}, "", fault.PasswordExpired},
		"disabled, older":  {map[string]fault.Code{"previous": fault.AccountDisabled}, []string{"current", "pending", "previous"}, "", fault.AccountDisabled},
		"unreachable":      {map[string]fault.Code{"current": fault.DatabaseUnreachable}, []string{"current"}, "", fault.DatabaseUnreachable},
		"bad certificate":  {map[string]fault.Code{"current": fault.CertificateRejected}, []string{"current"}, "", fault.CertificateRejected},
		"lost in between":  {map[string]fault.Code{"pending": fault.DatabaseUnavailable}, []string{"current", "pending"}, "", fault.DatabaseUnavailable},
		"lost at the last": {map[string]fault.Code{"previous": fault.DatabaseUnreachable}, []string{"current", "pending", "previous"}, "", fault.DatabaseUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: tc.answers}
			v.values["v-last"], v.labels[rotation.Hold("v-last")] = document("last"), "v-last"
			v.values["v-failed"], v.labels[rotation.GivenUp] = document("given up"), "v-failed"
			plan := planned(v)
			v.stored(document("pending"))
			got, err := set(t, v, s, plan)
			if fault.CodeOf(err) != tc.code || got.LoggedInWith != tc.with {
				t.Errorf("got %+v, %v", got, err)
			}
			if diff := cmp.Diff(tc.log, s.log); diff != "" {
				t.Errorf("the database saw: %s", diff)
			}
			changed := tc.with != "" && tc.with != rotation.Pending
			if (got.ChangedAt != nil) != changed || (changed && !got.ChangedAt.Equal(noon)) {
				t.Errorf("changed at %v", got.ChangedAt)
			}
		})
	}
}

// Where a name is one account, its user changes it, also where there is a superuser, whose
// secret is not read (and would be refused). With keepPrevious nothing is refused
// meanwhile, and there is no time from which on it would be.
func TestSetKeepsPrevious(t *testing.T) {
	for _, keep := range []bool{true, false} {
		v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}, two: true}
		plan := planned(v)
		plan.KeepPrevious, plan.RecoverPassword, plan.SuperuserSecretID = keep, true, "prod/admin"
		v.stored(document("pending"))
		got, err := set(t, v, s, plan)
		if err != nil || (got.ChangedAt == nil) != keep {
			t.Errorf("keepPrevious %t: %+v, %v", keep, got, err)
		}
		if _, accepted := s.answers["current"]; accepted != keep {
			t.Errorf("keepPrevious %t: the server answers %v", keep, s.answers)
		}
	}
	v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
	plan := planned(v)
	plan.KeepPrevious = true
	v.stored(document("pending"))
	if _, err := set(t, v, s, plan); !fault.Is(err, fault.InvalidRequest) {
		t.Errorf("a server that keeps one password: %v", err)
	}
}

// Nothing is tried on a database that the secret does not clearly name.
func TestSetTouchesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*vault, *rotation.Planned)
		code  fault.Code
	}{
		"another user":      {func(v *vault, _ *rotation.Planned) { v.values[own] = documentOf("postgres", "db.example", "pending") }, fault.InvalidSecret},
		"another host":      {func(v *vault, _ *rotation.Planned) { v.values[own] = documentOf("app", "evil.example", "pending") }, fault.InvalidSecret},
		"spoilt":            {func(v *vault, _ *rotation.Planned) { v.values[own] = "pending" }, fault.InvalidSecret},
		"not staged":        {func(v *vault, _ *rotation.Planned) { delete(v.labels, rotation.Pending) }, fault.VersionNotReady},
		"other credentials": {func(v *vault, _ *rotation.Planned) { v.labels[rotation.Current] = "v-previous" }, fault.SecretChanged},
		"window closed": {func(_ *vault, p *rotation.Planned) {
			p.Window = &rotation.Window{OpensAt: noon.Add(-time.Hour), ClosesAt: noon}
		}, fault.WindowClosed},
	} {
		t.Run(name, func(t *testing.T) {
			v, s := newVault(), &server{answers: map[string]fault.Code{"current": ""}}
			plan := planned(v)
			v.stored(document("pending"))
			tc.spoil(v, &plan)
			if _, err := set(t, v, s, plan); fault.CodeOf(err) != tc.code {
				t.Errorf("got %v, want %s", err, tc.code)
			}
			if len(s.log) > 0 {
				t.Errorf("the database saw %q", s.log)
			}
		})
	}
}

// A version that is of another account is refused by the names of its keys: a password
// may stand under any of them.
func TestSameAccountQuotesNothing(t *testing.T) {
	for key, value := range map[string]string{
		"username": documentOf("c4nary", "db.example", "pending"), "host": documentOf("app", "c4nary", "pending"),
		"port":   strings.Replace(document("pending"), "{", `{"port":4242,`, 1),
		"engine": strings.Replace(document("pending"), `"postgres"`, `"mariadb","port":5432`, 1),
	} {
		v, s := newVault(), &server{}
		plan := planned(v)
		v.stored(value)
		_, err := set(t, v, s, plan)
		if !fault.Is(err, fault.InvalidSecret) || !strings.Contains(err.Error(), "another "+key) || len(s.log) > 0 {
			t.Errorf("%s: %v, and the database saw %q", key, err, s.log)
		}
		for _, value := range []string{"c4nary", "4242", "mariadb"} {
			if strings.Contains(err.Error(), value) {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}
