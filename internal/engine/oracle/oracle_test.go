package oracle

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { leakcheck.Main(m) }

const next = "n3xt-Pa55word"

// expect checks an error's code, that it says what to do, and that it does not
// show a password.
func expect(t testing.TB, err error, code fault.Code, words ...string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	for _, secret := range []string{next, "c4nary-Pa55word"} {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error shows the password")
		}
	}
	t.Log(err)
}

func TestSetPassword(t *testing.T) {
	f := newFake(t)
	f.add("APP", "c4nary-Pa55word")
	s := f.session("APP")
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"app", "APP", `"APP"`} {
		if err := s.SetPassword(t.Context(), name, redact.New(next+name[:1])); name[0] == '"' {
			expect(t, err, fault.PasswordRejected, "double quote")
		} else if err != nil {
			t.Error(err)
		} else if f.users["APP"].password != next+name[:1] {
			t.Error("the password was not set")
		}
	}
}

// A profile with a verification function wants the old password from a user, and
// from nobody else.
func TestReplace(t *testing.T) {
	f := newFake(t)
	f.add("APP", "c4nary-Pa55word").replace = true
	f.add("OTHER", "other-Pa55word").replace = true
	if err := f.session("APP").SetPassword(t.Context(), "APP", redact.New(next)); err != nil {
		t.Error(err)
	}
	if got, want := f.take(), "ALTER USER \"APP\" IDENTIFIED BY \"...\"\nALTER USER \"APP\" IDENTIFIED BY \"...\" REPLACE \"...\""; got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
	// Twice in one session: the old password is another one then.
	s := f.session("APP")
	for _, password := range []string{next + "1", next + "2"} {
		if err := s.SetPassword(t.Context(), "APP", redact.New(password)); err != nil {
			t.Error(err)
		}
	}
	expect(t, f.session("APP").SetPassword(t.Context(), "OTHER", redact.New(next)), fault.PasswordRejected, "ORA-28221")
	// An old password that cannot be quoted is not sent.
	f.users["APP"].password = `quo"te`
	expect(t, f.session("APP").SetPassword(t.Context(), "APP", redact.New(next)), fault.PasswordRejected, "ORA-28221")
}

func TestPasswordsThatCannotBeQuoted(t *testing.T) {
	f := newFake(t)
	f.add("APP", "c4nary-Pa55word")
	for password, word := range map[string]string{"": "empty", `with " quote`: "double quote", "with \x00 nul": "double quote"} {
		expect(t, f.session("APP").SetPassword(t.Context(), "APP", redact.New(password)), fault.PasswordRejected, word)
	}
	if f.take() != "" {
		t.Error("a statement was sent")
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"app": "APP", "APP": "APP", "App$1_#": "APP$1_#", `"App"`: "App", `"a b'; --"`: "a b'; --", "ünï": "ÜNÏ", `APP\`: `APP\`,
		"": "", `""`: "", `"`: "", `a"b`: "", `"a"b"`: "", "a\x00": "", "\xff": "", strings.Repeat("x", 129): "",
	} {
		got, err := parseName("user", name)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
		if err != nil && fault.CodeOf(err) != fault.InvalidSecret {
			t.Error(err)
		}
	}
	for name, want := range map[string]bool{"ORCL": true, "pdb1.example-x.com": true, "": false, "X)(HOST=evil": false, "a b": false} {
		if validService(name) != want {
			t.Errorf("validService(%q) = %v", name, !want)
		}
	}
}

// Refusals of a change, by their numbers.
func TestStatementFaults(t *testing.T) {
	for number, want := range map[int]fault.Code{
		1031: fault.PrivilegeMissing, 942: fault.PrivilegeMissing, 16000: fault.DatabaseReadOnly,
		28003: fault.PasswordRejected, 28007: fault.PasswordRejected, 20001: fault.PasswordRejected, 988: fault.PasswordRejected,
		1918: fault.DatabaseError, 972: fault.DatabaseError, 65096: fault.DatabaseError, 99999: fault.DatabaseError,
		54: fault.DatabaseUnavailable, 4031: fault.DatabaseUnavailable,
		3113: fault.OutcomeUnknown, 28: fault.OutcomeUnknown, 1013: fault.OutcomeUnknown, 1089: fault.OutcomeUnknown,
	} {
		f := newFake(t)
		f.add("APP", "c4nary-Pa55word")
		f.fail("ALTER USER|SELECT", refusal{number})
		s := f.session("APP")
		expect(t, s.SetPassword(t.Context(), "APP", redact.New(next)), want, "ORA-", "db.example:1521", `"APP"`)
		if err := s.Probe(t.Context()); err == nil || fault.Is(err, fault.OutcomeUnknown, fault.PasswordRejected) {
			t.Errorf("ORA-%05d while reading: %v", number, err)
		}
	}
	for _, tc := range []struct {
		err  error
		want fault.Code
	}{
		{errors.New("use of closed connection"), fault.OutcomeUnknown},
		{context.DeadlineExceeded, fault.OutcomeUnknown},
		{netfault.ErrAnswer, fault.OutcomeUnknown},
		{errors.Join(netfault.ErrNotSent, context.Canceled), fault.DatabaseUnavailable},
	} {
		f := newFake(t)
		f.add("APP", "c4nary-Pa55word")
		f.fail("ALTER USER", tc.err)
		expect(t, f.session("APP").SetPassword(t.Context(), "APP", redact.New(next)), tc.want)
	}
}

// Refusals of a login, by their numbers.
func TestLoginFaults(t *testing.T) {
	db := newTarget(secretdoc.Document{Host: "db.example", Port: 1521, Username: "APP", DBName: "ORCL"})
	for number, want := range map[int]fault.Code{
		1017: fault.LoginRefused, 28000: fault.AccountDisabled, 28001: fault.PasswordExpired, 1045: fault.PrivilegeMissing,
		28002: fault.DatabaseError, 28011: fault.DatabaseError, // come with a login, and must not pass for a wrong password
		28040: fault.DatabaseError, 12541: fault.DatabaseUnreachable, 12170: fault.DatabaseUnreachable,
		12514: fault.DatabaseUnavailable, 12505: fault.DatabaseUnavailable, 17002: fault.DatabaseUnavailable, 1033: fault.DatabaseUnavailable,
		12516: fault.DatabaseUnavailable, 2391: fault.DatabaseUnavailable, 99999: fault.DatabaseError,
	} {
		expect(t, db.loginFault(refusal{number}), want, "db.example:1521", `"APP"`, "ORA-")
	}
	if hint := db.loginFault(refusal{28000}).Error(); !strings.Contains(hint, "UNLOCK") {
		t.Error(hint)
	}
}

// What the answer to a login tells about the password.
func TestAccepted(t *testing.T) {
	db := newTarget(secretdoc.Document{Host: "db.example", Port: 1521, Username: "APP", DBName: "ORCL"})
	for number, want := range map[int]bool{1017: false, 28000: false, 28001: true, 28002: true, 28011: true, 1045: true} {
		if got, err := accepted(db.loginFault(refusal{number})); got != want || err != nil {
			t.Errorf("ORA-%05d: %v, %v", number, got, err)
		}
	}
	if got, err := accepted(nil); !got || err != nil {
		t.Error(got, err)
	}
	if got, err := accepted(db.loginFault(refusal{12514})); got || err == nil {
		t.Error("a database that is not there has judged a password")
	}
}

// The statements as they go over the wire.
func TestStatements(t *testing.T) {
	const clone = identifier("APP_CLONE")
	pencil := redact.New("pencil")
	table := objectGrant{owner: "SHOP", object: "ORDERS", kind: "TABLE", privilege: "SELECT"}
	grantable, column, directory, user, odd := table, table, table, table, table
	grantable.grantable, grantable.hierarchy = true, true
	column.column, column.privilege = "PRICE", "UPDATE"
	directory = objectGrant{owner: "SYS", object: "DUMPS", kind: "DIRECTORY", privilege: "READ"}
	user = objectGrant{owner: "SYS", object: "SHOP", kind: "USER", privilege: "INHERIT PRIVILEGES"}
	odd.owner, odd.object = `o"; DROP USER "X`, "o'o"
	sys := objectGrant{owner: "SYS", object: "V_$SESSION", kind: "VIEW", privilege: "SELECT", grantable: true}
	attributes, _ := attributesSQL(clone, account{"OPEN", "DATA", "TEMP2", "STRICT", false}, account{"OPEN", "USERS", "TEMP2", "DEFAULT", false})
	var out strings.Builder
	for _, s := range []string{
		probeSQL,
		setPasswordSQL("APP", pencil, redact.String{}),
		setPasswordSQL("App lower", pencil, redact.New("old")),
		setPasswordSQL("APP", redact.New(`'); DROP USER x; -- \ % & ' ü`), redact.String{}) + unlockClause,
		accountSQL, ownsSQL, ownRolloverSQL, rolloverSQL, endRolloverSQL("APP"), privilegesSQL,
		dba.roles, dba.system, dba.objects, dba.columns, dba.quotas,
		own.roles, own.system, own.objects, own.columns, own.quotas,
		createSQL(clone, pencil, account{"OPEN", "USERS", "TEMP", "DEFAULT", false}),
		attributes,
		quotaSQL(clone, quota{"USERS", unlimited}), quotaSQL(clone, quota{"USERS", "1048576"}), quotaSQL(clone, quota{"USERS", "0"}),
		defaultRolesSQL(clone, 2, nil), defaultRolesSQL(clone, 2, []string{"A", "B"}), defaultRolesSQL(clone, 3, []string{"A", "B"}),
		roleGrant{"READER", false, true}.grantSQL(clone), roleGrant{"READER", true, true}.grantSQL(clone), roleGrant{"READER", true, true}.revokeSQL(clone),
		systemGrant{"CREATE SESSION", false}.grantSQL(clone), systemGrant{"SELECT ANY TABLE", true}.grantSQL(clone), systemGrant{"CREATE SESSION", true}.revokeSQL(clone),
		table.grantSQL(clone), grantable.grantSQL(clone), table.revokeSQL(clone), column.grantSQL(clone), column.revokeSQL(clone),
		directory.grantSQL(clone), user.grantSQL(clone), user.revokeSQL(clone), odd.grantSQL(clone),
		sys.rdsGrantSQL(clone), sys.rdsRevokeSQL(clone),
	} {
		out.WriteString(s + "\n")
	}
	const golden = "testdata/statements.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("run with -update if this is meant to be:\n%s", diff)
	}
}
