package sqlserver_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
)

const mark = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf"

func request(password string) engine.CloneRequest {
	return engine.CloneRequest{Original: "app", Clone: "app_clone", Password: redact.New(password), Mark: mark}
}

// level ensures the clone, and that what the result says of it is what both
// accounts say of themselves.
func (b *bed) level(r engine.CloneRequest, originalPassword, clonePassword, database string) engine.CloneResult {
	b.t.Helper()
	got, err := b.admin().EnsureClone(b.t.Context(), r)
	must(b.t, err)
	for user, password := range map[string]string{r.Original: originalPassword, r.Clone: clonePassword} {
		own, err := b.connect(user, password, database).Privileges(b.t.Context(), user)
		must(b.t, err)
		if diff := cmp.Diff(got.Privileges, own); diff != "" {
			b.t.Errorf("%s says of itself: %s", user, diff)
		}
	}
	return got
}

func changes(t *testing.T, got engine.CloneResult, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got.Changes); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(strings.Join(append(got.Changes, got.Privileges...), "\n"), "C4nary") {
		t.Error("a password shows in the result")
	}
}

func TestCloneLogin(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("shop", false)
	b.exec("shop",
		tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]",
		tsql.CreateUser("app", "app", "dbo"), "ALTER ROLE [db_datareader] ADD MEMBER [app]")
	b.exec("app",
		"GRANT SELECT ON OBJECT::[dbo].[orders] TO [app] WITH GRANT OPTION",
		"DENY SELECT ([card]) ON OBJECT::[dbo].[customers] TO [app]",
		"GRANT EXECUTE ON SCHEMA::[dbo] TO [app]",
		"GRANT CREATE TABLE TO [app]",
		"GRANT ALTER ON USER::[app] TO [app]")
	b.AddSecurable("app", "CERTIFICATE", "", "signer", "")
	b.exec("app", "GRANT CONTROL ON CERTIFICATE::[signer] TO [app]")
	b.exec("master", "GRANT VIEW SERVER STATE TO [app]")

	got := b.level(request(newPassword), appPassword, newPassword, "app")
	if !got.Created {
		t.Error("not created")
	}
	changes(
		t, got,
		"CREATE LOGIN [app_clone]",
		"GRANT VIEW SERVER STATE TO [app_clone]",
		"[app]: CREATE USER [app_clone] FOR LOGIN [app_clone] WITH DEFAULT_SCHEMA = [dbo]",
		"[app]: DENY SELECT ([card]) ON OBJECT::[dbo].[customers] TO [app_clone]",
		"[app]: GRANT CONTROL ON CERTIFICATE::[signer] TO [app_clone]",
		"[app]: GRANT CREATE TABLE TO [app_clone]",
		"[app]: GRANT ALTER ON USER::[app_clone] TO [app_clone]",
		"[app]: GRANT SELECT ON OBJECT::[dbo].[orders] TO [app_clone] WITH GRANT OPTION",
		"[app]: GRANT EXECUTE ON SCHEMA::[dbo] TO [app_clone]",
		"[shop]: CREATE USER [app_clone] FOR LOGIN [app_clone] WITH DEFAULT_SCHEMA = [dbo]",
		"[shop]: ALTER ROLE [db_datareader] ADD MEMBER [app_clone]",
	)
	// Again: nothing to do but the password.
	again := b.level(request(nextPassword), appPassword, nextPassword, "app")
	if changes(t, again); again.Created {
		t.Error("created twice")
	}
	want(t, b.login("app_clone", newPassword, "app"), fault.LoginRefused)
	// And without a password none is changed.
	changes(t, b.level(request(""), appPassword, nextPassword, "app"))
}

// What changes on the original between rotations follows, in both directions.
func TestCloneFollowsDrift(t *testing.T) {
	b := newBed(t)
	b.exec("app",
		"GRANT SELECT ON OBJECT::[dbo].[orders] TO [app]",
		"GRANT UPDATE ON OBJECT::[dbo].[orders] TO [app] WITH GRANT OPTION",
		"DENY DELETE ON OBJECT::[dbo].[orders] TO [app]",
		"ALTER ROLE [db_datareader] ADD MEMBER [app]")
	b.level(request(newPassword), appPassword, newPassword, "app")

	b.exec("app",
		"REVOKE SELECT ON OBJECT::[dbo].[orders] FROM [app]",
		"REVOKE GRANT OPTION FOR UPDATE ON OBJECT::[dbo].[orders] FROM [app] CASCADE",
		"GRANT DELETE ON OBJECT::[dbo].[orders] TO [app]",
		"DENY INSERT ON OBJECT::[dbo].[orders] TO [app]",
		"ALTER ROLE [db_datareader] DROP MEMBER [app]",
		"ALTER ROLE [db_datawriter] ADD MEMBER [app]",
		tsql.AlterUserSchema("app", "sales"))
	b.exec("master", tsql.AlterLogin("app", tsql.LoginSettings{Database: "app", Language: "Deutsch"}))
	b.exec("app", "GRANT CREATE VIEW TO [app_clone]") // granted to the clone by hand
	got := b.level(request(nextPassword), appPassword, nextPassword, "app")
	changes(
		t, got,
		"ALTER LOGIN [app_clone] WITH DEFAULT_DATABASE = [app], DEFAULT_LANGUAGE = [Deutsch], CHECK_POLICY = OFF, CHECK_EXPIRATION = OFF",
		"[app]: ALTER USER [app_clone] WITH DEFAULT_SCHEMA = [sales]",
		"[app]: DENY INSERT ON OBJECT::[dbo].[orders] TO [app_clone]",
		"[app]: GRANT DELETE ON OBJECT::[dbo].[orders] TO [app_clone]",
		"[app]: ALTER ROLE [db_datawriter] ADD MEMBER [app_clone]",
		"[app]: REVOKE CREATE VIEW FROM [app_clone]",
		"[app]: REVOKE SELECT ON OBJECT::[dbo].[orders] FROM [app_clone]",
		"[app]: REVOKE GRANT OPTION FOR UPDATE ON OBJECT::[dbo].[orders] FROM [app_clone] CASCADE",
		"[app]: ALTER ROLE [db_datareader] DROP MEMBER [app_clone]",
	)

	// The original leaves a database, and so does the clone.
	b.exec("app", tsql.DropUser("app"))
	got, err := b.admin().EnsureClone(t.Context(), request(nextPassword))
	must(t, err)
	changes(t, got, "[app]: DROP USER [app_clone]")
	b.SetDisabled("app_clone", true)
	got, err = b.admin().EnsureClone(t.Context(), request(nextPassword))
	must(t, err)
	changes(t, got, "ALTER LOGIN [app_clone] ENABLE")
}

func TestCloneOfAnOwner(t *testing.T) {
	t.Run("of schemas", func(t *testing.T) {
		b := newBed(t)
		b.AddSecurable("app", "SCHEMA", "", "mine", "app")
		got := b.level(request(newPassword), appPassword, newPassword, "app")
		if !slices.Contains(got.Changes, "[app]: GRANT CONTROL ON SCHEMA::[mine] TO [app_clone]") {
			t.Error(got.Changes)
		}
		// The clone makes one while it is current: the original gets at it too.
		b.AddSecurable("app", "SCHEMA", "", "cloned", "app_clone")
		b.exec("app", "GRANT SELECT ON SCHEMA::[cloned] TO [app]")
		changes(t, b.level(request(nextPassword), appPassword, nextPassword, "app"),
			"[app]: GRANT CONTROL ON SCHEMA::[cloned] TO [app]")
		changes(t, b.level(request(newPassword), appPassword, newPassword, "app"))
	})
	t.Run("of a database", func(t *testing.T) {
		b := newBed(t)
		b.AddDatabase("own", false)
		b.SetOwner("own", "app")
		b.exec("own", tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
		got := b.level(request(newPassword), appPassword, newPassword, "own")
		if !slices.Contains(got.Changes, "[own]: ALTER ROLE [db_owner] ADD MEMBER [app_clone]") {
			t.Error(got.Changes)
		}
	})
	t.Run("the clone owns a database", func(t *testing.T) {
		b := newBed(t)
		b.level(request(newPassword), appPassword, newPassword, "app")
		b.AddDatabase("own", false)
		b.SetOwner("own", "app_clone")
		b.exec("own", tsql.CreateUser("admin", "admin", "dbo"))
		_, err := b.admin().EnsureClone(t.Context(), request(nextPassword))
		want(t, err, fault.DatabaseError)
		must(t, b.login("app_clone", newPassword, "app"))
	})
}

// An account is only touched when it is provably the secret's.
func TestCloneNotOurs(t *testing.T) {
	untouched := func(t *testing.T, b *bed, r engine.CloneRequest) {
		t.Helper()
		before := len(b.Statements())
		_, err := b.admin().EnsureClone(t.Context(), r)
		want(t, err, fault.AccountNotOurs)
		for _, text := range b.Statements()[before:] {
			if !strings.HasPrefix(text, "USE ") {
				t.Errorf("it sent %s", text)
			}
		}
	}
	t.Run("login", func(t *testing.T) {
		b := newBed(t)
		b.exec("master", login("app_clone", nextPassword))
		untouched(t, b, request(newPassword))
		must(t, b.login("app_clone", nextPassword, "master"))
		r := request(newPassword)
		r.Proven = true // a version of the secret has named it, as after AWS's own rotation
		b.level(r, appPassword, newPassword, "app")
	})
	t.Run("login of another secret", func(t *testing.T) {
		b := newBed(t)
		b.level(request(newPassword), appPassword, newPassword, "app")
		r := request(nextPassword)
		r.Mark = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf"
		untouched(t, b, r)
	})
	t.Run("server role", func(t *testing.T) {
		b := newBed(t)
		b.AddRole("", "app_clone")
		r := request(newPassword)
		r.Proven = true
		untouched(t, b, r)
	})
	t.Run("database user", func(t *testing.T) {
		b := newBed(t)
		b.exec("master", login("other", nextPassword))
		b.exec("app", tsql.CreateUser("app_clone", "other", "dbo"))
		r := request(newPassword)
		r.Proven = true
		untouched(t, b, r)
	})
	t.Run("contained user", func(t *testing.T) {
		b := containedBed(t)
		b.exec("box", tsql.CreateContainedUser("app_clone", redact.New(nextPassword), "dbo", "", "arn:other").Reveal())
		r := request(newPassword)
		r.Original = "boxed"
		untouched(t, b, r)
		must(t, b.login("app_clone", nextPassword, "box"))
	})
}

func containedBed(t *testing.T) *bed {
	b := newBed(t)
	b.AddDatabase("box", true)
	b.AddTable("box", "things", "id")
	b.exec("box",
		tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]",
		tsql.CreateContainedUser("boxed", redact.New(appPassword), "dbo", "Deutsch", "nobody's").Reveal(),
		"GRANT SELECT ON OBJECT::[dbo].[things] TO [boxed]", "ALTER ROLE [db_datawriter] ADD MEMBER [boxed]")
	return b
}

func TestCloneContainedUser(t *testing.T) {
	b := containedBed(t)
	r := engine.CloneRequest{Original: "boxed", Clone: "boxed_clone", Password: redact.New(newPassword), Mark: mark}
	got := b.level(r, appPassword, newPassword, "box")
	changes(t, got,
		"[box]: CREATE USER [boxed_clone]",
		"[box]: GRANT SELECT ON OBJECT::[dbo].[things] TO [boxed_clone]",
		"[box]: ALTER ROLE [db_datawriter] ADD MEMBER [boxed_clone]")
	b.exec("box", "DENY SELECT ON OBJECT::[dbo].[things] TO [boxed]", tsql.AlterUserLanguage("boxed", ""), tsql.AlterUserSchema("boxed", "x"))
	r.Password = redact.New(nextPassword)
	changes(t, b.level(r, appPassword, nextPassword, "box"),
		"[box]: ALTER USER [boxed_clone] WITH DEFAULT_SCHEMA = [x]",
		"[box]: ALTER USER [boxed_clone] WITH DEFAULT_LANGUAGE = NONE",
		"[box]: DENY SELECT ON OBJECT::[dbo].[things] TO [boxed_clone]")
	want(t, b.login("boxed_clone", newPassword, "box"), fault.LoginRefused)
}

// What cannot be copied is said, not dropped.
func TestCloneNotCopied(t *testing.T) {
	for name, tc := range map[string]struct{ class, state string }{
		"class":            {"SERVICE", "GRANT"},
		"column exception": {"OBJECT_OR_COLUMN", "REVOKE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.AddPermission("app", "app", tc.class, tc.state, "SEND")
			_, err := b.admin().EnsureClone(t.Context(), request(newPassword))
			want(t, err, fault.DatabaseError)
			if !strings.Contains(err.Error(), tc.class) || !strings.Contains(err.Error(), "[app]") {
				t.Error(err)
			}
			b.AddPermission("app", "app_clone", tc.class, tc.state, "SEND") // by hand, for both alike
			_, err = b.admin().EnsureClone(t.Context(), request(newPassword))
			must(t, err)
		})
	}
}

// Interrupted at any statement, before or after it took effect, the next call
// makes it good, although no version of the secret has named the clone yet.
func TestCloneInterrupted(t *testing.T) {
	scenes := map[string]func(t *testing.T) (*bed, engine.CloneRequest){
		"login": func(t *testing.T) (*bed, engine.CloneRequest) {
			b := newBed(t)
			b.exec("app", "GRANT SELECT ON OBJECT::[dbo].[orders] TO [app]", "ALTER ROLE [db_datareader] ADD MEMBER [app]")
			return b, request(newPassword)
		},
		"contained": func(t *testing.T) (*bed, engine.CloneRequest) {
			return containedBed(t), engine.CloneRequest{Original: "boxed", Clone: "app_clone", Password: redact.New(newPassword), Mark: mark}
		},
	}
	for name, scene := range scenes {
		for _, statement := range []string{"CREATE LOGIN", "SET XACT_ABORT", "CREATE USER", "GRANT", "ALTER ROLE", "USE", tsql.Login, tsql.Users, tsql.DatabaseRights()} {
			for _, before := range []bool{true, false} {
				b, r := scene(t)
				b.Inject(tdsfake.Fault{Statement: statement, Before: before})
				_, err := b.admin().EnsureClone(t.Context(), r)
				if err != nil && !fault.CodeOf(err).Retryable() {
					t.Errorf("%s, %s: got %v", name, statement, err)
				}
				got, err := b.admin().EnsureClone(t.Context(), r)
				if err != nil {
					t.Fatalf("%s, %s, before %t: then %v", name, statement, before, err)
				}
				original, err := b.admin().Privileges(t.Context(), r.Original)
				must(t, err)
				if diff := cmp.Diff(original, got.Privileges); diff != "" {
					t.Errorf("%s, %s: %s", name, statement, diff)
				}
			}
		}
	}
}

func TestCloneErrors(t *testing.T) {
	t.Run("no privilege", func(t *testing.T) {
		b := newBed(t)
		_, err := b.connect("app", appPassword, "app").EnsureClone(t.Context(), request(newPassword))
		want(t, err, fault.PrivilegeMissing)
		if b.HasLogin("app_clone") {
			t.Error("it was made all the same")
		}
	})
	t.Run("no original", func(t *testing.T) {
		b := newBed(t)
		r := request(newPassword)
		r.Original = "nobody"
		_, err := b.admin().EnsureClone(t.Context(), r)
		want(t, err, fault.DatabaseError)
	})
	t.Run("no clone and no password", func(t *testing.T) {
		b := newBed(t)
		_, err := b.admin().EnsureClone(t.Context(), request(""))
		want(t, err, fault.DatabaseError)
	})
	t.Run("policy", func(t *testing.T) {
		b := newBed(t)
		_, err := b.admin().EnsureClone(t.Context(), request("short"))
		want(t, err, fault.PasswordRejected)
	})
	t.Run("read-only", func(t *testing.T) {
		b := newBed(t)
		b.SetReadOnly("app", true)
		_, err := b.admin().EnsureClone(t.Context(), request(newPassword))
		want(t, err, fault.DatabaseReadOnly)
	})
	t.Run("a server role the superuser is not in", func(t *testing.T) {
		b := newBed(t)
		b.exec("app", "ALTER SERVER ROLE [setupadmin] ADD MEMBER [app]")
		_, err := b.admin().EnsureClone(t.Context(), request(newPassword))
		want(t, err, fault.PrivilegeMissing)
		b.exec("app", "ALTER SERVER ROLE [setupadmin] ADD MEMBER [admin]")
		changes(t, b.level(request(newPassword), appPassword, newPassword, "app"),
			"ALTER SERVER ROLE [setupadmin] ADD MEMBER [app_clone]",
			"[app]: CREATE USER [app_clone] FOR LOGIN [app_clone] WITH DEFAULT_SCHEMA = [dbo]")
	})
	t.Run("privileges of another", func(t *testing.T) {
		b := newBed(t)
		_, err := b.connect("app", appPassword, "app").Privileges(t.Context(), "admin")
		want(t, err, fault.PrivilegeMissing)
	})
}

// Privileges of an account and of its clone are equal in spite of names that
// contain anything, also each other's.
func TestCloneAnyName(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("a]b'c [x]", false)
	b.exec("a]b'c [x]", tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	for _, name := range []string{`x]'y`, "[x]", `N'x'`, "app_clone_clone", "a b;--", "Ünïcode 🙂", "%s"} {
		b.exec("master", login(name, appPassword))
		b.exec("a]b'c [x]", tsql.CreateUser(name, name, "my]schema"))
		role := name + " role"
		b.AddRole("a]b'c [x]", role)
		b.exec("a]b'c [x]", tsql.Membership(false, true, role, name))
		got := b.level(engine.CloneRequest{
			Original: name, Clone: name + "_clone", Password: redact.New(newPassword), Mark: mark,
		}, appPassword, newPassword, "a]b'c [x]")
		if len(got.Changes) != 3 {
			t.Error(got.Changes)
		}
	}
}

// Issue 11, case 9: what the superuser cannot look into it says.
func TestCloneTellsOfDatabasesThatAreClosed(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("shop", false)
	b.AddDatabase("hidden", false)
	b.exec("shop", tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	b.exec("hidden", tsql.CreateUser("app", "app", "dbo"))
	got, err := b.admin().EnsureClone(t.Context(), request("C4nary-new"))
	must(t, err)
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], `"hidden"`) {
		t.Errorf("got %q", got.Notes)
	}
	b.exec("hidden", tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	got, err = b.admin().EnsureClone(t.Context(), request("C4nary-new"))
	must(t, err)
	if len(got.Notes) != 0 || !strings.Contains(strings.Join(got.Changes, "; "), "hidden") {
		t.Errorf("got %q, %q", got.Notes, got.Changes)
	}
}

// A tenant's DDL triggers run with the rights of whoever changes something in its
// database. To set a password the superuser changes nothing there, and statements on
// logins are sent from master; it does so where a clone's rights are brought level, and
// preflight names the triggers.
func TestTenantsTriggers(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("box", true)
	b.exec("box", tsql.CreateUser("admin", "admin", "dbo"), "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	for _, database := range []string{"app", "box"} {
		b.AddTrigger(database, "tenants own")
	}
	inMaster := func(what string) {
		t.Helper()
		for _, database := range []string{"app", "box"} {
			for _, text := range b.StatementsIn(database) {
				if strings.Contains(text, "LOGIN") && !strings.HasPrefix(text, "CREATE USER") {
					t.Errorf("%s: %s was sent from %s", what, text, database)
				}
			}
		}
	}
	must(t, b.admin().SetPassword(t.Context(), "app", redact.New(newPassword)))
	if inMaster("a reset"); len(b.Fired()) != 0 {
		t.Errorf("a reset: %q", b.Fired())
	}

	r := request(newPassword)
	told, err := b.admin().(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &r})
	must(t, err)
	if notes := strings.Join(told.Notes, "; "); len(told.Notes) != 1 || !strings.Contains(notes, `"app"`) || !strings.Contains(notes, `"tenants own"`) {
		t.Errorf("preflight says %q", notes)
	}
	if len(b.Fired()) != 0 {
		t.Errorf("preflight: %q", b.Fired())
	}
	made, err := b.admin().EnsureClone(t.Context(), r)
	must(t, err)
	if diff := cmp.Diff(made.Changes, told.Changes); diff != "" {
		t.Errorf("preflight told otherwise: %s", diff)
	}
	inMaster("a new clone")
	fired := b.Fired()
	if diff := cmp.Diff([]string{
		"tenants own as admin: CREATE USER [app_clone] FOR LOGIN [app_clone] WITH DEFAULT_SCHEMA = [dbo]",
	}, fired); diff != "" {
		t.Errorf("a new clone: %s", diff)
	}
	for range 2 { // and when all is level, nothing
		_, err = b.admin().EnsureClone(t.Context(), request(nextPassword))
		must(t, err)
		must(t, b.admin().SetPassword(t.Context(), "app", redact.New(nextPassword)))
	}
	if inMaster("a clone that is level"); len(b.Fired()) != len(fired) {
		t.Errorf("a clone that is level: %q", b.Fired())
	}
}

// What the server would refuse is told beforehand. An account may always change its own.
func TestCanRotate(t *testing.T) {
	b := newBed(t)
	b.AddDatabase("box", true)
	b.exec("box", tsql.CreateContainedUser("lone", redact.New(appPassword), "dbo", "", "nobody's").Reveal(), tsql.CreateUser("admin", "admin", "dbo"))
	ask := func(who, password, database string, r engine.InspectRequest) error {
		_, err := b.connect(who, password, database).(engine.Inspector).CanRotate(t.Context(), r)
		return err
	}
	of := func(user string) engine.InspectRequest { return engine.InspectRequest{SetPassword: user} }
	clone := request(newPassword)
	must(t, ask("app", appPassword, "app", of("app")))
	must(t, ask("lone", appPassword, "box", of("lone")))
	must(t, ask("admin", adminPassword, "master", of("app")))
	must(t, ask("admin", adminPassword, "master", engine.InspectRequest{Clone: &clone}))
	want(t, ask("app", appPassword, "app", of("admin")), fault.PrivilegeMissing)
	want(t, ask("app", appPassword, "app", engine.InspectRequest{Clone: &clone}), fault.PrivilegeMissing)
	want(t, ask("admin", adminPassword, "master", of("nobody")), fault.DatabaseError)
	want(t, ask("admin", adminPassword, "box", of("lone")), fault.DatabaseError) // whom it does not see
	b.exec("box", "ALTER ROLE [db_owner] ADD MEMBER [admin]")
	must(t, ask("admin", adminPassword, "box", of("lone")))
	b.exec("master", login("app_clone", newPassword))
	want(t, ask("admin", adminPassword, "master", engine.InspectRequest{Clone: &clone}), fault.AccountNotOurs)
	clone.Proven = true
	must(t, ask("admin", adminPassword, "master", engine.InspectRequest{Clone: &clone}))
	for _, text := range b.Statements() {
		if !strings.HasPrefix(text, "USE ") {
			t.Errorf("%s was sent", text)
		}
	}
}
