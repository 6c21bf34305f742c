package postgres_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// printable is every printable character of ASCII.
var printable = func() string {
	var b strings.Builder
	for c := ' '; c <= '~'; c++ {
		b.WriteRune(c)
	}
	return b.String()
}()

// awkward are passwords that something between here and pg_authid might trip
// over.
var awkward = []string{
	printable, `'`, `''`, `"`, `\`, `\'`, `%s%d%`, `$1`, `$$`, `a;--`, `/* x */`, ` lead and trail `, "x", strings.Repeat("long", 200),
	"md5" + strings.Repeat("0", 32), "SCRAM-SHA-256$4096:AAAA$BBBB:CCCC", "tab\tnewline\n", "grün", "пароль", "密码", "😀",
}

func TestRotateOwnPassword(t *testing.T) {
	for name, options := range map[string][]dbtest.Option{
		"scram-sha-256":    nil,
		"md5":              {dbtest.MD5()},
		"iterations":       nil,
		"no escape syntax": {dbtest.Setting("standard_conforming_strings", "off"), dbtest.Setting("escape_string_warning", "off")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := dbtest.Postgres(t, options...)
			t.Logf("PostgreSQL %s", db.Server.Version)
			want := "SCRAM-SHA-256$4096:"
			switch {
			case name == "md5":
				want = "md5"
			case name == "iterations" && len(db.Exec("SELECT 1 FROM pg_settings WHERE name = 'scram_iterations'")) == 1: // since 16
				db.Exec("ALTER ROLE " + db.User + " SET scram_iterations = 7777")
				want = "SCRAM-SHA-256$7777:"
			}
			doc := db.Document(nil)
			for _, password := range awkward {
				next := doc.WithPassword(redact.New(password))
				s := open(t, doc)
				if err := s.SetPassword(t.Context(), db.User, next.Password); err != nil {
					t.Fatal(err)
				}
				if err := s.Probe(t.Context()); err != nil {
					t.Errorf("the session did not survive: %v", err)
				}
				s.Close()
				refused(t, doc)
				accepted(t, next)
				doc = next
			}
			stored := db.Exec("SELECT rolpassword FROM pg_authid WHERE rolname = '" + db.User + "'")[0][0]
			if !strings.HasPrefix(stored, want) {
				t.Errorf("what is stored does not begin with %s", want)
			}
		})
	}
}

func TestSuperuserSetsAnothersPassword(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	next := db.Document(nil).WithPassword(redact.New("n3xt-Pa55word"))
	s := open(t, db.SuperuserDocument(nil))
	if err := s.SetPassword(t.Context(), db.User, next.Password); err != nil {
		t.Fatal(err)
	}
	refused(t, db.Document(nil))
	accepted(t, next)
}

// Whatever the user is called, its password and no other's is changed.
func TestAnyUserName(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	md5 := dbtest.Postgres(t, dbtest.MD5())
	rapid.Check(t, func(rt *rapid.T) {
		db := rapid.SampledFrom([]*dbtest.DB{db, md5}).Draw(rt, "server")
		name := rapid.OneOf(
			rapid.StringMatching(`[ -~]{1,63}`),
			rapid.StringN(1, 63, 63),
			rapid.SampledFrom([]string{`"`, `""`, `'`, `\`, `;`, ` `, `User`, `sélect`, `a"b'c\d e`, `$1`, `%s`, strings.Repeat("é", 31) + "x"}),
		).Filter(legalName).Draw(rt, "user")
		role := pgx.Identifier{name}.Sanitize()
		db.Exec(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'old'; CREATE ROLE bystander LOGIN PASSWORD 'other'`)
		defer db.Exec(`DROP ROLE ` + role + `; DROP ROLE bystander`)
		as := func(user, password string) secretdoc.Document {
			return db.Document(func(keys map[string]any) { keys["username"], keys["password"] = user, password })
		}
		s, err := postgres.Engine{}.Connect(t.Context(), as(name, "old"))
		if err != nil {
			rt.Fatal(err)
		}
		err = s.SetPassword(t.Context(), name, redact.New("new"))
		s.Close()
		if err != nil {
			rt.Fatal(err)
		}
		accepted(t, as(name, "new"))
		refused(t, as(name, "old"))
		accepted(t, as("bystander", "other"))
	})
}

// legalName leaves out what PostgreSQL reserves.
func legalName(name string) bool {
	return !strings.HasPrefix(name, "pg_") && name != "public" && name != "none" && name != "postgres" && name != "bystander" &&
		!strings.ContainsRune(name, 0) && utf8.ValidString(name)
}

// A name that PostgreSQL would cut off names another role.
func TestNamesThatAreNoNames(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	s := open(t, db.SuperuserDocument(nil))
	for _, name := range []string{"", strings.Repeat("x", 64), strings.Repeat("é", 32), "a\x00b", "a\xffb"} {
		if err := s.SetPassword(t.Context(), name, redact.New("x")); fault.CodeOf(err) != fault.InvalidSecret {
			t.Errorf("%q: got %v, want InvalidSecret", name, err)
		}
	}
	doc := db.Document(func(keys map[string]any) { keys["username"] = strings.Repeat("x", 64) })
	if _, err := (postgres.Engine{}).Connect(t.Context(), doc); fault.CodeOf(err) != fault.InvalidSecret {
		t.Errorf("Connect: got %v, want InvalidSecret", err)
	}
}

// Nothing that keeps statements gets to see a password, not even when one fails.
func TestPasswordStaysOutOfTheServersLog(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]dbtest.Option{"scram-sha-256": nil, "md5": {dbtest.MD5()}} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.Postgres(t, options...)
			const canary = "c4nary-Pa55word"
			s := open(t, db.Document(nil))
			if err := s.SetPassword(t.Context(), db.User, redact.New(canary)); err != nil {
				t.Fatal(err)
			}
			failed := s.SetPassword(t.Context(), db.Server.AdminUser, redact.New(canary))
			expect(t, failed, fault.PrivilegeMissing, db.Document(nil).WithPassword(redact.New(canary)))
			log := db.Log()
			if !regexp.MustCompile(`STATEMENT: .*; ALTER ROLE "postgres" PASSWORD '`).MatchString(log) {
				t.Fatal("the log lacks the statement that failed: the search would prove nothing")
			}
			statements, installed := db.StatStatements()
			if installed && !strings.Contains(strings.Join(statements, "\n"), "ALTER ROLE") {
				t.Error("pg_stat_statements lacks ALTER ROLE: the search would prove nothing")
			}
			t.Logf("searched %d bytes of log and %d statements of pg_stat_statements", len(log), len(statements))
			if strings.Contains(log, canary) || strings.Contains(strings.Join(statements, "\n"), canary) {
				t.Error("the password shows")
			}
		})
	}
}

// One connection and one login, whether or not TLS was tried first.
func TestOneLogin(t *testing.T) {
	for name, ssl := range map[string]any{"ssl absent": nil, "ssl false": false} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.Postgres(t, dbtest.Unshared(t.Name()))
			doc := db.Document(func(keys map[string]any) {
				if ssl != nil {
					keys["ssl"] = ssl
				}
			})
			s := open(t, doc)
			if err := s.SetPassword(t.Context(), db.User, redact.New("next")); err != nil {
				t.Fatal(err)
			}
			s.Close()
			log := db.Log()
			if got := strings.Count(log, "connection received"); got != 1 {
				t.Errorf("%d connections, want 1:\n%s", got, log)
			}
			if got := strings.Count(log, "connection authorized: user="+db.User); got != 1 {
				t.Errorf("%d logins, want 1:\n%s", got, log)
			}
			if !strings.Contains(log, "application_name=tumbler") {
				t.Error("application_name is not tumbler")
			}
		})
	}
}

// No state is left in the session: a pooler may give it to somebody else.
func TestNoSessionState(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	s := open(t, db.Document(nil))
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := ""
	for line := range strings.Lines(db.Log()) { // without those of tests beside this one
		if strings.Contains(line, "user="+db.User+" ") {
			log += line
		}
	}
	if strings.Contains(log, "SET statement_timeout") || strings.Contains(log, "WARNING") || !strings.Contains(log, "SET LOCAL statement_timeout") {
		t.Errorf("unexpected settings or warnings:\n%s", log)
	}
}

func TestCancelledBeforeItBegan(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, db.Document(nil))
	cancel()
	_, err := postgres.Engine{}.Connect(ctx, db.Document(nil))
	expect(t, err, fault.DatabaseUnreachable, db.Document(nil), "cancelled")
	err = s.SetPassword(ctx, db.User, redact.New("never"))
	expect(t, err, fault.DatabaseUnavailable, db.Document(nil), "cancelled", "before anything was changed")
	accepted(t, db.Document(nil))
}

func TestCloseIsQuick(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	s := open(t, db.Document(nil))
	began := time.Now()
	s.Close()
	s.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}
