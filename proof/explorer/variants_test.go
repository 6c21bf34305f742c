package explorer

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// wrong is a variant of the steps that breaks a promise, each in its own way, and
// the scopes that have to show it.
type wrong struct {
	name    string
	variant variant
	scopes  string // the beginnings of their names, separated by spaces
}

// in wraps what the function of one state is handed.
func in(state string, wrap func(c api) api) variant {
	return variant{wrap: func(s string, c api) api {
		if s == state {
			return wrap(c)
		}
		return c
	}}
}

// labelsOf reads the labels, or nothing when that fails.
func labelsOf(ctx context.Context, c api) map[string]string {
	m, err := c.Describe(ctx, secretARN)
	if err != nil {
		return nil
	}
	return m.Labels
}

// believes trusts a missing AWSPENDING.
func believes(state string, c api, input json.RawMessage) (json.RawMessage, bool) {
	var in rotation.RestoreInput
	if state != "Restore" || json.Unmarshal(input, &in) != nil || in.Plan.Decision != rotation.Rotate {
		return nil, false
	}
	labels := labelsOf(context.Background(), c)
	if labels == nil || labels[rotation.Pending] == in.Plan.VersionID {
		return nil, false
	}
	return json.RawMessage(`{"outcome":"RestoredCleanly","severity":"warning","error":"x","cause":"x","secret":"x","subject":"x","message":"x",` +
		`"detailType":"x","alert":true,"event":{"outcome":"RestoredCleanly","applications":"unaffected"}}`), true
}

// forcing moves a label whoever has it.
type forcing struct {
	api
	label string
}

func (f forcing) MoveLabel(ctx context.Context, secretID, label, from, to string) (bool, error) {
	if label == f.label && to != "" {
		if labels := labelsOf(ctx, f.api); labels != nil {
			from = labels[label]
		}
	}
	return f.api.MoveLabel(ctx, secretID, label, from, to)
}

// anyServer takes every superuser.
type anyServer struct{ api }

func (anyServer) SameServerOrPrimary(context.Context, string, string) error { return nil }

// rewriting changes what versions other than AWSCURRENT say.
type rewriting struct {
	api
	old, new string
}

func (r rewriting) Value(ctx context.Context, secretID string, v rotation.Version) (redact.String, string, error) {
	text, id, err := r.api.Value(ctx, secretID, v)
	if err == nil && v.Label != rotation.Current {
		text = redact.New(strings.ReplaceAll(text.Reveal(), r.old, r.new))
	}
	return text, id, err
}

// frozen looks at the clock once.
func frozen(state string, now func() time.Time) func() time.Time {
	if state != "SetSecret" {
		return now
	}
	began := now()
	return func() time.Time { return began }
}

// releasing takes a label off before the first login or the first login of another
// kind has proven anything.
type releasing struct {
	api
	labels func(label string) bool
	done   *bool
}

func release(which func(label string) bool) func(c api) api {
	return func(c api) api { return releasing{c, which, new(bool)} }
}

func (r releasing) For(doc secretdoc.Document) (engine.Engine, error) { return engineFor(r, doc) }

func (r releasing) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	if !*r.done {
		*r.done = true
		for label, id := range labelsOf(ctx, r.api) {
			if r.labels(label) {
				_, _ = r.api.MoveLabel(ctx, secretARN, label, id, "")
			}
		}
	}
	return r.api.Connect(ctx, doc)
}

// engineFor finds the engine as engine.Table does, and it is c.
func engineFor(c engine.Engine, doc secretdoc.Document) (engine.Engine, error) {
	return engine.Table{"postgres": c}.For(doc)
}

// sparing does not set a password that has just logged in.
type sparing struct{ api }

func (s sparing) For(doc secretdoc.Document) (engine.Engine, error) { return engineFor(s, doc) }

func (s sparing) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	session, err := s.api.Connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	return sparingSession{session, doc}, nil
}

func (sparing) Sleep(context.Context, time.Duration) error { return nil }

type sparingSession struct {
	engine.Session
	doc secretdoc.Document
}

func (s sparingSession) SetPassword(ctx context.Context, user string, password redact.String) error {
	if user == s.doc.Username && password.Equal(s.doc.Password) {
		return nil
	}
	return s.Session.SetPassword(ctx, user, password)
}

// oneLabel stores every version under the same label.
type oneLabel struct{ api }

func (o oneLabel) PutVersion(ctx context.Context, secretID, versionID, _ string, value redact.String) error {
	return o.api.PutVersion(ctx, secretID, versionID, "TUMBLER", value)
}

// lenient takes an account that may not log in for one with a wrong password.
type lenient struct{ api }

func (l lenient) For(doc secretdoc.Document) (engine.Engine, error) { return engineFor(l, doc) }

func (l lenient) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	session, err := l.api.Connect(ctx, doc)
	if fault.Is(err, fault.AccountDisabled) {
		err = fault.New(fault.LoginRefused, "", "")
	}
	return session, err
}

// trusting takes a change for proven.
type trusting struct {
	api
	changed *bool
}

func (t trusting) For(doc secretdoc.Document) (engine.Engine, error) { return engineFor(t, doc) }

func (t trusting) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	if *t.changed {
		return trustingSession{nil, t.changed}, nil
	}
	session, err := t.api.Connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	return trustingSession{session, t.changed}, nil
}

type trustingSession struct {
	engine.Session
	changed *bool
}

func (s trustingSession) SetPassword(ctx context.Context, user string, password redact.String) error {
	err := s.Session.SetPassword(ctx, user, password)
	*s.changed = err == nil
	return err
}

func (trustingSession) Close() {}

// recovers lets the superuser help whether that is configured or not.
func recovers(_ string, input json.RawMessage) json.RawMessage {
	return bytes.Replace(input, []byte(`"plan":{`), []byte(`"plan":{"recoverPassword":true,`), 1)
}

// defined is the definition with a change.
func defined(t *testing.T, change func(states map[string]map[string]any)) variant {
	t.Helper()
	var all map[string]json.RawMessage
	var states map[string]map[string]any
	if err := json.Unmarshal(statemachine.Rotation, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all["States"], &states); err != nil {
		t.Fatal(err)
	}
	change(states)
	all["States"], _ = json.Marshal(states)
	text, _ := json.Marshal(all)
	m, err := asl.Load(text, substitutions())
	if err != nil {
		t.Fatal(err)
	}
	return variant{machine: m}
}

func own(label string) bool { return strings.HasPrefix(label, "TUMBLER-") }

// variants are what the search has to find out.
func variants(t *testing.T) []wrong {
	t.Helper()
	return []wrong{
		{"Restore trusts a missing AWSPENDING", variant{instead: believes}, "single/person"},
		{"Restore drops its labels before it asks the database", in("Restore", release(func(l string) bool { return l == rotation.Pending || own(l) })), "single/faults"},
		{"Restore does not wait for what may come late, nor set the password behind it", in("Restore", func(c api) api { return sparing{c} }), "single/faults"},
		{"Restore takes the change for the proof", in("Restore", func(c api) api { return trusting{c, new(bool)} }), "single/faults"},
		{"Finish moves AWSCURRENT whichever version has it", in("FinishSecret", func(c api) api { return forcing{c, rotation.Current} }), "single/person"},
		{"AWSPENDING is claimed without compare-and-swap", in("CreateSecret", func(c api) api { return forcing{c, rotation.Pending} }), "single/two"},
		{"every version is stored under one label", in("CreateSecret", func(c api) api { return oneLabel{c} }), "single/two"},
		{"the label of one's own goes when the new password has logged in", in("TestSecret", release(own)), "single/person"},
		{"a superuser of another host is taken", variant{wrap: func(_ string, c api) api { return anyServer{c} }}, "hostile/elsewhere"},
		{"the port of a version is not compared", in("CreateSecret", func(c api) api { return rewriting{c, `"port":5433`, `"port":5432`} }), "leftover/other-port"},
		{"older versions prove any account", variant{wrap: func(_ string, c api) api { return rewriting{c, `"username":"app"`, `"username":"victim"`} }}, "hostile/recover"},
		{"the superuser helps without recoverPassword", variant{input: recovers}, "single/lost"},
		{"an account that may not log in counts as a wrong password", variant{wrap: func(_ string, c api) api { return lenient{c} }}, "recover/disabled"},
		{"SetSecret looks at the clock at its beginning only", variant{now: frozen}, "pair/window"},
		{"the definition forgets that SetSecret was entered", defined(t, func(states map[string]map[string]any) { states["Ready"]["ResultPath"] = nil }), "single/faults"},
		{"the definition finishes when the test fails", defined(t, func(states map[string]map[string]any) {
			states["TestSecret"]["Catch"] = []any{map[string]any{"ErrorEquals": []any{"States.ALL"}, "ResultPath": "$.failure", "Next": "FinishSecret"}}
		}), "single/person"},
		{"the definition tries the function again without CreateSecret", defined(t, func(states map[string]map[string]any) { states["PauseForFunction"]["Next"] = "SetSecretByFunction" }), "function/window"},
	}
}

// A search that finds nothing proves nothing: deliberately wrong variants have to be
// found out, and by what they do, not because anything else is found.
func TestWrongVariants(t *testing.T) {
	for _, v := range variants(t) {
		t.Run(v.name, func(t *testing.T) {
			for _, sc := range scopes() {
				if sc.name != v.scopes {
					continue
				}
				r := search(sc, newOracle(v.variant), func(r *report) bool { return len(r.findings) > 0 })
				if len(r.findings) > 0 {
					f := r.findings[0]
					t.Logf("found after %d steps: promise %s: %s (-scope %s -replay %s)", r.steps, f.promise, f.detail, sc.name, f.schedule)
					return
				}
			}
			t.Error("not found")
		})
	}
}
