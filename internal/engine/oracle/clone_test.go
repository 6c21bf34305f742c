package oracle

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

func request(proven bool) engine.CloneRequest {
	return engine.CloneRequest{Original: "APP", Clone: "APP_CLONE", Password: redact.New(next), Mark: "arn:aws:secretsmanager:x", Proven: proven}
}

func withApp(t testing.TB) (*fakeDB, *fakeUser, *session) {
	f := newFake(t)
	f.add("MASTER", "master-Pa55word")
	app := f.add("APP", "c4nary-Pa55word")
	app.account = account{"OPEN", "DATA", "TEMP", "APPS", false}
	app.rights = rights{
		roles:  []roleGrant{{"READER", false, true}, {"BATCH", true, false}},
		system: []systemGrant{{"CREATE SESSION", false}, {"CREATE VIEW", true}},
		objects: []objectGrant{
			{owner: "SHOP", object: "ORDERS", kind: "TABLE", privilege: "SELECT", grantable: true},
			{owner: "SHOP", object: "ORDERS", kind: "TABLE", column: "PRICE", privilege: "UPDATE"},
			{owner: "SYS", object: "DUMPS", kind: "DIRECTORY", privilege: "READ"},
		},
		quotas: []quota{{"DATA", unlimited}},
	}
	return f, app, f.session("MASTER")
}

func TestCreateClone(t *testing.T) {
	f, app, s := withApp(t)
	result, err := s.EnsureClone(t.Context(), request(false))
	if err != nil {
		t.Fatal(err)
	}
	want := `CREATE USER "APP_CLONE" IDENTIFIED BY "..." DEFAULT TABLESPACE "DATA" TEMPORARY TABLESPACE "TEMP" PROFILE "APPS"
ALTER USER "APP_CLONE" QUOTA UNLIMITED ON "DATA"
GRANT CREATE SESSION TO "APP_CLONE"
GRANT CREATE VIEW TO "APP_CLONE" WITH ADMIN OPTION
GRANT SELECT ON "SHOP"."ORDERS" TO "APP_CLONE" WITH GRANT OPTION
GRANT READ ON DIRECTORY "DUMPS" TO "APP_CLONE"
GRANT UPDATE ("PRICE") ON "SHOP"."ORDERS" TO "APP_CLONE"
GRANT "READER" TO "APP_CLONE"
GRANT "BATCH" TO "APP_CLONE" WITH ADMIN OPTION
ALTER USER "APP_CLONE" DEFAULT ROLE "READER"`
	if diff := cmp.Diff(want, f.take()); diff != "" {
		t.Error(diff)
	}
	if !result.Created || !slices.Equal(result.Privileges, app.privileges()) || len(result.Changes) != 9 {
		t.Errorf("%+v", result)
	}
	clone := f.users["APP_CLONE"]
	if clone.password != next || clone.profile != "APPS" || !slices.Equal(clone.privileges(), app.privileges()) {
		t.Errorf("%v", clone)
	}
	// The accounts agree, whoever looks.
	for _, who := range []string{"MASTER", "APP", "APP_CLONE"} {
		for _, whose := range []string{"APP", "APP_CLONE"} {
			if list, err := f.session(who).Privileges(t.Context(), whose); err != nil || !slices.Equal(list, result.Privileges) {
				t.Errorf("%s, seen by %s: %q, %v", whose, who, list, err)
			}
		}
	}
	// Again: nothing but the password.
	result, err = s.EnsureClone(t.Context(), request(true))
	if err != nil || result.Created || len(result.Changes) != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if got, want := f.take(), `ALTER USER "APP_CLONE" IDENTIFIED BY "..."`; got != want {
		t.Errorf("sent %s", got)
	}
	// And not even that.
	r := request(true)
	r.Password = redact.String{}
	if _, err := s.EnsureClone(t.Context(), r); err != nil || f.take() != "" {
		t.Errorf("something was sent, or %v", err)
	}
}

func TestWhoseClone(t *testing.T) {
	f, _, s := withApp(t)
	clone := f.add("APP_CLONE", "somebody-Pa55word")
	// Old: not even a login is tried.
	_, err := s.EnsureClone(t.Context(), request(false))
	expect(t, err, fault.AccountNotOurs, `"APP_CLONE"`, "Nothing was changed")
	if f.logins != 0 || f.take() != "" {
		t.Error("the account was touched")
	}
	// Young, with another password: one login is.
	clone.young = true
	_, err = s.EnsureClone(t.Context(), request(false))
	expect(t, err, fault.AccountNotOurs)
	if f.logins != 1 || f.take() != "" {
		t.Error("the account was touched")
	}
	// Locked: no.
	clone.status = "LOCKED(TIMED)"
	_, err = s.EnsureClone(t.Context(), request(false))
	expect(t, err, fault.AccountNotOurs)
	if f.logins != 1 {
		t.Error("a login was tried on a locked account")
	}
	// With our password: a creation that was interrupted.
	clone.status, clone.password = "OPEN", next
	if _, err := s.EnsureClone(t.Context(), request(false)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(clone.privileges(), f.users["APP"].privileges()) {
		t.Errorf("%v", clone)
	}
	// A login that says nothing.
	s.prove = nil
	clone.young = false
	r := request(false)
	r.Password = redact.String{}
	_, err = s.EnsureClone(t.Context(), r)
	expect(t, err, fault.AccountNotOurs)
}

func TestDrift(t *testing.T) {
	f, app, s := withApp(t)
	clone := f.add("APP_CLONE", "old-Pa55word")
	clone.account = account{"LOCKED(TIMED)", "USERS", "TEMP", "DEFAULT", false}
	clone.rights = rights{
		roles:  []roleGrant{{"READER", true, true}, {"DBA", false, true}},
		system: []systemGrant{{"CREATE SESSION", false}, {"CREATE VIEW", false}, {"CREATE TABLE", false}},
		objects: []objectGrant{
			{owner: "SHOP", object: "ORDERS", kind: "TABLE", privilege: "SELECT"},
			{owner: "SHOP", object: "ORDERS", kind: "TABLE", column: "NAME", privilege: "UPDATE"},
			{owner: "APP", object: "BY_HAND", kind: "TABLE", privilege: "SELECT"}, // the original's own
		},
		quotas: []quota{{"DATA", "1024"}, {"USERS", unlimited}},
	}
	result, err := s.EnsureClone(t.Context(), request(true))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`set default tablespace "DATA"`,
		`set profile "APPS"`,
		`set unlimited quota on tablespace "DATA"`,
		`removed unlimited quota on tablespace "USERS"`,
		"revoked system privilege CREATE TABLE",
		"granted system privilege CREATE VIEW with admin option",
		`revoked UPDATE on "SHOP"."ORDERS" column "NAME"`,
		`granted SELECT on "SHOP"."ORDERS" with grant option`,
		`granted READ on DIRECTORY "DUMPS"`,
		`granted UPDATE on "SHOP"."ORDERS" column "PRICE"`,
		`revoked role "READER" with admin option`,
		`revoked role "DBA"`,
		`granted role "READER"`,
		`granted role "BATCH" with admin option`,
		"set the default roles to READER",
		"unlocked the account",
	}
	if diff := cmp.Diff(want, result.Changes); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(clone.objects, objectGrant{owner: "APP", object: "BY_HAND", kind: "TABLE", privilege: "SELECT"}) {
		t.Error("a privilege on the original's own table was revoked")
	}
	if clone.password != next || clone.locked() || !slices.Equal(result.Privileges, app.privileges()) {
		t.Errorf("%v", clone)
	}
	if text := f.take(); !strings.HasSuffix(text, `IDENTIFIED BY "..." ACCOUNT UNLOCK`) {
		t.Errorf("the password did not come last: %s", text)
	}
}

// Any rights become any other rights, in one call.
func TestAnyDrift(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f, app, s := withApp(t)
		app.rights = anyRights(rt, "original")
		clone := f.add("APP_CLONE", "old-Pa55word")
		clone.rights = anyRights(rt, "clone")
		clone.allDefault = rapid.Bool().Draw(rt, "all default")
		result, err := s.EnsureClone(t.Context(), request(true))
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(clone.privileges(), app.privileges()) {
			rt.Fatalf("the clone has\n%v, the original\n%v", clone, app)
		}
		if text := f.take(); strings.Count(text, "\n") > 0 && len(result.Changes) == 0 {
			rt.Fatalf("changes were made and not told: %s", text)
		}
		if _, err := s.EnsureClone(t.Context(), request(true)); err != nil || strings.Count(f.take(), "\n") != 0 {
			rt.Fatalf("a second call changed something: %v", err)
		}
	})
}

func anyRights(rt *rapid.T, whose string) (r rights) {
	chance := func(what string) bool { return rapid.Bool().Draw(rt, whose+" "+what) }
	for _, name := range []string{"A", "B", "C"} {
		if chance("role " + name) {
			r.roles = append(r.roles, roleGrant{name, chance("admin"), chance("default")})
		}
		if chance("system " + name) {
			r.system = append(r.system, systemGrant{"CREATE " + name, chance("admin")})
		}
		if chance("quota " + name) {
			r.quotas = append(r.quotas, quota{name, rapid.SampledFrom([]string{unlimited, "1024", "4096"}).Draw(rt, "bytes")})
		}
		for _, column := range []string{"", "C1", "C2"} {
			if chance("object " + name + column) {
				r.objects = append(r.objects, objectGrant{owner: "SHOP", object: name, kind: "TABLE", column: column, privilege: "UPDATE", grantable: chance("grantable")})
			}
		}
	}
	return r
}

func TestSysObjectsOnRDS(t *testing.T) {
	session := objectGrant{owner: "SYS", object: "V_$SESSION", kind: "TABLE", privilege: "SELECT"}
	for _, rds := range []bool{true, false} {
		f, app, s := withApp(t)
		f.rds = rds
		app.objects = []objectGrant{session}
		clone := f.add("APP_CLONE", "old-Pa55word")
		clone.objects = []objectGrant{{owner: "SYS", object: "V_$SQL", kind: "TABLE", privilege: "SELECT"}}
		if _, err := s.EnsureClone(t.Context(), request(true)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(clone.objects, app.objects) || strings.Contains(f.take(), "rdsadmin") != rds {
			t.Errorf("%v", clone)
		}
	}
	// Where there is no rdsadmin the refusal is told as it was.
	f, app, s := withApp(t)
	app.objects = []objectGrant{session}
	f.fail(`GRANT SELECT ON "SYS"`, refusal{1031})
	_, err := s.EnsureClone(t.Context(), request(false))
	expect(t, err, fault.PrivilegeMissing, "ORA-01031")
}

func TestCloneRefused(t *testing.T) {
	f, _, s := withApp(t)
	ensure := func(change func(*engine.CloneRequest)) error {
		r := request(false)
		change(&r)
		_, err := s.EnsureClone(t.Context(), r)
		return err
	}
	expect(t, ensure(func(r *engine.CloneRequest) { r.Original = "NOBODY" }), fault.DatabaseError, `"NOBODY"`)
	expect(t, ensure(func(r *engine.CloneRequest) { r.Password = redact.String{} }), fault.DatabaseError, `"APP_CLONE"`)
	expect(t, ensure(func(r *engine.CloneRequest) { r.Password = redact.New(`"`) }), fault.PasswordRejected)
	expect(t, ensure(func(r *engine.CloneRequest) { r.Clone = strings.Repeat("X", 129) }), fault.InvalidSecret)
	f.owned["APP"] = true
	expect(t, ensure(func(*engine.CloneRequest) {}), fault.DatabaseError, "owns", "single-user")
	if f.take() != "" {
		t.Error("something was sent")
	}
	f.owned["APP"] = false
	for pattern, tc := range map[string]struct {
		err  error
		code fault.Code
	}{
		"FROM dba_users":      {refusal{942}, fault.PrivilegeMissing},
		"FROM dba_role_privs": {refusal{942}, fault.PrivilegeMissing},
		"^CREATE USER":        {refusal{28003}, fault.PasswordRejected},
		"^CREATE USER .*APPS": {refusal{1031}, fault.PrivilegeMissing},
		"^CREATE USER .*TEMP": {errors.New("lost"), fault.OutcomeUnknown},
		"^GRANT CREATE VIEW":  {refusal{1031}, fault.PrivilegeMissing},
		`^GRANT "READER"`:     {errors.New("lost"), fault.OutcomeUnknown},
		"DEFAULT ROLE":        {refusal{1919}, fault.DatabaseUnavailable},
		"dba_ts_quotas":       {errors.New("lost"), fault.DatabaseUnavailable},
	} {
		f, _, s := withApp(t)
		f.fail(pattern, tc.err)
		_, err := s.EnsureClone(t.Context(), request(false))
		if fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want %s", pattern, err, tc.code)
		}
	}
	if _, err := s.Privileges(t.Context(), "NOBODY"); fault.CodeOf(err) != fault.DatabaseError {
		t.Errorf("got %v", err)
	}
}

// Rights that cannot be brought level leave the password.
func TestPasswordComesLast(t *testing.T) {
	f, _, s := withApp(t)
	f.add("APP_CLONE", "old-Pa55word")
	f.fail("^GRANT CREATE VIEW", refusal{1031})
	_, err := s.EnsureClone(t.Context(), request(true))
	expect(t, err, fault.PrivilegeMissing)
	if f.users["APP_CLONE"].password != "old-Pa55word" {
		t.Error("the password was changed")
	}
}

// What the dictionary says becomes part of statements only if it is what it
// should be.
func TestOddDictionary(t *testing.T) {
	for _, odd := range []rights{
		{system: []systemGrant{{`DBA TO PUBLIC; --`, false}}},
		{objects: []objectGrant{{owner: "A", object: "B", kind: `X" Y`, privilege: "SELECT"}}},
		{objects: []objectGrant{{owner: "A", object: "B", kind: "TABLE", privilege: "SELECT'"}}},
		{quotas: []quota{{"DATA", "1 ON X"}}},
	} {
		f, app, s := withApp(t)
		f.add("APP_CLONE", "old-Pa55word")
		app.rights = odd
		_, err := s.EnsureClone(t.Context(), request(true))
		expect(t, err, fault.DatabaseError, "dictionary")
		if f.take() != "" {
			t.Error("something was sent")
		}
	}
}
