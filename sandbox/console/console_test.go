package console_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/console"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

// world is a sandbox with a console, and what an application's login answers.
type world struct {
	*testing.T
	url    string
	secret string // its first password
	bodies []string
}

func newWorld(t *testing.T, login func(context.Context) error) *world {
	t.Helper()
	db := dbtest.Postgres(t)
	page := &console.Console{}
	box, err := sandbox.Start(t.Context(), sandbox.Config{Engines: all.Engines, Pages: page.Pages(), OnAlert: page.Alert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	name, value := "prod/app", db.Document(nil).Encode().Reveal()
	if _, err := secretsmanager.NewFromConfig(box.AWS("test")).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		page.Run(ctx, console.Config{
			AWS: box.AWS("console"), StateMachineARN: box.StateMachineARN, SecretID: name, Intercept: box.Intercept, Login: login, Interval: 15 * time.Millisecond,
		})
	}()
	t.Cleanup(func() { stop(); <-ended })
	return &world{T: t, url: box.URL, secret: db.Password.Reveal()}
}

// call returns the status and the body.
func (w *world) call(method, path string, header bool) (int, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	if header {
		r.Header.Set("X-Tumbler-Console", "1")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	w.bodies = append(w.bodies, string(body))
	return answer.StatusCode, string(body)
}

// until looks until the page would show what is wanted.
func (w *world) until(what string, is func(console.State) bool) console.State {
	w.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, body := w.call(http.MethodGet, console.Path+"/state", false)
		var state console.State
		if err := json.Unmarshal([]byte(body), &state); err != nil {
			w.Fatal(err)
		}
		if is(state) {
			return state
		}
		if time.Now().After(deadline) {
			w.Fatalf("never %s: %+v", what, state)
		}
	}
}

// The page shows a rotation, its failure and its repair, and what applications see of it;
// and never a value.
func TestConsole(t *testing.T) {
	logins := 0
	w := newWorld(t, func(context.Context) error {
		if logins++; logins%3 == 0 {
			return fault.New(fault.LoginRefused, "no", "")
		}
		return nil
	})
	before := w.until("a label", func(s console.State) bool { return s.Labels[rotation.Current] != "" })
	if before.Secret != "prod/app" || before.Execution != "" || len(before.Faults) < 3 {
		t.Errorf("%+v", before)
	}
	if code, body := w.call(http.MethodPost, console.Path+"/rotate", true); code != http.StatusOK {
		t.Fatal(code, body)
	}
	rotated := w.until("rotated", func(s console.State) bool {
		return s.Ending == "Rotated" && s.Labels[rotation.Current] != before.Labels[rotation.Current] && s.Labels[rotation.Pending] == ""
	})
	for _, state := range []string{"Plan", "CreateSecret", "ReadyToTest", "SetSecret", "TestSecret", "FinishSecret", "Announce"} {
		if rotated.Steps[state].Status != "done" {
			t.Errorf("%s is %+v", state, rotated.Steps[state])
		}
	}
	w.until("refused and accepted logins", func(s console.State) bool {
		return len(s.Logins) > 0 && s.Logins[len(s.Logins)-1].Accepted > 0 && s.Logins[len(s.Logins)-1].Refused > 0
	})

	const denied = "FinishSecret may not move AWSCURRENT"
	for range 2 { // a fault stays until it is switched off
		w.call(http.MethodPost, console.Path+"/fault?name="+url.QueryEscape(denied), true)
		last := w.until("switched on", func(s console.State) bool { return s.Fault == denied }).Execution
		w.call(http.MethodPost, console.Path+"/rotate", true)
		failed := w.until("restored", func(s console.State) bool { return s.Execution != last && s.Ending == "RestoredCleanly" })
		if failed.Steps["FinishSecret"].Status != "failed" || failed.Steps["FinishSecret"].Note != "AccessDenied" || !strings.HasPrefix(failed.Why, "AccessDenied: ") {
			t.Errorf("%+v", failed)
		}
		if failed.Labels[rotation.Current] != rotated.Labels[rotation.Current] {
			t.Errorf("labels %v", failed.Labels)
		}
		w.until("an alert", func(s console.State) bool {
			return len(s.Alerts) > 0 && strings.Contains(s.Alerts[0].Subject, "prod/app")
		})
	}
	w.call(http.MethodPost, console.Path+"/fault?name=", true)
	w.until("switched off", func(s console.State) bool { return s.Fault == "" })

	for _, body := range w.bodies {
		if strings.Contains(body, w.secret) || strings.Contains(body, `"password`) {
			t.Fatalf("a value was shown: %s", body)
		}
	}
}

// Another site's page can neither press the buttons nor show the console in a frame.
func TestButtonsAreTheConsolesOwn(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/rotate", "/fault?name="} {
		for _, tc := range []struct {
			method string
			header bool
		}{{http.MethodGet, true}, {http.MethodPost, false}, {http.MethodHead, true}} {
			if code, _ := w.call(tc.method, console.Path+path, tc.header); code != http.StatusForbidden {
				t.Errorf("%s %s, header %t: %d", tc.method, path, tc.header, code)
			}
		}
	}
	if code, body := w.call(http.MethodPost, console.Path+"/fault?name=none+such", true); code != http.StatusBadRequest || !strings.Contains(body, "no such fault") {
		t.Error(code, body)
	}
	if s := w.until("up", func(s console.State) bool { return s.Secret != "" }); s.Execution != "" {
		t.Errorf("%s was started", s.Execution)
	}
}

// Whoever is early is told so.
func TestBeforeItIsUp(t *testing.T) {
	page := &console.Console{}
	for path, handler := range page.Pages() {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.Header.Set("X-Tumbler-Console", "1")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		want := http.StatusOK
		if strings.HasSuffix(path, "/rotate") || strings.HasSuffix(path, "/fault") {
			want = http.StatusBadRequest
		}
		if answer.Code != want {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

// The page asks nobody but the sandbox, and builds nothing from text that it is told.
func TestPage(t *testing.T) {
	w := newWorld(t, nil)
	code, page := w.call(http.MethodGet, console.Path, false)
	if found := regexp.MustCompile(`https?://(www\.)?[a-z0-9.]+[^"]*`).FindAllString(page, -1); code != http.StatusOK || len(found) != 1 || found[0] != "http://www.w3.org/2000/svg" {
		t.Errorf("%d: the page names %q", code, found)
	}
	for _, never := range []string{"innerHTML", "eval(", "src=", "insertAdjacent", "document.write"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %s", never)
		}
	}
	answer, err := http.Get(w.url + console.Path)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q", policy)
	}
}
