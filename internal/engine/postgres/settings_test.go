package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// Whatever the sessions of the user or of the superuser are set to, a rotation does
// what it would do otherwise, and preflight says so.
func TestSessionSettings(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"acts as another role": "role = GROUP", "read-only": "default_transaction_read_only = on", "empty path": "search_path = ''",
		"short": "statement_timeout = 500", "impatient": "idle_in_transaction_session_timeout = 1", "serializable": "default_transaction_isolation = 'serializable'",
	} {
		for _, version := range []string{"15", ""} {
			for _, where := range []string{"", "IN DATABASE "} {
				t.Run(strings.TrimSpace(name+" "+version+" "+where), func(t *testing.T) {
					t.Parallel()
					group := "settings_" + strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name+where))
					w := newTwins(t, []string{group}, dbtest.Version(version))
					w.master()
					for _, role := range []string{w.original, w.admin.Username} {
						in := where
						if in != "" {
							in += q(w.Name) + " "
						}
						w.Exec("GRANT " + group + " TO " + role + "; ALTER ROLE " + role + " " + in + "SET " + strings.ReplaceAll(setting, "GROUP", group))
					}
					own := w.Document(nil)
					if _, err := w.inspect(own, engine.InspectRequest{SetPassword: w.original}); err != nil {
						t.Errorf("CanRotate: %v", err)
					}
					const first, second, third = "f1rst-Pa55word", "s3cond-Pa55word", "th1rd-Pa55word"
					if err := open(t, own).SetPassword(t.Context(), w.original, redact.New(first)); err != nil {
						t.Fatalf("its own password: %v", err)
					}
					accepted(t, w.as(w.original, first))
					request := w.request()
					if _, err := w.inspect(w.admin, engine.InspectRequest{SetPassword: w.original, Clone: &request}); err != nil {
						t.Errorf("CanRotate of the superuser: %v", err)
					}
					admin := open(t, w.admin)
					if err := admin.SetPassword(t.Context(), w.original, redact.New(second)); err != nil {
						t.Fatalf("by the superuser: %v", err)
					}
					accepted(t, w.as(w.original, second))
					if _, err := admin.EnsureClone(t.Context(), request); err != nil {
						t.Fatalf("the clone: %v", err)
					}
					// When the pair goes back to a single user, that may be the clone, which
					// acts as another role by our own doing.
					if err := open(t, w.as(w.clone, clonePW)).SetPassword(t.Context(), w.clone, redact.New(third)); err != nil {
						t.Fatalf("the clone's own password: %v", err)
					}
					accepted(t, w.as(w.clone, third))
				})
			}
		}
	}
}

// The time limit of a role is not what a change gets, but ours.
func TestTimeLimitIsOurs(t *testing.T) {
	t.Parallel()
	w := newTwins(t, nil)
	w.Exec("ALTER ROLE " + w.original + " SET statement_timeout = 500; ALTER ROLE " + w.original + " SET lock_timeout = 500")
	holder := w.Admin()
	if _, err := holder.Exec(t.Context(), "BEGIN; ALTER ROLE "+w.original+" CONNECTION LIMIT 9").ReadAll(); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		result <- open(t, w.Document(nil)).SetPassword(t.Context(), w.original, redact.New("new-Pa55word"))
	}()
	time.Sleep(1500 * time.Millisecond)
	if _, err := holder.Exec(t.Context(), "ROLLBACK").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A superuser whose rights are those of a role that it is set to act as.
func TestSuperuserByAnotherRole(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"15", ""} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newTwins(t, nil, dbtest.Version(version))
			w.master()
			dba := w.admin.Username
			person := "person_" + strings.TrimPrefix(dba, "master_")
			w.Exec("CREATE ROLE " + person + " LOGIN NOINHERIT PASSWORD '" + masterPW + "'; GRANT " + dba + " TO " + person + "; ALTER ROLE " + person + " SET role = " + dba)
			w.dropLater(person)
			w.admin = w.as(person, masterPW)
			request := w.request()
			if _, err := w.inspect(w.admin, engine.InspectRequest{SetPassword: w.original, Clone: &request}); err != nil {
				t.Errorf("CanRotate: %v", err)
			}
			if err := open(t, w.admin).SetPassword(t.Context(), w.original, redact.New("new-Pa55word")); err != nil {
				t.Error(err)
			}
			if _, err := w.try(request); err != nil {
				t.Error(err)
			}
			// Its own password it sets as itself.
			if err := open(t, w.admin).SetPassword(t.Context(), person, redact.New("new-Pa55word")); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who has been switched off stays so: no superuser sets a password there.
func TestDisabledAccountsAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"NOLOGIN": "NOLOGIN", "over": "VALID UNTIL '2020-01-01'"} {
		for _, version := range []string{"15", ""} {
			for _, super := range []string{"superuser", "CREATEROLE"} {
				t.Run(name+" "+version+" "+super, func(t *testing.T) {
					t.Parallel()
					w := newTwins(t, nil, dbtest.Version(version))
					if super == "CREATEROLE" {
						w.master()
					}
					w.Exec("ALTER ROLE " + w.original + " " + option)
					before := w.everything()
					request := w.request()
					for what, r := range map[string]engine.InspectRequest{"SetPassword": {SetPassword: w.original}, "EnsureClone": {Clone: &request}} {
						_, err := w.inspect(w.admin, r)
						expect(t, err, fault.AccountDisabled, w.admin, w.original)
						if what == "EnsureClone" {
							_, err = w.try(request)
						} else {
							err = open(t, w.admin).SetPassword(t.Context(), w.original, redact.New("new-Pa55word"))
						}
						expect(t, err, fault.AccountDisabled, w.admin, w.original, "Nothing was changed")
					}
					if strings.Join(before, "") != strings.Join(w.everything(), "") {
						t.Error("something was changed")
					}
				})
			}
		}
	}
	// In the very transaction that would change it.
	t.Run("meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newTwins(t, nil)
		p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool {
			if strings.Contains(string(data), "ALTER ROLE") {
				w.Exec("ALTER ROLE " + w.original + " NOLOGIN")
			}
			return true
		}}
		p.Start(t, w.Host, w.Port)
		stored := w.Exec("SELECT rolpassword FROM pg_authid WHERE rolname = " + lit(w.original))[0][0]
		doc := w.admin.At(w.Host, p.Port)
		expect(t, open(t, doc).SetPassword(t.Context(), w.original, redact.New("new-Pa55word")), fault.AccountDisabled, doc)
		if w.Exec("SELECT rolpassword FROM pg_authid WHERE rolname = " + lit(w.original))[0][0] != stored {
			t.Error("the password was changed")
		}
	})
}

// A change that is held up on its way, by a pooler's queue or a network, for longer
// than anybody waits is not made when it arrives.
func TestArrivesTooLate(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *twins, engine.Session) error{
		"SetPassword": func(ctx context.Context, w *twins, s engine.Session) error {
			return s.SetPassword(ctx, w.original, redact.New("new-Pa55word"))
		},
		"EnsureClone": func(ctx context.Context, w *twins, s engine.Session) error {
			_, err := s.EnsureClone(ctx, w.request())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTwins(t, nil)
			w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs'")
			w.proven = true
			before := w.everything()
			arrived := make(chan struct{})
			p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool {
				if strings.Contains(string(data), "PASSWORD '") {
					time.Sleep(engine.LateBound)
					time.AfterFunc(time.Second, func() { close(arrived) })
				}
				return true
			}}
			p.Start(t, w.Host, w.Port)
			ctx, cancel := context.WithTimeout(t.Context(), engine.LateBound/2) // what comes before the change has to fit
			defer cancel()
			s := open(t, w.admin.At(w.Host, p.Port))
			if err := do(ctx, w, s); fault.CodeOf(err) != fault.OutcomeUnknown {
				t.Errorf("got %v", err)
			}
			<-arrived
			if strings.Join(before, "") != strings.Join(w.everything(), "") {
				t.Error("the change was made behind our back")
			}
		})
	}
}
