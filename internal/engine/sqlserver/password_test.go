package sqlserver_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
)

func TestOwnPassword(t *testing.T) {
	b := newBed(t)
	s := b.connect("app", appPassword, "app")
	must(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)))
	want(t, b.login("app", appPassword, "app"), fault.LoginRefused)
	must(t, b.login("app", newPassword, "app"))
	// The session knows the password it has set, which is the old one now.
	must(t, s.SetPassword(t.Context(), "app", redact.New(nextPassword)))
	must(t, b.login("app", nextPassword, "app"))
}

func TestPasswordOfAnother(t *testing.T) {
	b := newBed(t)
	must(t, b.admin().SetPassword(t.Context(), "app", redact.New(newPassword)))
	must(t, b.login("app", newPassword, "app"))
	want(t, b.admin().SetPassword(t.Context(), "nobody", redact.New(newPassword)), fault.DatabaseError)
	want(t, b.connect("app", newPassword, "app").SetPassword(t.Context(), "admin", redact.New(nextPassword)), fault.PrivilegeMissing)
	must(t, b.login("admin", adminPassword, "master"))
}

// Somebody changed the password while the session was open.
func TestOldPasswordIsEnforced(t *testing.T) {
	b := newBed(t)
	s := b.connect("app", appPassword, "app")
	b.exec("master", tsql.LoginPassword("app", redact.New(newPassword), redact.String{}).Reveal())
	want(t, s.SetPassword(t.Context(), "app", redact.New(nextPassword)), fault.PrivilegeMissing)
	must(t, b.login("app", newPassword, "app"))
}

func TestContainedUser(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("box", true)
	b.exec("box",
		tsql.CreateContainedUser("app", redact.New(appPassword), "dbo", "", "nobody's").Reveal(),
		tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")

	// The name is also a login's: each session changes what it logged in as.
	s := b.connect("app", appPassword, "box")
	must(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)))
	must(t, b.login("app", newPassword, "box"))
	must(t, b.login("app", appPassword, "app"))

	// A superuser in that database means the user, elsewhere the login.
	must(t, b.connect("admin", adminPassword, "box").SetPassword(t.Context(), "app", redact.New(nextPassword)))
	must(t, b.login("app", nextPassword, "box"))
	must(t, b.admin().SetPassword(t.Context(), "app", redact.New(newPassword)))
	must(t, b.login("app", newPassword, "app"))
	must(t, b.login("app", nextPassword, "box"))

	// Without a login of the name it is found wherever it is, if it is in one place.
	b.exec("box", tsql.CreateContainedUser("lone", redact.New(appPassword), "dbo", "", "nobody's").Reveal())
	must(t, b.admin().SetPassword(t.Context(), "lone", redact.New(newPassword)))
	must(t, b.login("lone", newPassword, "box"))
	b.AddDatabase("crate", true)
	b.exec("crate",
		tsql.CreateContainedUser("lone", redact.New(appPassword), "dbo", "", "nobody's").Reveal(),
		tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	want(t, b.admin().SetPassword(t.Context(), "lone", redact.New(nextPassword)), fault.DatabaseError)
}

func TestPasswordRefused(t *testing.T) {
	b := newBed(t)
	s := b.connect("app", appPassword, "app")
	for _, password := range []string{"short", strings.Repeat("aB3.", 33), "aB3.aB3.\\\nx", "aB3.aB3.\x00"} {
		want(t, s.SetPassword(t.Context(), "app", redact.New(password)), fault.PasswordRejected)
	}
	must(t, b.login("app", appPassword, "app"))
}

func TestStatementErrors(t *testing.T) {
	for number, code := range map[int32]fault.Code{
		229: fault.PrivilegeMissing, 230: fault.PrivilegeMissing, 262: fault.PrivilegeMissing, 300: fault.PrivilegeMissing, 916: fault.PrivilegeMissing,
		15151: fault.PrivilegeMissing, 15247: fault.PrivilegeMissing,
		15114: fault.PasswordRejected, 15116: fault.PasswordRejected, 15118: fault.PasswordRejected, 15119: fault.PasswordRejected,
		3906: fault.DatabaseReadOnly, 976: fault.DatabaseReadOnly,
		6005: fault.DatabaseUnavailable, 1205: fault.DatabaseUnavailable,
		50000: fault.DatabaseError,
	} {
		b := newBed(t)
		s := b.connect("app", appPassword, "app")
		b.Inject(tdsfake.Fault{Statement: "ALTER LOGIN", Before: true, Error: number})
		want(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)), code)
		must(t, s.SetPassword(t.Context(), "app", redact.New(newPassword))) // the session is still good
	}
}

func TestConnectionLost(t *testing.T) {
	for name, f := range map[string]tdsfake.Fault{
		"before": {Statement: "ALTER LOGIN", Before: true},
		"after":  {Statement: "ALTER LOGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			s := b.connect("app", appPassword, "app")
			b.Inject(f)
			want(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)), fault.OutcomeUnknown)
			password := newPassword
			if f.Before {
				password = appPassword
			}
			must(t, b.login("app", password, "app"))
		})
	}
	t.Run("while reading", func(t *testing.T) {
		b := newBed(t)
		s := b.connect("app", appPassword, "app")
		b.Inject(tdsfake.Fault{Statement: tsql.Self})
		want(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)), fault.DatabaseUnavailable)
		want(t, s.Probe(t.Context()), fault.DatabaseUnavailable)
	})
	t.Run("silence", func(t *testing.T) {
		b := newBed(t)
		s := b.connect("app", appPassword, "app")
		b.Inject(tdsfake.Fault{Statement: "ALTER LOGIN", Silence: true})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		want(t, s.SetPassword(ctx, "app", redact.New(newPassword)), fault.OutcomeUnknown)
		s.Close()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("no time left", func(t *testing.T) {
		b := newBed(t)
		s := b.connect("app", appPassword, "app")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.SetPassword(ctx, "app", redact.New(newPassword))
		if !fault.CodeOf(err).Retryable() {
			t.Errorf("got %v", err)
		}
	})
}

// Any text that a name or a password may be: the canary of quoting.
func textOf(most int) *rapid.Generator[string] {
	letters := rapid.OneOf(
		rapid.RuneFrom([]rune(` !"#$%&'()*+,-./0123456789:;<=>?@ABYZ[\]^_abyz{|}~`)),
		rapid.RuneFrom([]rune("äßŁЖ中あ🙂𝒳")),
		rapid.RuneFrom(nil, unicode.Letter, unicode.Symbol),
	)
	return rapid.StringOfN(letters, 1, most, most)
}

func TestAnyNameAndPassword(t *testing.T) {
	b := newBed(t)
	made := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		name := textOf(40).Filter(func(s string) bool { return !strings.Contains(s, `\`) && !made[s] && !b.HasLogin(s) }).Draw(rt, "name")
		first, second := "aB3.aB3."+textOf(40).Draw(rt, "first"), "aB3.aB3."+textOf(40).Draw(rt, "second")
		made[name] = true
		b.exec("master", login(name, first))
		b.exec("app", tsql.CreateUser(name, name, "dbo"))
		ctx := context.Background()
		s, err := b.e.Connect(ctx, b.doc(name, first, "app", ""))
		must(t, err)
		defer s.Close()
		must(t, s.SetPassword(ctx, name, redact.New(second)))
		if first != second {
			want(t, b.login(name, first, "app"), fault.LoginRefused)
		}
		must(t, b.login(name, second, "app"))
		if err := b.login(name, second+" ", "app"); !fault.Is(err, fault.LoginRefused) {
			rt.Fatalf("a longer password got %v", err)
		}
	})
}

func TestTraceHasNoPassword(t *testing.T) {
	b := newBed(t)
	s := b.connect("app", appPassword, "app")
	must(t, s.SetPassword(t.Context(), "app", redact.New(newPassword)))
	got := strings.Join(b.Statements(), "\n")
	if got != "ALTER LOGIN [app] WITH PASSWORD = N'***' OLD_PASSWORD = N'***'" {
		t.Error(got)
	}
}
