package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// What a secret had better say, and what the rotation leaves old in it, stands in the
// event, in preflight, and in an alert that is sent anyway. No value does.
func TestEventTellsWhatToCorrect(t *testing.T) {
	authority := certs.New("an authority")
	for name, tc := range map[string]struct {
		server []dbtest.Option
		ssl    any // nil: absent
		says   string
	}{
		"TLS":            {[]dbtest.Option{dbtest.TLS(authority.Server("127.0.0.1"))}, nil, `Set "ssl" to true`},
		"TLS, ssl true":  {[]dbtest.Option{dbtest.TLS(authority.Server("127.0.0.1"))}, true, ""},
		"none":           {nil, nil, `set "ssl" to false`},
		"none, and said": {nil, false, ""},
	} {
		for _, request := range []string{plainRequest, alternating} {
			t.Run(name+" "+request, func(t *testing.T) {
				w := newWorldWithoutSecret(t, engine.Table{"postgres": postgres.Engine{Roots: authority.Pool()}}, tc.server...)
				w.createPair(func(keys map[string]any) {
					if tc.ssl != nil {
						keys["ssl"] = tc.ssl
					}
					keys["url"] = "postgres://" + w.db.User + ":" + w.db.Password.Reveal() + "@db/shop"
					keys["note"] = "nothing"
				})
				result := w.preflight(request)
				if hint := verdict(t, result, "TLS").Hint; !strings.Contains(hint, tc.says) || tc.says == "" && strings.Contains(hint, "Set ") {
					t.Errorf("preflight says %q", hint)
				}
				if hint := verdict(t, result, "credentials").Hint; !strings.Contains(hint, `"url"`) || strings.Contains(hint, "AWSPREVIOUS") {
					t.Errorf("preflight says %q", hint)
				}
				if e := w.rotate(request); e.State != "Rotated" {
					t.Fatalf("%s %s %s", e.State, e.Error, e.Cause)
				}
				event := w.lastEvent()
				if advice := strings.Join(event.Advice, ""); !strings.Contains(advice, tc.says) || (advice == "") != (tc.says == "") {
					t.Errorf("the event advises %q", advice)
				}
				if !slices.Equal(event.StaleKeys, []string{"url"}) {
					t.Errorf("the event names %q", event.StaleKeys)
				}
			})
		}
	}
}

// A secret that moves to another server may have been moved by a thief: preflight says
// so, and the one rotation that goes there tells people, however it ends.
func TestHostThatChangedIsTold(t *testing.T) {
	w := newPreflightWorld(t, nil)
	keys := goodKeys(w)
	keys["host"] = "db.invalid"
	w.createSecret(encode(w, keys))
	w.put(encode(w, goodKeys(w)))
	if hint := verdict(t, w.preflight(plainRequest), "credentials").Hint; !strings.Contains(hint, "AWSPREVIOUS names another host") {
		t.Errorf("preflight says %q", hint)
	}
	for _, first := range []bool{true, false} {
		if e := w.rotate(plainRequest); e.State != "Rotated" {
			t.Fatalf("%s %s %s", e.State, e.Error, e.Cause)
		}
		says(t, w.messages(1)[0], "rotated, on another host than before", "warning", "AWSPREVIOUS names another host")
		advice := strings.Join(w.lastEvent().Advice, "")
		if strings.Contains(advice, "AWSPREVIOUS names another host") != first {
			t.Errorf("the event advises %q", advice)
		}
	}
	w.put("no document")
	w.put(encode(w, goodKeys(w)))
	if hint := verdict(t, w.preflight(plainRequest), "credentials").Hint; hint != "" {
		t.Errorf("preflight says %q", hint)
	}
}
