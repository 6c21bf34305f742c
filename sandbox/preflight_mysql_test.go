package sandbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// otherLog is that of the other database.
func (w *world) otherLog() string {
	if w.mysql == nil {
		return ""
	}
	return w.mysql.Log()
}

const alternatingMaria = `{"secretId":"maria/app","strategy":"alternating-users","superuserSecretId":"maria/admin"}`

// newMariaWorld is a world with the secrets of a user, who may do something, and
// of a superuser, who may do what grants says.
func newMariaWorld(t *testing.T, grants ...string) (w *world, user string) {
	t.Helper()
	return newMySQLWorld(t, dbtest.MariaDB(t, "preflight", dbserver.MySQL{}), grants...)
}

func newMySQLWorld(t *testing.T, server *dbtest.MySQLServer, grants ...string) (w *world, user string) {
	t.Helper()
	w = newPreflightWorld(t, nil)
	w.mysql = server
	user, admin := w.mysql.Name()[:9], w.mysql.Name()
	for name, id := range map[string]string{user: "maria/app", admin: "maria/admin"} {
		password := dbtest.Password()
		w.canaries = append(w.canaries, password.Reveal())
		w.mysql.Quietly("CREATE USER " + account(name) + " IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
		t.Cleanup(func() { _ = w.mysql.Try("DROP USER " + account(name)) })
		_, err := w.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: &id, SecretString: aws.String(w.mysql.Document(name, password, func(keys map[string]any) { keys["ssl"] = false }).Encode().Reveal()),
		})
		w.check(err)
	}
	t.Cleanup(func() { _ = w.mysql.Try("DROP USER " + account(user+"_clone")) })
	w.mysql.Exec("GRANT SELECT, INSERT ON `shop`.* TO " + account(user))
	for _, grant := range grants {
		w.mysql.Exec(strings.ReplaceAll(grant, "ADMIN", account(admin)))
	}
	return w, user
}

func account(user string) string { return dbtest.MySQLText(user) + "@'%'" }

// masterOf is the part of an RDS master user's privileges that it takes.
const masterOf = "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE USER, RELOAD ON *.* TO ADMIN WITH GRANT OPTION"

func TestPreflightOfMariaDB(t *testing.T) {
	w, user := newMariaWorld(t, masterOf)
	for _, request := range []string{`{"secretId":"maria/app"}`, alternatingMaria, alternatingMaria, alternatingMaria} {
		result := w.preflight(request)
		if !result.WouldRotate || !verdict(t, result, "privileges").OK {
			t.Fatalf("got %+v", result)
		}
		changes := len(w.changes())
		if e := w.rotate(request); e.State != "Rotated" {
			t.Fatalf("the rotation ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
		if len(w.changes()) == changes {
			t.Error("a rotation changes something, and this test does not see it")
		}
		w.kept(result)
		w.mysql.Exec("GRANT DELETE ON `shop`.* TO " + account(user)) // something to foretell
	}
}

func TestPreflightOfMariaDBFindsWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		grants []string
		spoil  func(w *world, user string)
		code   string
		says   []string
	}{
		"no right to make accounts": {
			grants: []string{"GRANT SELECT ON *.* TO ADMIN WITH GRANT OPTION", "GRANT INSERT ON `shop`.* TO ADMIN WITH GRANT OPTION"},
			code:   "PrivilegeMissing", says: []string{"has no CREATE USER ON *.*"},
		},
		"no right to read accounts": {
			grants: []string{"GRANT CREATE USER ON *.* TO ADMIN"},
			code:   "PrivilegeMissing",
		},
		"a right that it has not itself": {
			grants: []string{"GRANT SELECT, CREATE USER ON *.* TO ADMIN WITH GRANT OPTION"},
			code:   "PrivilegeMissing", says: []string{"has no INSERT ON `shop`.*"},
		},
		"rights that it may not pass on": {
			grants: []string{"GRANT SELECT, INSERT, CREATE USER ON *.* TO ADMIN"},
			code:   "PrivilegeMissing", says: []string{"has no GRANT OPTION ON `shop`.*"},
		},
		"somebody else's account": {
			grants: []string{masterOf},
			spoil:  func(w *world, user string) { w.mysql.Exec("CREATE USER " + account(user+"_clone")) },
			code:   "AccountNotOurs", says: []string{"nothing shows that it belongs to this secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, user := newMariaWorld(t, tc.grants...)
			if tc.spoil != nil {
				tc.spoil(w, user)
			}
			result := w.preflight(alternatingMaria)
			got := verdict(t, result, "privileges")
			if result.WouldRotate || got.OK || string(got.Code) != tc.code {
				t.Fatalf("got %+v", result)
			}
			for _, say := range tc.says {
				if !strings.Contains(got.Message, say) {
					t.Errorf("it does not say %q: %s", say, got.Message)
				}
			}
			// It is right: the rotation fails for the same reason.
			if e := w.rotate(alternatingMaria); e.State == "Rotated" || e.Error != tc.code {
				t.Errorf("the rotation ended in %s with %s: %s", e.State, e.Error, e.Cause)
			}
		})
	}
}

func TestPreflightOfAReadOnlyMariaDB(t *testing.T) {
	w, _ := newMariaWorld(t)
	w.mysql.Exec("SET GLOBAL read_only = 1")
	t.Cleanup(func() { _ = w.mysql.Try("SET GLOBAL read_only = 0") })
	if got := verdict(t, w.preflight(`{"secretId":"maria/app"}`), "privileges"); got.OK || got.Code != "DatabaseReadOnly" {
		t.Errorf("got %+v", got)
	}
}
