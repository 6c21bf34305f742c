package mongodb_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"

// Alternating users on a real server, which has neither roles nor custom data.
func TestCloneOnFerretDB(t *testing.T) {
	d := ferret(t)
	admin := d.admin(t)
	clone := d.User + "_clone"
	as := func(password redact.String) func(map[string]any) {
		return func(keys map[string]any) { keys["username"], keys["password"] = clone, password.Reveal() }
	}
	ensure := func(t *testing.T, password redact.String, proven bool) (engine.CloneResult, error) {
		t.Helper()
		return admin.EnsureClone(t.Context(), engine.CloneRequest{
			Original: d.User, Clone: clone, Password: password, Mark: secretARN, Proven: proven,
		})
	}
	first, second := redact.New("first-Pa55word"), redact.New("second-Pa55word")

	result, err := ensure(t, first, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := (engine.CloneResult{Created: true, Privileges: []string{}}); !cmp.Equal(result, want) {
		t.Errorf("got %+v, want %+v", result, want)
	}
	accepted(t, d.document(as(first)))
	accepted(t, d.document(nil))

	// The creation was interrupted after all: the same call again.
	if result, err = ensure(t, first, false); err != nil || result.Created {
		t.Errorf("again: %+v, %v", result, err)
	}
	// A later rotation.
	if _, err = ensure(t, second, true); err != nil {
		t.Error(err)
	}
	refused(t, d.document(as(first)))
	accepted(t, d.document(as(second)))
	// A password that is left.
	if _, err = ensure(t, redact.String{}, true); err != nil {
		t.Error(err)
	}
	accepted(t, d.document(as(second)))

	// Somebody else's account of that name.
	for _, password := range []redact.String{first, {}} {
		_, err = ensure(t, password, false)
		expect(t, err, fault.AccountNotOurs, d.superuser(nil), clone, "Nothing was changed")
	}
	accepted(t, d.document(as(second)))
	if strings.Contains(d.log(t), second.Reveal()) {
		t.Error("the server's log shows the password")
	}
}

func TestCloneRefusedByFerretDB(t *testing.T) {
	d := ferret(t)
	admin := d.admin(t)
	ensure := func(original, clone, password string) error {
		_, err := admin.EnsureClone(t.Context(), engine.CloneRequest{
			Original: original, Clone: clone, Password: redact.New(password), Mark: secretARN,
		})
		return err
	}
	doc := d.superuser(nil)
	expect(t, ensure("nobody at all", "x", "n3xt-Pa55word"), fault.DatabaseError, doc, `"nobody at all"`)
	expect(t, ensure(d.User, d.User+"_clone", ""), fault.DatabaseError, doc, d.User+"_clone")
	expect(t, ensure(d.User, d.User+"_clone", "control\u0007character"), fault.PasswordRejected, doc, "ASCII")
	if err := ensure(d.User, strings.Repeat("x", 129), "n3xt-Pa55word"); fault.CodeOf(err) != fault.InvalidSecret {
		t.Errorf("got %v, want InvalidSecret", err)
	}
	if _, err := admin.Privileges(t.Context(), "nobody at all"); fault.CodeOf(err) != fault.DatabaseError {
		t.Errorf("got %v, want DatabaseError", err)
	}
}

// Roles, on a server of the tests' own that keeps them.
func TestRolesFollowTheOriginal(t *testing.T) {
	read, write, admin := grant{"read", "shop"}, grant{"readWrite", "shop"}, grant{"dbAdmin", "other"}
	for name, tc := range map[string]struct {
		original, clone []grant
		changes         []string
		commands        []string
	}{
		"level":   {[]grant{read, admin}, []grant{admin, read}, nil, []string{"updateUser"}},
		"granted": {[]grant{read, write}, []grant{read}, []string{`granted role "readWrite" on database "shop"`}, []string{"grantRolesToUser", "updateUser"}},
		"revoked": {[]grant{read}, []grant{read, write}, []string{`revoked role "readWrite" on database "shop"`}, []string{"revokeRolesFromUser", "updateUser"}},
		"both": {
			[]grant{admin, write},
			[]grant{read},
			[]string{`granted role "dbAdmin" on database "other"`, `granted role "readWrite" on database "shop"`, `revoked role "read" on database "shop"`},
			[]string{"grantRolesToUser", "revokeRolesFromUser", "updateUser"},
		},
		"nothing left": {nil, []grant{read}, []string{`revoked role "read" on database "shop"`}, []string{"revokeRolesFromUser", "updateUser"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t)
			f.add("app", "c4nary-Pa55word", tc.original...)
			f.add("app_clone", "old-Pa55word", tc.clone...)
			session := open(t, mongodb.Engine{}, f.superuser())
			request := engine.CloneRequest{Original: "app", Clone: "app_clone", Password: redact.New("n3xt-Pa55word"), Mark: secretARN, Proven: true}
			result, err := session.EnsureClone(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.changes, result.Changes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.commands, f.changes()); diff != "" {
				t.Error(diff)
			}
			for _, command := range tc.commands {
				if bound, ok := f.last(command).Lookup("maxTimeMS").AsInt64OK(); !ok || time.Duration(bound)*time.Millisecond > engine.LateBound {
					t.Errorf("%s may take effect when nobody waits for it any more", command)
				}
			}
			for _, user := range []string{"app", "app_clone"} {
				list, err := session.Privileges(t.Context(), user)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(list, result.Privileges) {
					t.Errorf("%s: %q, want %q", user, list, result.Privileges)
				}
			}
			accepted(t, f.document("app_clone", "n3xt-Pa55word"))
			accepted(t, f.document("app", "c4nary-Pa55word"))
		})
	}
}

// A new clone has the roles and, where the server keeps it, a mark.
func TestCloneIsMarked(t *testing.T) {
	for _, custom := range []bool{true, false} {
		f := startFake(t)
		f.noCustomData = !custom
		f.add("app", "c4nary-Pa55word", grant{"readWrite", "shop"})
		session := open(t, mongodb.Engine{}, f.superuser())
		request := engine.CloneRequest{Original: "app", Clone: "app_clone", Password: redact.New("n3xt-Pa55word"), Mark: secretARN}
		result, err := session.EnsureClone(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		want := engine.CloneResult{Created: true, Changes: []string{`granted role "readWrite" on database "shop"`}, Privileges: []string{`role "readWrite" on database "shop"`}}
		if diff := cmp.Diff(want, result); diff != "" {
			t.Error(diff)
		}
		if marked := f.user("app_clone").mark == secretARN; marked != custom {
			t.Errorf("custom data %v: marked %v", custom, marked)
		}
		// With another password, as after a lost answer and a new execution: only
		// the mark can tell.
		logins := f.logins()
		request.Password = redact.New("other-Pa55word")
		_, err = session.EnsureClone(t.Context(), request)
		if custom && (err != nil || f.logins() != logins) {
			t.Errorf("a marked clone: %v, %d logins", err, f.logins()-logins)
		}
		if !custom {
			expect(t, err, fault.AccountNotOurs, f.superuser())
		}
		// Another secret's mark proves nothing.
		request.Mark, request.Password = secretARN+"2", redact.New("third-Pa55word")
		_, err = session.EnsureClone(t.Context(), request)
		expect(t, err, fault.AccountNotOurs, f.superuser())
	}
}

// Changing the password leaves roles and custom data alone.
func TestSetPasswordKeepsTheRest(t *testing.T) {
	f := startFake(t)
	f.add("app", "c4nary-Pa55word", grant{"readWrite", "shop"})
	session := open(t, mongodb.Engine{}, f.document("app", "c4nary-Pa55word"))
	if err := session.SetPassword(t.Context(), "app", redact.New("n3xt-Pa55word")); err != nil {
		t.Fatal(err)
	}
	last := f.last("updateUser")
	if keys := fieldNames(t, last); !slices.Equal(keys, []string{"updateUser", "pwd", "maxTimeMS", "$db"}) {
		t.Errorf("updateUser has %q", keys)
	}
	accepted(t, f.document("app", "n3xt-Pa55word"))
}

// A server that does not bound commands on users is asked without a bound.
func TestServerWithoutBounds(t *testing.T) {
	for _, code := range []int32{9, 115, 238, 303, 40415} {
		f := startFake(t)
		f.noBounds = code
		f.add("app", "c4nary-Pa55word", grant{"readWrite", "shop"})
		session := open(t, mongodb.Engine{}, f.document("app", "c4nary-Pa55word"))
		for _, password := range []string{"n3xt-Pa55word", "last-Pa55word"} {
			if err := session.SetPassword(t.Context(), "app", redact.New(password)); err != nil {
				t.Fatalf("code %d: %v", code, err)
			}
			accepted(t, f.document("app", password))
		}
		if got := len(f.changes()); got != 3 {
			t.Errorf("code %d: %d commands, want 3: it is asked once", code, got)
		}
	}
}

// Nothing is half done: roles that cannot be brought level leave the password.
func TestCloneNotLevel(t *testing.T) {
	for _, code := range []int32{13, 31} {
		f := startFake(t)
		f.add("app", "c4nary-Pa55word", grant{"readWrite", "shop"})
		f.add("app_clone", "old-Pa55word")
		f.fail("grantRolesToUser", code)
		session := open(t, mongodb.Engine{}, f.superuser())
		_, err := session.EnsureClone(t.Context(), engine.CloneRequest{
			Original: "app", Clone: "app_clone", Password: redact.New("n3xt-Pa55word"), Mark: secretARN, Proven: true,
		})
		expect(t, err, map[int32]fault.Code{13: fault.PrivilegeMissing, 31: fault.DatabaseError}[code], f.superuser())
		accepted(t, f.document("app_clone", "old-Pa55word"))
	}
}

func fieldNames(t testing.TB, raw bson.Raw) []string {
	t.Helper()
	elements, err := raw.Elements()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range elements {
		names = append(names, e.Key())
	}
	return names
}
