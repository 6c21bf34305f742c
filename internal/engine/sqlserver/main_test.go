package sqlserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// Passwords that must not show up in any error, change or log.
const (
	saPassword    = "C4nary-of-sa"
	adminPassword = "C4nary-of-admin"
	appPassword   = "C4nary-of-app"
	newPassword   = "C4nary-new-one"
	nextPassword  = "C4nary-next-one"
)

// authority signs the certificates of the servers under test.
var authority = certs.New("authority of the tests")

// bed is a fake server with the logins of an RDS instance: a master user who
// may change logins and owns the application's database, and the application's.
type bed struct {
	*tdsfake.Server
	t testing.TB
	e engine.Engine
}

func newBed(t testing.TB) *bed {
	t.Helper()
	s, err := tdsfake.Start(tdsfake.Config{
		Certificate: authority.Server("127.0.0.1"), Encryption: tdsfake.EncryptionOffered, SAPassword: saPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	b := &bed{Server: s, t: t, e: sqlserver.Engine{Roots: authority.Pool()}}
	b.exec("master",
		login("admin", adminPassword),
		"GRANT ALTER ANY LOGIN TO [admin]",
		"GRANT VIEW ANY DEFINITION TO [admin]",
		"GRANT VIEW SERVER STATE TO [admin] WITH GRANT OPTION",
		login("app", appPassword))
	b.exec("app",
		tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]",
		tsql.CreateUser("app", "app", "dbo"))
	s.AddTable("app", "orders", "id", "amount")
	s.AddTable("app", "customers", "id", "card")
	return b
}

func login(name, password string) string {
	return tsql.CreateLogin(name, redact.New(password), nil, tsql.LoginSettings{
		Database: "master", Language: "us_english", CheckPolicy: true,
	}).Reveal()
}

func (b *bed) exec(database string, statements ...string) {
	b.t.Helper()
	for _, text := range statements {
		text = strings.Replace(text, ", SID = 0x,", ",", 1)
		if err := b.Exec(database, text); err != nil {
			b.t.Fatalf("%s: %v", text, err)
		}
	}
}

func (b *bed) doc(user, password, database, more string) secretdoc.Document {
	b.t.Helper()
	quoted := func(s string) string { text, _ := json.Marshal(s); return string(text) }
	text := fmt.Sprintf(`{"engine":"sqlserver-se","host":"127.0.0.1","port":%d,"username":%s,"dbname":%s,"password":"x"%s}`,
		b.Port(), quoted(user), quoted(database), more)
	d, err := secretdoc.Parse(redact.New(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return d.WithPassword(redact.New(password))
}

func (b *bed) connect(user, password, database string) engine.Session {
	b.t.Helper()
	s, err := b.e.Connect(b.t.Context(), b.doc(user, password, database, ""))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	return s
}

// admin is a session of the master user.
func (b *bed) admin() engine.Session { return b.connect("admin", adminPassword, "master") }

func (b *bed) login(user, password, database string) error {
	s, err := b.e.Connect(context.Background(), b.doc(user, password, database, ""))
	if err == nil {
		s.Close()
	}
	return err
}

// want checks a code, that there is a hint, and that nothing of the server's
// text and no password got into the message.
func want(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got %v (%v), want %s", err, errors.Unwrap(err), code)
	}
	if err == nil {
		return
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Hint == "" {
		t.Errorf("no hint in %q", err)
	}
	for _, no := range []string{"C4nary", "DRIVER-TEXT", "mssql"} {
		if strings.Contains(err.Error(), no) {
			t.Errorf("%q shows in %q", no, err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
}
