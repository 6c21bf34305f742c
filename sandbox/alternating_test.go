package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	superuserID = "prod/superuser"
	alternating = `{"secretId":"prod/app","strategy":"alternating-users"}`
)

// createPair stores the superuser's secret, and the user's, which names it.
// change, if not nil, spoils the latter.
func (w *world) createPair(change func(keys map[string]any)) {
	w.Helper()
	superuser := w.db.SuperuserDocument(nil)
	w.canaries = append(w.canaries, superuser.Password.Reveal())
	out, err := w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(superuserID), SecretString: aws.String(superuser.Encode().Reveal()),
	})
	w.check(err)
	keys := goodKeys(w)
	keys["masterarn"] = aws.ToString(out.ARN)
	if change != nil {
		change(keys)
	}
	w.createSecret(encode(w, keys))
	w.Cleanup(func() {
		w.db.Exec("DROP ROLE IF EXISTS " + quoted(w.db.User+"_clone"))
	})
}

func newPairWorld(t *testing.T) *world {
	t.Helper()
	w := newWorldWithoutSecret(t, all.Engines)
	w.createPair(nil)
	return w
}

// createRole makes a role that may log in, without the password in the log.
func (w *world) createRole(name, password string) {
	w.Helper()
	w.canaries = append(w.canaries, password)
	w.db.Exec("CREATE ROLE " + quoted(name) + " LOGIN")
	w.Cleanup(func() { w.db.Exec("DROP ROLE IF EXISTS " + quoted(name)) })
	session, err := all.Engines["postgres"].Connect(w.Context(), w.db.SuperuserDocument(nil))
	w.check(err)
	defer session.Close()
	w.check(session.SetPassword(w.Context(), name, redact.New(password)))
}

// loginAs logs in as the document says.
func (w *world) loginAs(doc secretdoc.Document) error {
	w.Helper()
	session, err := all.Engines["postgres"].Connect(w.Context(), doc)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Probe(w.Context())
}

// bothLogIn fails unless the users of AWSCURRENT and AWSPREVIOUS are the two of
// the pair and log in.
func (w *world) bothLogIn() {
	w.Helper()
	var users []string
	for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		doc, _ := w.value(label)
		if err := w.loginAs(doc); err != nil {
			w.Errorf("%s does not log in: %v", label, err)
		}
		users = append(users, doc.Username)
	}
	slices.Sort(users)
	if diff := cmp.Diff([]string{w.db.User, w.db.User + "_clone"}, users); diff != "" {
		w.Errorf("users: %s", diff)
	}
	w.noPending()
}

// alternated fails unless the rotation ended in Rotated.
func (w *world) alternated() rotation.Event {
	w.Helper()
	if e := w.rotate(alternating); e.State != "Rotated" {
		w.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	return w.lastEvent()
}

func (w *world) lastEvent() (detail rotation.Event) {
	w.Helper()
	events := w.sandbox.Events.Events()
	w.check(json.Unmarshal(events[len(events)-1].Detail, &detail))
	return detail
}

// probe logs in with AWSCURRENT again and again, as an application that reads
// the secret before each login. stop says how often it did, and the first
// refusal.
func (w *world) probe() (stop func() (logins int, refused error)) {
	ctx, cancel := context.WithCancel(w.Context())
	var (
		done   sync.WaitGroup
		logins int
		failed error
	)
	done.Go(func() {
		for ctx.Err() == nil && failed == nil {
			out, err := w.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
			if err != nil {
				continue // the probe was stopped, or the test ends
			}
			doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
			if err == nil {
				err = w.loginAs(doc)
			}
			// Two rotations can have come between the reading and the login.
			again, readErr := w.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
			if readErr == nil && aws.ToString(again.VersionId) != aws.ToString(out.VersionId) {
				continue
			}
			if fault.Is(err, fault.LoginRefused) {
				failed = fmt.Errorf("AWSCURRENT, of user %s, was refused: %w", doc.Username, err)
			}
			logins++
		}
	})
	return func() (int, error) {
		cancel()
		done.Wait()
		return logins, failed
	}
}

func TestAlternates(t *testing.T) {
	w := newPairWorld(t)
	stop := w.probe()
	for i := range 4 {
		old, oldVersion := w.value("AWSCURRENT")
		w.alternated()
		current, version := w.value("AWSCURRENT")
		if want := otherUser(old.Username); current.Username != want {
			t.Errorf("rotation %d: AWSCURRENT is of %s, want %s", i, current.Username, want)
		}
		w.bothLogIn()
		want := map[string]string{"AWSCURRENT": version, "AWSPREVIOUS": oldVersion}
		if diff := cmp.Diff(want, w.labels()); diff != "" {
			t.Errorf("rotation %d: labels: %s", i, diff)
		}
		if current.MasterARN == "" || current.MasterARN != old.MasterARN {
			t.Error("masterarn was lost")
		}
	}
	if logins, err := stop(); err != nil || logins < 4 {
		t.Errorf("%d logins: %v", logins, err)
	}
	if n := len(w.sandbox.Outbox.Messages()); n != 0 {
		t.Errorf("%d alerts", n)
	}
}

// What is done to the original between two rotations the clone has after the
// next one, whichever of the two is being changed, and the event says so.
func TestAnnouncesWhatTheCloneGot(t *testing.T) {
	w := newPairWorld(t)
	original, clone := quoted(w.db.User), quoted(w.db.User+"_clone")
	if first := w.alternated(); !slices.Contains(first.Changes, "created role "+clone) || first.CredentialGapMs != nil {
		t.Errorf("the first event: %+v", first)
	}
	w.db.Exec("ALTER ROLE " + original + " CONNECTION LIMIT 7")
	if e := w.alternated(); !slices.Contains(e.Changes, "CONNECTION LIMIT 7") {
		t.Errorf("changes of the rotation of the original: %q", e.Changes)
	}
	w.db.Exec("ALTER ROLE " + original + " CONNECTION LIMIT -1")
	if e := w.alternated(); !slices.Contains(e.Changes, "CONNECTION LIMIT -1") {
		t.Errorf("changes of the rotation of the clone: %q", e.Changes)
	}
	if e := w.alternated(); len(e.Changes) != 0 {
		t.Errorf("changes where there was nothing to do: %q", e.Changes)
	}
}

// Each step fails for good in the rotation that creates the clone, in one that
// changes the original, and in one that changes the clone. Nobody loses access:
// neither who has read the secret since the last rotation nor who has not.
func TestRestoresPairs(t *testing.T) {
	for name, tc := range map[string]struct {
		function, operation, code, ending, error string
		late                                     bool // not before the function has been asked whether it is ready
	}{
		"create cannot write":   {"createsecret", "PutSecretValue", "AccessDeniedException", "Refused", "AccessDenied", false},
		"set cannot read":       {"setsecret", "GetSecretValue", "AccessDeniedException", "RestoredCleanly", "AccessDenied", false},
		"test cannot read":      {"testsecret", "GetSecretValue", "AccessDeniedException", "Refused", "AccessDenied", false},
		"finish cannot label":   {"finishsecret", "UpdateSecretVersionStage", "AccessDeniedException", "Refused", "AccessDenied", false},
		"finish may no more":    {"finishsecret", "UpdateSecretVersionStage", "AccessDeniedException", "RestoredCleanly", "AccessDenied", true},
		"finish: AWS goes down": {"finishsecret", "UpdateSecretVersionStage", "InternalServiceError", "RestoredCleanly", "ServiceUnavailable", true},
	} {
		for rotations := range 3 {
			t.Run(fmt.Sprintf("%s after %d", name, rotations), func(t *testing.T) {
				t.Parallel()
				w := newPairWorld(t)
				for range rotations {
					w.alternated()
				}
				before, _ := w.value("AWSCURRENT")
				fails := failing(tc.function, tc.operation, tc.code)
				if tc.late {
					fails = sinceReady(fails)
				}
				w.sandbox.Intercept(fails)
				stop := w.probe()
				e := w.rotate(alternating)
				w.sandbox.Intercept(nil)
				if e.State != tc.ending || e.Error != tc.error {
					t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
				}
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				after, _ := w.value("AWSCURRENT")
				if !after.Password.Equal(before.Password) || after.Username != before.Username {
					t.Error("AWSCURRENT has changed")
				}
				w.check(w.loginAs(after))
				if rotations > 0 {
					w.bothLogIn()
				}
				w.noPending()
				w.alternated()
				w.bothLogIn()
			})
		}
	}
}

// What cannot work is said before anything is changed, each with its own code.
func TestRefusesPairs(t *testing.T) {
	superuser := func(change func(w *world, keys map[string]any)) func(*world) {
		return func(w *world) {
			doc := w.db.SuperuserDocument(func(keys map[string]any) { change(w, keys) })
			_, err := w.secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{
				SecretId: aws.String(superuserID), SecretString: aws.String(doc.Encode().Reveal()),
			})
			w.check(err)
		}
	}
	for name, tc := range map[string]struct {
		keys        func(keys map[string]any)
		spoil       func(*world)
		request     string
		ending, err string
		says        []string
		repair      func(*world)
	}{
		"the clone's name is too long": {
			keys:   func(keys map[string]any) { keys["username"] = strings.Repeat("u", 58) },
			ending: "Refused", err: "InvalidSecret", says: []string{"64 characters", "allows 63", "single-user"},
		},
		"no superuser": {
			keys:   func(keys map[string]any) { delete(keys, "masterarn") },
			ending: "Refused", err: "SuperuserInvalid", says: []string{"superuserSecret", "masterarn"},
		},
		"superuser's secret is not there": {
			request: `{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"prod/nobody"}`,
			ending:  "Refused", err: "AccessDenied", says: []string{"prod/nobody", "not there"},
		},
		"superuser's secret is no secret of a user": {
			spoil: func(w *world) {
				_, err := w.secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(superuserID), SecretString: aws.String("hunter2")})
				w.check(err)
			},
			ending: "Refused", err: "SuperuserInvalid", says: []string{"not a JSON object"},
			repair: superuser(func(*world, map[string]any) {}),
		},
		"superuser of another port": {
			spoil:  superuser(func(w *world, keys map[string]any) { keys["port"] = closedPort(w.T) }),
			ending: "Refused", err: "SuperuserInvalid", says: []string{"has port", "same server"},
			repair: superuser(func(*world, map[string]any) {}),
		},
		"superuser is the user": {
			spoil:  superuser(func(w *world, keys map[string]any) { keys["username"] = w.db.User }),
			ending: "Refused", err: "SuperuserInvalid", says: []string{"as the secret itself"},
			repair: superuser(func(*world, map[string]any) {}),
		},
		"superuser is the clone": {
			spoil:  superuser(func(w *world, keys map[string]any) { keys["username"] = w.db.User + "_clone" }),
			ending: "Refused", err: "SuperuserInvalid", says: []string{"one of the two users"},
			repair: superuser(func(*world, map[string]any) {}),
		},
		"superuser has another password": {
			spoil:  superuser(func(_ *world, keys map[string]any) { keys["password"] = "n0t-the-superusers" }),
			ending: "RestoredCleanly", err: "SuperuserInvalid", says: []string{"as the superuser"},
			repair: superuser(func(*world, map[string]any) {}),
		},
		"superuser may not": {
			spoil: superuser(func(w *world, keys map[string]any) {
				w.createRole(w.db.User+"_helper", "h3lper-Pa55word")
				keys["username"], keys["password"] = w.db.User+"_helper", "h3lper-Pa55word"
			}),
			ending: "RestoredCleanly", err: "PrivilegeMissing", says: []string{"CREATEROLE"},
			repair: superuser(func(*world, map[string]any) {}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWithoutSecret(t, all.Engines)
			w.createPair(tc.keys)
			if tc.spoil != nil {
				tc.spoil(w)
			}
			request := tc.request
			if request == "" {
				request = alternating
			}
			before, _ := w.value("AWSCURRENT")
			e := w.rotate(request)
			if e.State != tc.ending || e.Error != tc.err {
				t.Fatalf("ended in %s with %s (%s), want %s with %s", e.State, e.Error, e.Cause, tc.ending, tc.err)
			}
			for _, says := range tc.says {
				if !strings.Contains(e.Cause, says) {
					t.Errorf("the cause does not say %q: %s", says, e.Cause)
				}
			}
			if after, _ := w.value("AWSCURRENT"); !after.Password.Equal(before.Password) {
				t.Error("AWSCURRENT has changed")
			}
			if len(w.db.Exec("SELECT 1 FROM pg_roles WHERE rolname = '"+w.db.User+"_clone'")) != 0 {
				t.Error("the clone was made")
			}
			w.noPending()
			if tc.repair != nil {
				tc.repair(w)
				w.alternated()
				w.bothLogIn()
			}
		})
	}
}

// An account that only has the clone's or the original's name is somebody
// else's (AWS's published functions reset its password and hand it over).
func TestAccountsOfOthersAreNotTouched(t *testing.T) {
	for name, suffix := range map[string]string{"has the clone's name": "", "has the original's name": "_clone"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWithoutSecret(t, all.Engines)
			// The secret's user is user+suffix; the other one of its pair is not ours.
			user, theirs := w.db.User+suffix, otherUser(w.db.User+suffix)
			w.createRole(w.db.User+"_clone", w.db.Password.Reveal())
			w.createPair(func(keys map[string]any) { keys["username"] = user })
			e := w.rotate(alternating)
			if e.State != "RestoredCleanly" || e.Error != "AccountNotOurs" || !strings.Contains(e.Cause, "Nothing was changed") {
				t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
			}
			for _, name := range []string{user, theirs} {
				w.check(w.loginAs(w.db.Document(func(keys map[string]any) { keys["username"] = name })))
			}
			if got := w.db.Exec("SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname IN ('" + user + "', '" + theirs + "')"); got[0][0] != "0" {
				t.Error("one was made a member of the other")
			}
			w.noPending()
			// Being in a group of that name proves nothing either.
			w.db.Exec("GRANT " + quoted(w.db.User) + " TO " + quoted(w.db.User+"_clone"))
			if e := w.rotate(alternating); e.Error != "AccountNotOurs" {
				t.Fatalf("a membership is taken for proof: %s, %s", e.State, e.Error)
			}
			w.noPending()
			// The remedy that the cause names.
			remedy := regexp.MustCompile(`COMMENT ON ROLE .* IS '.*?'`).FindString(e.Cause)
			w.db.Exec(remedy)
			w.alternated()
			w.bothLogIn()
		})
	}
}

// A secret that AWS's alternating function has rotated goes on with Tumbler, and
// back, with the same two users.
func TestTakesOverFromAWSAndBack(t *testing.T) {
	w, f := newTemplateWorld(t, true)
	w.createPair(nil)
	users := map[string]bool{}
	byAWS := func() {
		t.Helper()
		before, _ := w.value("AWSCURRENT")
		_, err := w.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
			SecretId: aws.String(secretID), RotationLambdaARN: aws.String(foreignARN), RotationRules: rules(30),
		})
		w.check(err)
		w.sandbox.Secrets.Wait()
		current, _ := w.value("AWSCURRENT")
		if current.Username != otherUser(before.Username) || f.asked() != "createSecret setSecret testSecret finishSecret" {
			t.Fatalf("AWS's function has not rotated: AWSCURRENT is of %s", current.Username)
		}
		users[current.Username] = true
		w.bothLogIn()
	}
	// Two rotations of one secret would be in each other's way.
	switchOff := func() {
		t.Helper()
		_, err := w.secrets.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String(secretID)})
		w.check(err)
	}
	tumbler := func() {
		t.Helper()
		before, _ := w.value("AWSCURRENT")
		w.alternated()
		current, _ := w.value("AWSCURRENT")
		if current.Username != otherUser(before.Username) {
			t.Errorf("AWSCURRENT is of %s", current.Username)
		}
		users[current.Username] = true
		w.bothLogIn()
	}
	stop := w.probe()
	byAWS() // makes the clone
	switchOff()
	tumbler() // changes the original
	tumbler()
	byAWS()
	byAWS()
	switchOff()
	tumbler() // starts with the clone
	byAWS()
	if logins, err := stop(); err != nil || logins == 0 {
		t.Errorf("%d logins: %v", logins, err)
	}
	if len(users) != 2 {
		t.Errorf("users: %v", users)
	}
}

// Tumbler drives AWS's alternating function, too.
func TestAlternatesByAnExistingFunction(t *testing.T) {
	w, f := newTemplateWorld(t, true)
	w.createPair(nil)
	const request = `{"secretId":"prod/app","strategy":"alternating-users","rotationFunction":"` + foreignARN + `"}`
	for range 3 {
		if e := w.rotate(request); e.State != "Rotated" {
			t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
		if got := f.asked(); got != "setSecret testSecret" {
			t.Errorf("the function was asked for %q", got)
		}
		w.bothLogIn()
	}
	// These functions refuse a secret whose native rotation was switched off.
	_, err := w.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(foreignARN), RotationRules: rules(30),
	})
	w.check(err)
	w.sandbox.Secrets.Wait()
	_, err = w.secrets.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String(secretID)})
	w.check(err)
	if e := w.rotate(request); e.State != "RestoredCleanly" || e.Error != "RotationFunctionFailed" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
	w.bothLogIn()
	w.alternated()
	w.bothLogIn()
}

func quoted(role string) string { return pgx.Identifier{role}.Sanitize() }
