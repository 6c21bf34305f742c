package sqlserver_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// The suite of all engines, on the fake: there is no SQL Server to be had. It
// has no log of statements that could prove anything.
func TestSuite(t *testing.T) {
	b := newBed(t)
	plain, err := tdsfake.Start(tdsfake.Config{SAPassword: saPassword})
	must(t, err)
	t.Cleanup(plain.Close)
	doc := b.doc("sa", saPassword, "master", "")
	doc.Port = plain.Port()
	b.exec("app", "ALTER SERVER ROLE [processadmin] ADD MEMBER [admin]")

	read := right(b, "SELECT on a table", "app", "SELECT", "orders")
	state := right(b, "VIEW SERVER STATE", "master", "VIEW SERVER STATE", "")
	enginetest.Run(t, enginetest.Target{
		Name:    "a protocol fake of SQL Server, not a real one",
		Engine:  b.e,
		Fixture: fixture{b},
		Rights:  []enginetest.Right{read, state, right(b, "CREATE TABLE", "app", "CREATE TABLE", "")},
		GrantAll: func(t testing.TB, user string) {
			state.Grant(t, user)
			b.member(user)
			b.exec("app", tsql.Membership(false, true, "db_owner", user))
			b.exec("master", tsql.Membership(true, true, "processadmin", user))
		},
		Barred: []enginetest.Barred{
			{Name: "ALTER LOGIN ... DISABLE", Code: fault.AccountDisabled, Bar: func(_ testing.TB, user string) { b.SetDisabled(user, true) }},
			b.trouble("locked after failed logins", 18486, fault.AccountDisabled),
			b.trouble("CHECK_EXPIRATION", 18487, fault.PasswordExpired),
			b.trouble("MUST_CHANGE", 18488, fault.PasswordExpired),
		},
		Scenes:    b.scenes(),
		Catalogue: func(_ testing.TB, user string, _ redact.String) []string { return b.Rights(user) },
		Locks:     []enginetest.Lock{{Name: "open transaction", Hold: func(testing.TB, string) func() { return b.Hold() }}},
		Waiting:   func(testing.TB) int { return b.Waiting() },
		NotApplicable: map[string]string{
			"tls/not required and not there":   "the password could be read: see TestTLS",
			"late statement/the next one wins": "the fake does not queue what waits, as SQL Server does",
		},
		Marks:  true,
		TLS:    &enginetest.TLS{Distrusting: sqlserver.Engine{Roots: certs.New("another authority").Pool()}, WrongHost: "localhost"},
		NoTLS:  &doc,
		Logins: func(testing.TB) (int, int) { c := b.Counts(); return c.Accepted, c.Refused },
		UserName: func(name string) bool {
			return !strings.Contains(name, `\`) // a Windows account's
		},
	})
}

// scenes are logins as people have them.
func (b *bed) scenes() []enginetest.Scene {
	orders := tsql.Securable{Kind: "OBJECT", Schema: "dbo", Name: "orders"}
	card := tsql.Securable{Kind: "OBJECT", Schema: "dbo", Name: "customers", Column: "card"}
	return []enginetest.Scene{
		{Name: "a default database, a language and a policy", Set: func(_ testing.TB, user string) {
			b.member(user)
			b.exec("master", tsql.AlterLogin(user, tsql.LoginSettings{Database: "app", Language: "Deutsch", CheckPolicy: true, CheckExpiration: true}))
		}},
		{Name: "a server role and database roles", Set: func(_ testing.TB, user string) {
			b.member(user)
			b.exec("master", tsql.Membership(true, true, "processadmin", user))
			b.exec("app", tsql.Membership(false, true, "db_datareader", user), tsql.Membership(false, true, "db_denydatareader", user))
		}},
		{Name: "a grant with grant option and a denied column", Set: func(_ testing.TB, user string) {
			b.member(user)
			b.exec("app", tsql.Permission("UPDATE", orders, "", tsql.GrantWithOption, user), tsql.Permission("SELECT", card, "", tsql.Deny, user))
		}},
	}
}

// trouble is an error in answer to the right password.
func (b *bed) trouble(name string, number int32, code fault.Code) enginetest.Barred {
	return enginetest.Barred{Name: name, Code: code, Bar: func(_ testing.TB, user string) { b.SetTrouble(user, number) }}
}

// member makes a login's user in database app.
func (b *bed) member(login string) {
	if !b.HasUser("app", login) {
		b.exec("app", tsql.CreateUser(login, login, "dbo"))
	}
}

func right(b *bed, name, database, permission, table string) enginetest.Right {
	on := tsql.Securable{}
	if table != "" {
		on = tsql.Securable{Kind: "OBJECT", Schema: "dbo", Name: table}
	}
	change := func(from, to tsql.State) func(testing.TB, string) {
		return func(_ testing.TB, user string) {
			if database != "master" {
				b.member(user)
			}
			b.exec(database, tsql.Permission(permission, on, from, to, user))
		}
	}
	return enginetest.Right{
		Name:   name,
		Grant:  change("", tsql.Grant),
		Revoke: change(tsql.Grant, ""),
		Works: func(_ testing.TB, user string, password redact.String) bool {
			return b.Can(user, password.Reveal(), database, permission, table)
		},
	}
}

// fixture manages logins.
type fixture struct{ b *bed }

func (f fixture) Superuser() secretdoc.Document { return f.b.doc("admin", adminPassword, "master", "") }

func (f fixture) Document(user string, password redact.String) secretdoc.Document {
	return f.b.doc(user, password.Reveal(), "master", "")
}

func (f fixture) CreateUser(_ testing.TB, user string, password redact.String) {
	f.b.exec("master", login(user, password.Reveal()))
}

func (f fixture) DropUser(_ testing.TB, user string) { f.b.Drop(user) }

func (f fixture) Login(_ testing.TB, user string, password redact.String) bool {
	return f.b.Accepts(user, password.Reveal(), "master")
}
