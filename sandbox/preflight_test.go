package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/rds"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// changing are the statements that a preflight must not run. The session's own
// settings and the fixtures' are no changes.
var changing = regexp.MustCompile(`(?i)(statement: |Query\s+|; )(CREATE|ALTER|GRANT|REVOKE|DROP|COMMENT|REASSIGN|INSERT|UPDATE|DELETE|RENAME|SET PASSWORD|SET DEFAULT)\b`)

// changes are all such statements that the servers' logs have, in the order of each log.
func (w *world) changes() []string {
	w.Helper()
	return changing.FindAllString(w.db.Log()+w.otherLog(), -1)
}

// readOnly are the calls that it may make.
var readOnly = []string{
	"DescribeSecret", "GetSecretValue", "ListSecretVersionIds", "ListExecutions", "GetSchedule",
	"DescribeDBInstances", "DescribeDBClusters", "DescribeDBProxies", "DescribeDBProxyEndpoints", "DescribeDBProxyTargets", "DescribeClusters",
}

// preflight asks the function through the API, and fails if anything has changed.
func (w *world) preflight(request string) rotation.PreflightResult {
	w.Helper()
	before, changes := w.everything(), len(w.changes())
	w.mu.Lock()
	calls := len(w.calls)
	w.mu.Unlock()

	payload, err := json.Marshal(map[string]json.RawMessage{"request": json.RawMessage(request)})
	w.check(err)
	out, err := lambda.NewFromConfig(w.sandbox.AWS("test")).Invoke(w.Context(), &lambda.InvokeInput{
		FunctionName: aws.String("tumbler-preflight"), Payload: payload,
	})
	w.check(err)
	w.histories = append(w.histories, string(out.Payload)) // no password in it
	if out.FunctionError != nil {
		w.Fatalf("the function failed: %s", out.Payload)
	}
	var result rotation.PreflightResult
	w.check(json.Unmarshal(out.Payload, &result))

	if now := w.changes(); len(now) != changes {
		w.Errorf("the database was asked to change something: %q", now)
	}
	w.mu.Lock()
	for _, call := range w.calls[calls:] {
		if call.Caller.AccessKeyID == "preflight" && !slices.Contains(readOnly, call.Operation) {
			w.Errorf("it called %s", call.Operation)
		}
	}
	w.mu.Unlock()
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		w.Errorf("something has changed: %s", diff)
	}
	return result
}

// everything is what a rotation could change: every version of every secret with
// its labels, and every role of the database with its settings and memberships.
func (w *world) everything() []string {
	w.Helper()
	var all []string
	secrets, err := w.secrets.ListSecrets(w.Context(), &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	w.check(err)
	for _, s := range secrets.SecretList {
		all = append(all, fmt.Sprint(aws.ToString(s.Name), s.LastChangedDate, s.DeletedDate))
		versions, err := w.secrets.ListSecretVersionIds(w.Context(), &secretsmanager.ListSecretVersionIdsInput{
			SecretId: s.ARN, IncludeDeprecated: aws.Bool(true),
		})
		if err != nil {
			continue // it is deleted
		}
		for _, v := range versions.Versions {
			slices.Sort(v.VersionStages)
			all = append(all, fmt.Sprint(aws.ToString(v.VersionId), v.VersionStages, v.CreatedDate))
		}
	}
	for _, sql := range []string{
		"SELECT md5(a::text) FROM pg_authid a ORDER BY oid", "SELECT m::text FROM pg_auth_members m ORDER BY 1", "SELECT s::text FROM pg_db_role_setting s ORDER BY 1",
	} {
		for _, row := range w.db.Exec(sql) {
			all = append(all, strings.Join(row, " "))
		}
	}
	return all
}

// verdict is what a preflight says of one check.
func verdict(t *testing.T, result rotation.PreflightResult, name string) rotation.Check {
	t.Helper()
	for _, c := range result.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q", name)
	return rotation.Check{}
}

func newPreflightWorld(t *testing.T, change func(*world, *sandbox.Config)) *world {
	t.Helper()
	if change == nil {
		change = func(*world, *sandbox.Config) {}
	}
	return newWorldWith(t, all.Engines, change)
}

// What it promises the rotation keeps, for both strategies and both users.
func TestPreflightThatWouldRotate(t *testing.T) {
	for name, request := range map[string]string{
		"single user": plainRequest, "alternating users": alternating,
	} {
		t.Run(name, func(t *testing.T) {
			w := newPreflightWorld(t, nil)
			w.createPair(nil)
			for range 3 {
				result := w.preflight(request)
				if !result.WouldRotate || result.Summary != "Would rotate." {
					t.Fatalf("got %+v", result)
				}
				for _, c := range result.Checks {
					if !c.OK || c.Message == "" {
						t.Errorf("got %+v", c)
					}
				}
				changes := len(w.changes())
				if e := w.rotate(request); e.State != "Rotated" {
					t.Fatalf("the rotation ended in %s with %s: %s", e.State, e.Error, e.Cause)
				}
				if len(w.changes()) == changes {
					t.Error("a rotation changes something, and this test does not see it")
				}
				w.kept(result)
			}
		})
	}
}

// kept fails unless the clone was changed as foretold.
func (w *world) kept(result rotation.PreflightResult) {
	w.Helper()
	// The first two are the password and the labels.
	if diff := cmp.Diff(strings.Join(result.Changes[2:], "\n"), strings.Join(w.lastEvent().Changes, "\n")); diff != "" {
		w.Errorf("promised and done: %s", diff)
	}
}

// It logs in once, and as the superuser once.
func TestLoginsOfAPreflight(t *testing.T) {
	w := newPreflightWorld(t, nil)
	w.createPair(nil)
	w.logins.Take()
	w.preflight(alternating)
	if got := w.logins.Take(); got.Accepted != 2 || got.Refused != 0 {
		t.Errorf("got %+v", got)
	}
}

// badPreflight is something that is wrong, and the one check that finds it.
type badPreflight struct {
	keys    func(w *world, keys map[string]any)
	spoil   func(w *world)
	sandbox func(*world, *sandbox.Config)
	request string

	check, code string
	says        []string
	alsoFails   []string // because of the same thing
}

func badPreflights() map[string]badPreflight {
	return map[string]badPreflight{
		"no field": {request: `{"secretId":"prod/app","strategi":"x"}`, check: "request", code: "InvalidRequest", says: []string{"strategi"}},
		"deleted": {
			spoil: func(w *world) {
				_, err := w.secrets.DeleteSecret(w.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(secretID)})
				w.check(err)
			}, check: "secret", code: "SecretDeleted", says: []string{"restore-secret"},
		},
		"not allowed to look": {
			spoil: func(w *world) {
				w.sandbox.Intercept(func(_ context.Context, call wire.Call) *wire.Failure {
					if call.Caller.AccessKeyID == "preflight" && call.Operation == "DescribeSecret" {
						return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
					}
					return nil
				})
			}, check: "secret", code: "AccessDenied", says: []string{"secretsmanager:DescribeSecret"},
		},
		"not configured": {
			sandbox: func(_ *world, cfg *sandbox.Config) { cfg.Registry, cfg.Clock = true, nil },
			request: `{"secretId":"prod/app","trigger":{"source":"manual"}}`,
			check:   "configuration", code: "NotConfigured", says: []string{"rotations.yaml"},
		},
		"function not allowed": {
			request: `{"secretId":"prod/app","rotationFunction":"arn:aws:lambda:us-east-1:123456789012:function:x"}`,
			check:   "configuration", code: "InvalidRequest", says: []string{"not allowed when Tumbler was deployed"},
		},
		"no user name": {
			keys:  func(_ *world, keys map[string]any) { delete(keys, "username") },
			check: "credentials", code: "InvalidSecret", says: []string{`key "username" is missing`},
		},
		"engine without a driver": {
			keys:  func(_ *world, keys map[string]any) { keys["engine"] = "db2" },
			check: "engine", code: "InvalidSecret", says: []string{`"engine" is "db2"`, "rotationFunction"},
		},
		"window": {
			request: fmt.Sprintf(`{"secretId":"prod/app","window":{"opensAt":%q,"closesAt":%q}}`,
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339), time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)),
			check: "window", code: "WindowClosed", says: []string{"opens at", "--outside-window"},
		},
		"window too far away": {
			request: fmt.Sprintf(`{"secretId":"prod/app","outsideWindow":"wait","window":{"opensAt":%q,"closesAt":%q}}`,
				time.Now().Add(999*time.Hour).UTC().Format(time.RFC3339), time.Now().Add(1000*time.Hour).UTC().Format(time.RFC3339)),
			check: "window", code: "WindowClosed", says: []string{"more than 31 days"},
		},
		"long name": {
			keys:    func(_ *world, keys map[string]any) { keys["username"] = strings.Repeat("n", 60) },
			request: alternating, check: "user names", code: "InvalidSecret", says: []string{"66 characters", "allows 63"}, alsoFails: []string{"login"},
		},
		"impossible password": {
			request: `{"secretId":"prod/app","password":{"excludeCharacters":"0123456789"}}`,
			check:   "password policy", code: "InvalidRequest", says: []string{"none of the numbers"},
		},
		"no such host": {
			keys:  func(_ *world, keys map[string]any) { keys["host"] = "db.example.invalid" },
			check: "network", code: "DatabaseUnreachable", says: []string{"host name", `"host" in the secret`},
		},
		"wrong port": {
			keys:  func(_ *world, keys map[string]any) { keys["port"] = 1 },
			check: "network", code: "DatabaseUnreachable", says: []string{"refuses connections"},
		},
		"TLS demanded": {
			keys:  func(_ *world, keys map[string]any) { keys["ssl"] = true },
			check: "TLS", code: "TLSUnavailable",
		},
		"wrong password": {
			keys:  func(_ *world, keys map[string]any) { keys["password"] = "wr0ng-Pa55word" },
			check: "login", code: "LoginRefused", says: []string{"AWSCURRENT, AWSPENDING and AWSPREVIOUS", "recoverPassword"},
		},
		"no superuser": {
			keys:    func(_ *world, keys map[string]any) { delete(keys, "masterarn") },
			request: alternating, check: "superuser", code: "SuperuserInvalid", says: []string{"masterarn"},
		},
		"superuser that is refused": {
			spoil: func(w *world) {
				w.storeSuperuser(func(keys map[string]any) { keys["password"] = "wr0ng-Pa55word" })
			},
			request: alternating, check: "superuser", code: "SuperuserInvalid", says: []string{"as the superuser"},
		},
		"superuser of another server": {
			spoil:   func(w *world) { w.storeSuperuser(func(keys map[string]any) { keys["port"] = 1 }) },
			request: alternating, check: "superuser", code: "SuperuserInvalid", says: []string{"has port 1"},
		},
		"superuser without privileges": {
			spoil: func(w *world) {
				name := w.db.User + "_weak"
				w.createRole(name, "c4nary-Weak")
				w.storeSuperuser(func(keys map[string]any) { keys["username"], keys["password"] = name, "c4nary-Weak" })
			},
			request: alternating, check: "privileges", code: "PrivilegeMissing", says: []string{"neither SUPERUSER nor CREATEROLE", "ALTER ROLE"},
		},
		"somebody else's account": {
			spoil:   func(w *world) { w.createRole(w.db.User+"_clone", "c4nary-Other") },
			request: alternating, check: "privileges", code: "AccountNotOurs", says: []string{"nothing proves"},
		},
		"proxy that knows one user": {
			keys: func(w *world, keys map[string]any) {
				keys["host"] = proxyAddress
				w.addInstance()
				w.sandbox.RDS.AddProxy(rds.Proxy{
					DBProxyName: "shop", Endpoint: proxyAddress, Auth: []rds.Auth{{AuthScheme: "SECRETS", SecretArn: "arn:other"}},
					Targets: []rds.Target{{Type: "RDS_INSTANCE", RdsResourceId: "shop", Endpoint: w.db.Host, Port: w.db.Port}},
				})
			},
			spoil:   func(w *world) { w.storeSuperuser(func(keys map[string]any) { keys["host"] = proxyAddress }) },
			request: alternating, check: "proxy", code: "InvalidSecret", says: []string{"Register a second secret"},
		},
	}
}

// storeSuperuser stores another superuser's secret.
func (w *world) storeSuperuser(change func(keys map[string]any)) {
	w.Helper()
	_, err := w.secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(superuserID), SecretString: aws.String(w.db.SuperuserDocument(change).Encode().Reveal()),
	})
	w.check(err)
}

func TestPreflightFindsWhatIsWrong(t *testing.T) {
	for name, bad := range badPreflights() {
		t.Run(name, func(t *testing.T) {
			w := newPreflightWorld(t, bad.sandbox)
			w.createPair(func(keys map[string]any) {
				if bad.keys != nil {
					bad.keys(w, keys)
				}
			})
			if bad.spoil != nil {
				bad.spoil(w)
			}
			if bad.request == "" {
				bad.request = plainRequest
			}
			result := w.preflight(bad.request)
			if result.WouldRotate || !strings.HasPrefix(result.Summary, "Would not rotate: see ") || len(result.Changes) > 0 {
				t.Errorf("got %t, %q, %q", result.WouldRotate, result.Summary, result.Changes)
			}
			got := verdict(t, result, bad.check)
			if got.OK || got.Skipped || string(got.Code) != bad.code {
				t.Fatalf("got %+v", got)
			}
			for _, say := range bad.says {
				if !strings.Contains(got.Message+". "+got.Hint, say) {
					t.Errorf("it does not say %q: %s. %s", say, got.Message, got.Hint)
				}
			}
			for _, c := range result.Checks {
				if !c.OK && !c.Skipped && c.Name != bad.check && !slices.Contains(bad.alsoFails, c.Name) {
					t.Errorf("another check fails, too: %+v", c)
				}
			}
		})
	}
}

// A rotation that is under way is told apart from one that died.
func TestPreflightDuringARotation(t *testing.T) {
	w := newPreflightWorld(t, nil)
	w.createPair(nil)
	release, reached := make(chan struct{}), make(chan struct{}, 100)
	w.sandbox.Intercept(func(ctx context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == "setsecret" {
			reached <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return nil
	})
	started, err := w.states.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.StateMachineARN, Input: aws.String(plainRequest),
	})
	w.check(err)
	<-reached
	got := verdict(t, w.preflight(plainRequest), "other rotations")
	if got.OK || got.Code != "AlreadyRotating" || !strings.Contains(got.Message, aws.ToString(started.ExecutionArn)) {
		t.Errorf("got %+v", got)
	}
	close(release)
	w.await(aws.ToString(started.ExecutionArn))
}

// What a dead rotation has left, and a lost password, are told with what the next
// rotation does about it, and it does.
func TestPreflightOfRemains(t *testing.T) {
	const pending = "c4nary-Pending"
	for name, tc := range map[string]struct {
		left          func(w *world) // as a dead rotation
		others, login string
	}{
		"without a value": {
			left:   func(w *world) { w.pend(w.db.Password.Reveal()) },
			others: "without a password of its own for this account: the next one replaces it", login: "AWSCURRENT logs in",
		},
		"not in the database": {
			left:   func(w *world) { w.pend(pending) },
			others: "takes its password over", login: "AWSCURRENT logs in",
		},
		"in the database": {
			left: func(w *world) {
				w.pend(pending)
				session, err := all.Engines["postgres"].Connect(w.Context(), w.db.Document(nil))
				w.check(err)
				defer session.Close()
				w.check(session.SetPassword(w.Context(), w.db.User, w.pendingDocument(pending).Password))
			},
			others: "takes its password over", login: "AWSCURRENT is refused, and AWSPENDING of a dead rotation logs in",
		},
		"AWSPREVIOUS in the database": {
			left:   func(w *world) { w.put(w.pendingDocument(pending).Encode().Reveal()) },
			others: "none", login: "AWSCURRENT is refused, and AWSPREVIOUS logs in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPreflightWorld(t, nil)
			w.createPair(nil)
			w.canaries = append(w.canaries, pending)
			tc.left(w)
			result := w.preflight(plainRequest)
			for check, say := range map[string]string{"other rotations": tc.others, "login": tc.login} {
				if got := verdict(t, result, check); !got.OK || !strings.Contains(got.Message, say) {
					t.Errorf("got %+v, want %q", got, say)
				}
			}
			if !result.WouldRotate {
				t.Errorf("got %+v", result)
			}
			w.rotated()
			w.currentLogsIn()
		})
	}
}

func (w *world) pendingDocument(password string) secretdoc.Document {
	w.Helper()
	return w.db.Document(func(keys map[string]any) { keys["password"] = password })
}

// pend leaves a version AWSPENDING, as a rotation that died.
func (w *world) pend(password string) {
	w.Helper()
	_, err := w.secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(secretID), SecretString: aws.String(w.pendingDocument(password).Encode().Reveal()),
		VersionStages: []string{rotation.Pending},
	})
	w.check(err)
}
