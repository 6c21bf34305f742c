package sandbox_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

const plainRequest = `{"secretId":"prod/app"}`

// badInput is something that a person got wrong, or a database that does not
// play along, and what has to come of it.
type badInput struct {
	server  []dbtest.Option
	keys    func(w *world, keys map[string]any) // changes the secret
	value   func(w *world) string               // stores this instead; "" for a secret without a value
	spoil   func(w *world)                      // changes something else before the rotation
	request string                              // default: a good one

	ending, err string
	says        []string // field, value and remedy, in the cause
	repair      func(w *world)
}

// goodKeys returns the secret as it should be.
func goodKeys(w *world) map[string]any {
	return map[string]any{
		"engine": "postgres", "host": w.db.Host, "port": w.db.Port, "dbname": w.db.Name,
		"username": w.db.User, "password": w.db.Password.Reveal(),
	}
}

func encode(w *world, keys map[string]any) string {
	w.Helper()
	raw, err := json.Marshal(keys)
	w.check(err)
	return string(raw)
}

func set(key string, value any) func(*world, map[string]any) {
	return func(_ *world, keys map[string]any) { keys[key] = value }
}

// correctSecret is what a person does about a wrong secret.
func correctSecret(change func(keys map[string]any)) func(*world) {
	return func(w *world) {
		keys := goodKeys(w)
		if change != nil {
			change(keys)
		}
		w.put(encode(w, keys))
	}
}

func badSecrets() map[string]badInput {
	correct := correctSecret(nil)
	invalid := func(change func(*world, map[string]any), says ...string) badInput {
		return badInput{keys: change, ending: "Refused", err: "InvalidSecret", says: says, repair: correct}
	}
	return map[string]badInput{
		"not JSON": {
			value:  func(w *world) string { return w.db.User + ":" + w.db.Password.Reveal() },
			ending: "Refused", err: "InvalidSecret", says: []string{"not a JSON object", `Store one JSON object such as {"engine"`}, repair: correct,
		},
		"broken JSON": {
			value:  func(w *world) string { return `{"password":"` + w.db.Password.Reveal() + `",}` },
			ending: "Refused", err: "InvalidSecret", says: []string{"not valid JSON at byte", "Store one JSON object"}, repair: correct,
		},
		"no host":      invalid(func(_ *world, keys map[string]any) { delete(keys, "host") }, `key "host" is missing`, `Add "host"`),
		"key in caps":  invalid(func(_ *world, keys map[string]any) { keys["Username"] = keys["username"]; delete(keys, "username") }, `key "username" is missing`, `there is a "Username"`),
		"port a word":  invalid(set("port", "default"), `key "port" is a string that is no port`, "1 to 65535", "Correct the port"),
		"port a flag":  invalid(set("port", true), `key "port" is a boolean`, "Correct the port"),
		"port zero":    invalid(set("port", 0), `key "port" is a number that is no port`, "Correct the port"),
		"user a digit": invalid(set("username", 7), `key "username" is a number`, "double quotes"),
		"ssl a word":   invalid(set("ssl", "yes"), `key "ssl" is a string that says neither true nor false`, "leave the key out"),
		"odd engine":   invalid(set("engine", "postgress"), `key "engine" is none that Tumbler knows`, "Use one of", "aurora-postgresql"),
		"host a URL":   invalid(set("host", "jdbc:postgresql://127.0.0.1/postgres"), `key "host" is a URL`, "the name or the address alone"),
		"host a line":  invalid(set("host", "127.0.0.1\n"), `key "host" has white space`, "both ends"),
		"host in []":   invalid(set("host", "[::1]"), `key "host" has brackets`, "without brackets"),
		"host, port":   invalid(set("host", "127.0.0.1:5432"), `key "host" has a port`, "into the key port"),
		"no value": {
			value:  func(*world) string { return "" },
			ending: "Refused", err: "SecretNotFound", says: []string{"prod/app", "AWSCURRENT", "put-secret-value"}, repair: correct,
		},
		"no such secret": {
			request: `{"secretId":"prod/ap"}`,
			ending:  "Refused", err: "AccessDenied", says: []string{"prod/ap", "Check the name"},
		},
		"scheduled for deletion": {
			spoil: func(w *world) {
				_, err := w.secrets.DeleteSecret(w.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(secretID)})
				w.check(err)
			},
			ending: "Refused", err: "SecretDeleted", says: []string{"prod/app", "restore-secret"},
			repair: func(w *world) {
				_, err := w.secrets.RestoreSecret(w.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String(secretID)})
				w.check(err)
			},
		},
	}
}

func badRequests() map[string]badInput {
	refused := func(request string, says ...string) badInput {
		return badInput{request: request, ending: "Refused", err: "InvalidRequest", says: says}
	}
	return map[string]badInput{
		"without secretId":     refused(`{}`, "field secretId is missing", "name or ARN"),
		"unknown strategy":     refused(`{"secretId":"prod/app","strategy":"all-users"}`, "field strategy", `"all-users"`, "single-user"),
		"unknown field":        refused(`{"secretId":"prod/app","superuser":"x"}`, "field superuser is not known", "secretId, trigger"),
		"secretId a list":      refused(`{"secretId":["prod/app"]}`, "field secretId is a array", "secretId, trigger"),
		"request a list":       refused(`["prod/app"]`, "request", "array"),
		"a time that is a day": refused(`{"secretId":"prod/app","window":{"opensAt":"2026-01-31"}}`, `field window.opensAt is "2026-01-31"`, "2026-01-31T02:00:00Z"),
		"a time that is a sum": refused(`{"secretId":"prod/app","trigger":{"scheduledAt":1769824800}}`, "field trigger.scheduledAt is 1769824800", "2026-01-31T02:00:00Z"),
	}
}

func badDatabases(silent int) map[string]badInput {
	foreign := func() dbtest.Option { return dbtest.TLS(certs.New("another CA").Server("127.0.0.1")) }
	withoutTLS := correctSecret(func(keys map[string]any) { keys["ssl"] = false })
	return map[string]badInput{
		"refuses connections": {
			keys:   func(w *world, keys map[string]any) { keys["port"] = closedPort(w.T) },
			ending: "Refused", err: "DatabaseUnreachable", says: []string{"127.0.0.1:", "refuses connections on this port", `Check "port" in the secret`},
			repair: correctSecret(nil),
		},
		"does not answer": {
			keys:   set("port", silent),
			ending: "NeedsAttention", err: "DatabaseUnreachable", says: []string{"127.0.0.1:", "no answer within", `"host" and "port"`},
			repair: correctSecret(nil),
		},
		"does not exist": {
			keys:   set("host", "db.invalid"), // RFC 6761: never resolves
			ending: "Refused", err: "DatabaseUnreachable", says: []string{"db.invalid", "host name"},
			repair: correctSecret(nil),
		},
		"another certificate": {
			server: []dbtest.Option{foreign()},
			ending: "NeedsAttention", err: "CertificateRejected", says: []string{"127.0.0.1:", "authority", "find out who answers"},
			repair: withoutTLS,
		},
		"another certificate, ssl true": {
			server: []dbtest.Option{foreign()}, keys: set("ssl", true),
			ending: "NeedsAttention", err: "CertificateRejected", says: []string{"127.0.0.1:", "authority", "find out who answers"},
			repair: withoutTLS,
		},
		"no TLS, ssl true": {
			keys:   set("ssl", true),
			ending: "NeedsAttention", err: "TLSUnavailable", says: []string{"127.0.0.1:", "has no TLS", `set it to false`},
			repair: correctSecret(nil),
		},
		"refuses the login": {
			keys:   set("password", "somebody-changed-it-since"),
			spoil:  func(w *world) { w.canaries = append(w.canaries, "somebody-changed-it-since") },
			ending: "NeedsAttention", err: "LoginRefused", says: []string{"refuses user", "AWSCURRENT", "Store the password that the database accepts"},
			repair: correctSecret(nil),
		},
		"no such database": {
			keys:   set("dbname", "elsewhere"),
			ending: "NeedsAttention", err: "DatabaseError", says: []string{`database "elsewhere"`, `Correct "dbname" in the secret`},
			repair: correctSecret(nil),
		},
	}
}

// severityOf is what people filter their subscriptions by.
var severityOf = map[string]string{"Refused": "warning", "RestoredCleanly": "warning", "NeedsAttention": "critical"}

func TestBadInput(t *testing.T) {
	silent := silentPort(t)
	for kind, table := range map[string]map[string]badInput{
		"secret": badSecrets(), "request": badRequests(), "database": badDatabases(silent),
	} {
		for name, tc := range table {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				tc.check(newWorldWithoutSecret(t, engine.Table{"postgres": impatient{all.Engines["postgres"], silent}}, tc.server...))
			})
		}
	}
}

// check rotates, looks at what came of it, and rotates again once the cause is
// gone.
func (tc badInput) check(w *world) {
	keys := goodKeys(w)
	if tc.keys != nil {
		tc.keys(w, keys)
	}
	value := encode(w, keys)
	if tc.value != nil {
		value = tc.value(w)
	}
	if value == "" {
		w.createEmptySecret()
	} else {
		w.createSecret(value)
	}
	if tc.spoil != nil {
		tc.spoil(w)
	}
	if tc.request == "" {
		tc.request = plainRequest
	}
	labels := w.labels()

	e := w.rotate(tc.request)
	if e.State != tc.ending || e.Error != tc.err {
		w.Fatalf("ended in %s with %s (%s), want %s with %s", e.State, e.Error, e.Cause, tc.ending, tc.err)
	}
	for _, says := range tc.says {
		if !strings.Contains(plain(e.Cause), says) {
			w.Errorf("the cause does not say %q: %s", says, e.Cause)
		}
	}
	w.nothingChanged(labels, value, tc.ending == "NeedsAttention")
	tc.checkAlert(w)

	if tc.repair != nil {
		tc.repair(w)
	}
	w.rotated()
	w.noPending()
}

// nothingChanged fails if applications or people would notice that there was a
// rotation. kept: AWSPENDING stays, because the database could not be asked
// which password it has.
func (w *world) nothingChanged(labels map[string]string, value string, kept bool) {
	w.Helper()
	if labels["AWSCURRENT"] != "" && !w.deleted() {
		out, err := w.secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
		w.check(err)
		if aws.ToString(out.SecretString) != value {
			w.Error("AWSCURRENT has another value")
		}
	}
	now := w.labels()
	if kept {
		pending := now["AWSPENDING"]
		if pending == "" || now[rotation.Hold(pending)] != pending {
			w.Errorf("AWSPENDING, which may be the only password that works, was not kept: %v", now)
		}
		delete(now, "AWSPENDING")
		delete(now, rotation.Hold(pending))
	}
	if diff := cmp.Diff(labels, now); diff != "" {
		w.Errorf("labels: %s", diff)
	}
	// The fixture's own login: the secret may be wrong in any way.
	conn, err := w.db.Server.Login(w.Context(), w.db.User, w.db.Password, w.db.Name)
	if err != nil {
		w.Fatalf("the database has another password: %v", err)
	}
	_ = conn.Close(w.Context())
}

// createEmptySecret makes one that has no version and so no AWSCURRENT.
func (w *world) createEmptySecret() {
	w.Helper()
	_, err := w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(secretID)})
	w.check(err)
}

func (w *world) deleted() bool {
	w.Helper()
	out, err := w.secrets.DescribeSecret(w.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	w.check(err)
	return out.DeletedDate != nil
}

func (tc badInput) checkAlert(w *world) {
	w.Helper()
	messages := w.sandbox.Outbox.Messages()
	if len(messages) != 1 {
		w.Fatalf("%d alerts, want one", len(messages))
	}
	alert := messages[0]
	attributes := map[string]string{}
	for name, attribute := range alert.Attributes {
		attributes[name] = attribute.StringValue
	}
	want := map[string]string{"outcome": tc.ending, "error": tc.err, "severity": severityOf[tc.ending], "secret": attributes["secret"]}
	if diff := cmp.Diff(want, attributes); diff != "" {
		w.Errorf("the alert's attributes: %s", diff)
	}
	for _, says := range append([]string{"What to do", "tumbler explain ", tc.err, "Execution"}, tc.says...) {
		if !strings.Contains(plain(alert.Body), says) {
			w.Errorf("the alert does not say %q:\n%s", says, alert.Body)
		}
	}
	risk, untouched := strings.Contains(alert.Body, "at risk"), strings.Contains(alert.Body, "not changed by this rotation; ")
	if atRisk := tc.ending == "NeedsAttention"; risk != atRisk || untouched == atRisk || strings.Contains(alert.Body, "unaffected") {
		w.Errorf("the alert says the wrong thing about applications:\n%s", alert.Body)
	}
}

// plain takes the escapes out: when restoring fails too, the state machine
// writes the cause and the alert, and quotes errors as Lambda reports them.
func plain(text string) string { return strings.ReplaceAll(text, `\"`, `"`) }

// A database that is away for a while is waited for, and the rotation goes on
// where it was.
func TestWaitsForADatabaseThatComesBack(t *testing.T) {
	for name, tc := range map[string]struct {
		first, last int // logins during which it is away
		ending      string
		accepted    int
	}{
		"before it was changed": {1, 4, "Rotated", 2},
		"after it was changed":  {2, 5, "Rotated", 2},
		// Seven attempts to test, of Restore's the first three.
		"until the restore": {2, 10, "RestoredCleanly", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &away{Engine: all.Engines["postgres"], port: closedPort(t), first: tc.first, last: tc.last}
			w := newWorldWithoutSecret(t, engine.Table{"postgres": e})
			w.createSecret(encode(w, goodKeys(w)))
			if got := w.rotate(plainRequest); got.State != tc.ending {
				t.Fatalf("ended in %s with %s: %s", got.State, got.Error, got.Cause)
			}
			if got := w.logins.Take(); got.Accepted != tc.accepted || got.Failed != tc.last-tc.first+1 {
				t.Errorf("logins: %+v", got)
			}
			w.currentLogsIn()
			w.noPending()
		})
	}
}

// away is an engine whose server is not there during some of the logins.
type away struct {
	engine.Engine
	port, first, last int
	logins            atomic.Int32
}

func (e *away) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	if n := int(e.logins.Add(1)); e.first <= n && n <= e.last {
		doc.Port = e.port
	}
	return e.Engine.Connect(ctx, doc)
}

// impatient waits for the silent server a moment only, so that a rotation's
// many retries take no time.
type impatient struct {
	engine.Engine
	silent int // port
}

func (e impatient) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	if doc.Port == e.silent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*time.Millisecond)
		defer cancel()
	}
	return e.Engine.Connect(ctx, doc)
}

// listening returns a listener's port. Nobody accepts its connections: the
// kernel does, and what is sent goes unanswered.
func listening(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().(*net.TCPAddr).Port
}

func silentPort(t *testing.T) int {
	l, port := listening(t)
	t.Cleanup(func() { _ = l.Close() })
	return port
}

func closedPort(t *testing.T) int {
	l, port := listening(t)
	_ = l.Close()
	return port
}
