package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

const rotationMachine = "arn:aws:states:us-east-1:123456789012:stateMachine:tumbler-rotation"

// readable is a vault that cannot be written to.
type readable struct{ *vault }

func (readable) CreatedAt(context.Context, string, string) (time.Time, error) {
	return noon.Add(-time.Hour), nil
}

// noServers has no opinion about servers.
type noServers struct{}

func (noServers) ManagedBy(context.Context, map[string]string) (string, int, error) {
	return "", 0, errors.New("not asked in these tests")
}
func (noServers) SameServerOrPrimary(context.Context, string, string) error { return nil }
func (noServers) Alternates(context.Context, string, string) error          { return nil }

// proxies is the proxy that every host is.
type proxies struct{ proxy *rotation.Proxy }

func (p proxies) Proxy(context.Context, string, string) (*rotation.Proxy, error) { return p.proxy, nil }

func newPreflight(v *vault, s *server) rotation.Preflight {
	return rotation.Preflight{
		Secrets: readable{v}, Executions: running(nil), Databases: s, Servers: noServers{}, Proxies: proxies{},
		Region: "us-east-1", StateMachineARN: rotationMachine, Now: atNoon,
	}
}

func fly(t *testing.T, p rotation.Preflight, request string) rotation.PreflightResult {
	t.Helper()
	result, err := p.Run(t.Context(), rotation.PreflightInput{Request: json.RawMessage(request)})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func checkOf(t *testing.T, result rotation.PreflightResult, name string) rotation.Check {
	t.Helper()
	for _, c := range result.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q", name)
	return rotation.Check{}
}

// An engine that cannot tell is said not to be checked, and is no obstacle.
func TestPreflightOfAnEngineThatCannotTell(t *testing.T) {
	s := &server{answers: map[string]fault.Code{"current": ""}}
	result := fly(t, newPreflight(newVault(), s), `{"secretId":"prod/app"}`)
	got := checkOf(t, result, "privileges")
	if got.OK || !got.Skipped || !strings.Contains(got.Message, "not checked") {
		t.Errorf("got %+v", got)
	}
	if !result.WouldRotate || result.Summary != "Would rotate, as far as it can be told: 1 of 15 checks were not made." {
		t.Errorf("got %t, %q", result.WouldRotate, result.Summary)
	}
	if fmt.Sprint(s.log) != "[current close]" {
		t.Errorf("the database saw %q", s.log)
	}
}

// What an existing function does only that function knows.
func TestPreflightOfARotationFunction(t *testing.T) {
	p := newPreflight(newVault(), &server{})
	p.Functions = []string{"arn:f"}
	result := fly(t, p, `{"secretId":"prod/app","rotationFunction":"arn:f"}`)
	for _, name := range []string{"network", "TLS", "login", "superuser", "privileges"} {
		if got := checkOf(t, result, name); !got.Skipped || !strings.Contains(got.Message, "rotation function") {
			t.Errorf("got %+v", got)
		}
	}
	if !result.WouldRotate {
		t.Errorf("got %+v", result)
	}
}

// One connection answers three questions.
func TestPreflightTellsNetworkTLSAndLoginApart(t *testing.T) {
	for code, want := range map[fault.Code]string{
		fault.DatabaseUnreachable: "network", fault.Throttled: "network", fault.AccessDenied: "network", fault.InvalidSecret: "network",
		fault.CertificateRejected: "TLS", fault.TLSUnavailable: "TLS",
		fault.LoginRefused: "login", fault.DatabaseUnavailable: "login", fault.PrivilegeMissing: "login", fault.DatabaseError: "login",
	} {
		s := &server{answers: map[string]fault.Code{"current": code}}
		result := fly(t, newPreflight(newVault(), s), `{"secretId":"prod/app"}`)
		failed := 0
		for _, c := range result.Checks {
			if !c.OK && !c.Skipped {
				failed++
			}
		}
		if got := checkOf(t, result, want); failed != 1 || got.Code != code || result.WouldRotate {
			t.Errorf("%s: got %+v", code, result.Checks)
		}
		if got := checkOf(t, result, "privileges"); !got.Skipped || !strings.Contains(got.Message, "needs what login is about") {
			t.Errorf("%s: got %+v", code, got)
		}
		if code != fault.LoginRefused && len(s.log) != 1 {
			t.Errorf("%s: the database saw %q", code, s.log)
		}
	}
}

// A password that is lost is the superuser's to reset, if that is wanted.
func TestPreflightOfALostPassword(t *testing.T) {
	v := newVault()
	v.values[superVersion] = documentOf("admin", "db.example", "super")
	p := newPreflight(v, &server{answers: map[string]fault.Code{"super": ""}})
	p.Secrets = superVault{readable{v}}
	const request = `{"secretId":"prod/app","superuserSecretId":"prod/admin","recoverPassword":true}`
	result := fly(t, p, request)
	if got := checkOf(t, result, "login"); !got.OK || !strings.Contains(got.Message, "the superuser would reset it") || got.Hint == "" {
		t.Errorf("got %+v", got)
	}
	if !result.WouldRotate {
		t.Errorf("got %+v", result)
	}
	p.Databases = &server{}
	if got := checkOf(t, fly(t, p, request), "superuser"); got.OK || got.Code != fault.SuperuserInvalid {
		t.Errorf("got %+v", got)
	}
	// While AWSCURRENT logs in, a superuser that does not is worth a word.
	p.Databases = &server{answers: map[string]fault.Code{"current": ""}}
	if got := checkOf(t, fly(t, p, request), "superuser"); !got.OK || !strings.Contains(got.Message, "useless") {
		t.Errorf("got %+v", got)
	}
}

// superVault has the superuser's secret, too.
type superVault struct{ readable }

func (s superVault) Value(ctx context.Context, id string, v rotation.Version) (value redact.String, version string, err error) {
	if id == "prod/admin" {
		v = rotation.Version{ID: superVersion}
	}
	return s.readable.Value(ctx, id, v)
}

func TestPreflightOfProxies(t *testing.T) {
	p := newPreflight(newVault(), &server{answers: map[string]fault.Code{"current": ""}})
	p.Proxies = proxies{&rotation.Proxy{Name: "shop", Database: "db:5432", Registered: true}}
	if got := checkOf(t, fly(t, p, `{"secretId":"prod/app"}`), "proxy"); !got.OK || !strings.Contains(got.Message, "db:5432 behind it") || got.Hint != "" {
		t.Errorf("got %+v", got)
	}
	p.Proxies = proxies{&rotation.Proxy{Name: "shop", Database: "db:5432"}}
	if got := checkOf(t, fly(t, p, `{"secretId":"prod/app"}`), "proxy"); !got.OK || !strings.Contains(got.Hint, "not registered") {
		t.Errorf("got %+v", got)
	}
}

// Whatever is asked of it, it answers, and writes nothing.
func TestPreflightAnswersEverything(t *testing.T) {
	codes := append(fault.Codes(), "")
	rapid.Check(t, func(rt *rapid.T) {
		v := newVault()
		if rapid.Bool().Draw(rt, "pending") {
			v.pending("v-pending", rapid.SampledFrom([]string{"", "{", document("pending"), documentOf("other", "db", "p")}).Draw(rt, "value"))
		}
		for _, operation := range []string{"Describe", "Value"} {
			if rapid.IntRange(0, 9).Draw(rt, operation) == 0 {
				v.fails[operation] = errors.New("c4nary")
			}
		}
		s := &server{answers: map[string]fault.Code{}}
		for _, password := range []string{"current", "pending", "previous"} {
			s.answers[password] = rapid.SampledFrom(codes).Draw(rt, password)
		}
		p := newPreflight(v, s)
		p.Executions = running(rapid.SampledFrom([][]string{nil, {otherExecution}}).Draw(rt, "running"))
		request := rapid.SampledFrom([]string{
			`{"secretId":"prod/app"}`, `{"secretId":"prod/app","strategy":"alternating-users"}`, `{}`, `[]`, `{"secretId":"prod/app","schedule":{"expression":"rate(4 hours)"}}`,
		}).Draw(rt, "request")
		labels := fmt.Sprint(v.labels)
		result, err := p.Run(t.Context(), rotation.PreflightInput{Request: json.RawMessage(request)})
		if err != nil || len(result.Checks) != 15 || result.Summary == "" {
			rt.Fatalf("got %+v, %v", result, err)
		}
		raw, err := json.Marshal(result)
		if err != nil || strings.Contains(string(raw), "c4nary") || strings.Contains(strings.Join(s.log, " "), "set ") {
			rt.Fatalf("got %s, %q", raw, s.log)
		}
		if fmt.Sprint(v.labels) != labels || v.made != 0 {
			rt.Fatal("it wrote")
		}
		for _, c := range result.Checks {
			if c.Message == "" || c.OK && (c.Skipped || c.Code != "") || !c.OK && !c.Skipped && (c.Code == "" || result.WouldRotate) {
				rt.Fatalf("got %+v", c)
			}
		}
	})
}

// Issue 11, case 5: preflight makes what CreateSecret would store, by the same code.
func TestPreflightMakesTheNextVersion(t *testing.T) {
	document := func(more string) string {
		return strings.Replace(document("current"), "{", "{"+more+",", 1)
	}
	filled := func(bytes int) string { // a document of this length
		rest := bytes - len(document(`"note":""`))
		return document(`"note":"` + strings.Repeat("n", rest) + `"`)
	}
	for name, tc := range map[string]struct {
		value, request string
		says           string // of the error; "" if it would rotate
		hint           string
	}{
		"just short enough":     {filled(65536 - 2*32 + len("current")), `{"secretId":"prod/app"}`, "", ""},
		"depends on characters": {filled(65536 - 32 + len("current")), `{"secretId":"prod/app","password":{"excludeCharacters":""}}`, "", "depends on the new password"},
		"too long":              {filled(65536), `{"secretId":"prod/app"}`, "65,536 bytes", ""},
		"too long with _clone":  {filled(65536 - 2*32 + len("current") - len("_clone") + 1 + 32), `{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"prod/admin"}`, "65,536 bytes", ""},
		"another password in alsoUpdate": {
			document(`"url":"postgres://app:other@db.example/x"`), `{"secretId":"prod/app","alsoUpdate":["url"]}`, "does not hold the user and the password", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.values["v-current"] = tc.value
			s := &server{answers: map[string]fault.Code{"current": ""}}
			got := checkOf(t, fly(t, newPreflight(v, s), tc.request), "password policy")
			if got.OK != (tc.says == "") || !strings.Contains(got.Message, tc.says) || !strings.Contains(got.Hint, tc.hint) || (tc.hint == "" && got.OK && got.Hint != "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Versions that prove whose account it is are forgotten in time; a name in the
// configuration is not.
func TestPreflightAdvisesToNameTheUser(t *testing.T) {
	for request, advised := range map[string]bool{
		`{"secretId":"prod/app","recoverPassword":true}`:                  true,
		`{"secretId":"prod/app","recoverPassword":true,"username":"app"}`: false,
		`{"secretId":"prod/app"}`:                                         false,
	} {
		result := fly(t, newPreflight(newVault(), &server{answers: map[string]fault.Code{"current": ""}}), request)
		if hint := checkOf(t, result, "credentials").Hint; strings.Contains(hint, "rotations.yaml") != advised {
			t.Errorf("%s: %q", request, hint)
		}
	}
}
