package sandbox_test

import (
	"context"
	"flag"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

var keepingRotations = flag.Int("keeping", 15, "how many rotations TestKeepPreviousHasNoGap makes in each way")

// The ways to keep the password before: the superuser's, and the user's own.
var keeping = map[string]string{
	"by superuser": `{"secretId":"maria/app","superuserSecretId":"maria/admin","recoverPassword":true,"keepPrevious":true}`,
	"own":          `{"secretId":"maria/app","keepPrevious":true}`,
}

func newKeepingWorld(t *testing.T, way string) *world {
	t.Helper()
	w, user := newMySQLWorld(t, dbtest.MySQL(t, "keeping", dbserver.MySQL{}), masterOf)
	if way == "own" {
		w.mysql.Exec("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + account(user))
	}
	return w
}

// mysqlProbe logs in over and over with AWSCURRENT, as applications without retries.
// stop says how often they did and how often they were refused.
func (w *world) mysqlProbe() (stop func() (logins, refused int)) {
	ctx, cancel := context.WithCancel(w.Context())
	var done sync.WaitGroup
	var mu sync.Mutex
	var logins, refused int
	for range 2 {
		done.Go(func() {
			for ctx.Err() == nil {
				out, err := w.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("maria/app")})
				if err != nil {
					continue // the probe was stopped
				}
				doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
				if err != nil {
					w.Error(err)
					return
				}
				session, err := all.Engines["mysql"].Connect(ctx, doc)
				if err == nil {
					session.Close()
				}
				mu.Lock()
				if logins++; fault.Is(err, fault.LoginRefused) {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, int) {
		cancel()
		done.Wait()
		return logins, refused
	}
}

// Issue 11, build 2: with keepPrevious no login is refused, at no time; what was
// AWSPREVIOUS before the last rotation is not accepted any more.
func TestKeepPreviousHasNoGap(t *testing.T) {
	for way, request := range keeping {
		t.Run(way, func(t *testing.T) {
			w := newKeepingWorld(t, way)
			versions := []secretdoc.Document{w.mysqlCurrent()}
			w.mysqlRotated(request)
			versions = append(versions, w.mysqlCurrent())
			stop := w.mysqlProbe()
			for range *keepingRotations {
				// Between the change of the database and that of the secret.
				w.sandbox.Intercept(once("testsecret", func() {
					if doc := w.mysqlCurrent(); !w.mysqlAccepts(doc) {
						t.Error("AWSCURRENT is refused before FinishSecret")
					}
				}))
				if e := w.rotate(request); e.State != "Rotated" {
					t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
				}
				w.sandbox.Intercept(nil)
				versions = append(versions, w.mysqlCurrent())
				n := len(versions)
				if !w.mysqlAccepts(versions[n-1]) || !w.mysqlAccepts(versions[n-2]) || w.mysqlAccepts(versions[n-3]) {
					t.Error("not the last two passwords are accepted, and no other")
				}
				if gap := w.lastEvent().CredentialGapMs; gap != nil {
					t.Errorf("the event tells of a gap of %d ms", *gap)
				}
			}
			logins, refused := stop()
			if refused > 0 || logins < *keepingRotations {
				t.Errorf("%d of %d logins were refused", refused, logins)
			}
			t.Logf("%d rotations, %d logins, %d refused", *keepingRotations, logins, refused)

			// Without it the next rotation leaves one password.
			w.mysqlRotated(strings.Replace(request, `,"keepPrevious":true`, "", 1))
			if n := len(versions); !w.mysqlAccepts(w.mysqlCurrent()) || w.mysqlAccepts(versions[n-1]) || w.mysqlAccepts(versions[n-2]) {
				t.Error("a password before is accepted after a rotation without keepPrevious")
			}
		})
	}
}

// After a failure AWSCURRENT alone is accepted, and was all the time.
func TestKeepPreviousIsRestored(t *testing.T) {
	for way, request := range keeping {
		t.Run(way, func(t *testing.T) {
			w := newKeepingWorld(t, way)
			w.mysqlRotated(request)
			w.mysqlRotated(request)
			current := w.mysqlCurrent()
			stop := w.mysqlProbe()
			w.sandbox.Intercept(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")))
			if e := w.rotate(request); e.State != "RestoredCleanly" {
				t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
			}
			w.sandbox.Intercept(nil)
			out, err := w.secrets.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String("maria/app")})
			w.check(err)
			tried := 0
			for _, v := range out.Versions {
				value, err := w.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("maria/app"), VersionId: v.VersionId})
				w.check(err)
				doc, err := secretdoc.Parse(redact.New(aws.ToString(value.SecretString)))
				w.check(err)
				tried++
				if w.mysqlAccepts(doc) != doc.Password.Equal(current.Password) {
					t.Errorf("version %s, of %q, is accepted: %v", *v.VersionId, v.VersionStages, w.mysqlAccepts(doc))
				}
			}
			if tried < 3 {
				t.Errorf("only %d versions", tried)
			}
			if logins, refused := stop(); refused > 0 || logins == 0 {
				t.Errorf("%d of %d logins were refused", refused, logins)
			}
			w.mysqlRotated(request)
			if !w.mysqlAccepts(current) || !w.mysqlAccepts(w.mysqlCurrent()) {
				t.Error("the next rotation does not keep the password before")
			}
		})
	}
}

// What cannot keep two passwords is found before anything is changed.
func TestKeepPreviousThatCannotBe(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		w := newWorld(t)
		const request = `{"secretId":"prod/app","keepPrevious":true}`
		if got := verdict(t, w.preflight(request), "privileges"); got.OK || got.Code != "InvalidRequest" {
			t.Errorf("got %+v", got)
		}
		if e := w.rotate(request); e.Error != "InvalidRequest" {
			t.Errorf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		w, _ := newMariaWorld(t, masterOf)
		before := w.mysqlCurrent()
		for _, request := range keeping {
			if got := verdict(t, w.preflight(request), "privileges"); got.OK || got.Code != "InvalidRequest" {
				t.Errorf("got %+v", got)
			}
			if e := w.rotate(request); e.Error != "InvalidRequest" || !w.mysqlAccepts(before) {
				t.Errorf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
			}
		}
	})
	t.Run("without the privilege", func(t *testing.T) {
		w := newKeepingWorld(t, "without")
		before := w.mysqlCurrent()
		if got := verdict(t, w.preflight(keeping["own"]), "privileges"); got.OK || got.Code != "PrivilegeMissing" {
			t.Errorf("got %+v", got)
		}
		if e := w.rotate(keeping["own"]); e.Error != "PrivilegeMissing" || !w.mysqlAccepts(before) {
			t.Errorf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
	})
}
