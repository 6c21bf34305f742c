package redshift_test

import (
	"flag"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/redshift"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/proof/pgsuite"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", "30") // each check logs in several times
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "12") // most of them wait for time to pass
	}
	if os.Getenv("PGHOST") == "" {
		os.Setenv("PGHOST", "the.environment.must.not.matter.invalid")
	}
	leakcheck.Main(dbtest.Stopping(m))
}

// TestSuite runs the suite that every engine has to pass on PostgreSQL with md5
// passwords, which stands in for Redshift.
func TestSuite(t *testing.T) {
	t.Parallel()
	ca := certs.New("our CA")
	db := dbtest.Postgres(t, dbtest.MD5(), dbtest.TLS(ca.Server("127.0.0.1")), dbtest.Unshared(t.Name()))
	plain := dbtest.Postgres(t, dbtest.MD5())
	f := pgsuite.New(db, "redshift")
	enginetest.Run(t, enginetest.Target{
		Name:    "Redshift, by PostgreSQL " + db.Server.Version + " with md5",
		Engine:  redshift.OnPostgres(redshift.Engine{Roots: ca.Pool()}),
		Fixture: f,
		Rights:  append(f.GrantRights(), f.Attribute("CREATEDB", "rolcreatedb")),
		GrantAll: func(_ testing.TB, user string) {
			f.Exec(`ALTER ROLE "` + user + `" SUPERUSER CREATEDB`)
		},
		Tenancy: f.Tenancy(),
		// Redshift has no other settings of these, nor groups that sessions act as.
		Scenes: slices.DeleteFunc(f.Scenes(), func(s enginetest.Scene) bool {
			return s.Code != "" || !strings.Contains(s.Name, "statement_timeout") && !strings.Contains(s.Name, "search_path")
		}),
		Catalogue: f.Catalogue,
		Locks:     f.Locks(),
		Waiting:   f.Waiting(t),
		TLS:       &enginetest.TLS{Distrusting: redshift.OnPostgres(redshift.Engine{Roots: certs.New("another").Pool()}), WrongHost: "localhost"},
		NoTLS:     new(pgsuite.New(plain, "redshift").Superuser()),
		Log:       f.Log,
		Logins:    f.Logins,
		UserName: func(name string) bool {
			return len(name) < 50 && utf8.ValidString(name) && !strings.HasPrefix(name, "pg_")
		},
	})
}

// The second layer by itself; see package postgres.
func TestStatementsNameTheirSchemas(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.MD5(), dbtest.Unshared(t.Name()))
	pgsuite.New(db, "redshift").WithoutPath(t, redshift.Reading("app", "it's"))
}

// Groups, attributes, limits, settings and grants follow both ways.
func TestCloneFollows(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.MD5())
	t.Logf("PostgreSQL %s with md5 in Redshift's place", db.Server.Version)
	f := pgsuite.New(db, "redshift")
	user, clone, group := db.User, db.User+"_clone", "group "+db.User
	t.Cleanup(func() {
		f.DropUser(t, clone)
		f.Exec(`DROP OWNED BY "` + group + `"; DROP ROLE "` + group + `"`)
	})
	ensure := func(changes ...string) engine.CloneResult {
		t.Helper()
		s, err := redshift.OnPostgres(redshift.Engine{}).Connect(t.Context(), f.Superuser())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		result, err := s.EnsureClone(t.Context(), engine.CloneRequest{Original: user, Clone: clone, Password: redact.New("cl0ne-Pa55word"), Mark: "arn", Proven: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(changes, result.Changes); diff != "" {
			t.Errorf("changes:\n%s", diff)
		}
		return result
	}
	f.Exec(`CREATE GROUP "` + group + `"; CREATE TABLE seen (n int); CREATE SCHEMA "odd ""schema"; CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'`)
	// The user owns the database, and its clone can do what an owner can.
	database := `DATABASE "` + db.Name + `"`
	first := ensure(`created user "`+clone+`"`, "granted CONNECT ON "+database, "granted CREATE ON "+database, "granted TEMPORARY ON "+database)
	ensure()

	f.Exec(`ALTER GROUP "` + group + `" ADD USER ` + user + `; ALTER USER ` + user + ` CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2999-01-02 03:04:05+00'; ALTER USER ` + user + ` SET search_path TO "$user", 'odd "schema';
		ALTER USER ` + user + ` SET application_name TO 'two` + "\n" + `lines'; GRANT SELECT, INSERT ON seen TO ` + user + `; GRANT SELECT ON seen TO ` + user + ` WITH GRANT OPTION; GRANT USAGE ON SCHEMA "odd ""schema" TO ` + user + `;
		GRANT EXECUTE ON FUNCTION f(int, text) TO ` + user + `; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ` + user)
	ensure("CREATEDB", "CONNECTION LIMIT 7", "VALID UNTIL '2999-01-02 03:04:05+00'", `added to group "`+group+`"`, "SET application_name", "SET search_path",
		`granted EXECUTE ON FUNCTION "public"."f"(integer, text)`, `granted USAGE ON SCHEMA "odd ""schema"`, `granted INSERT ON TABLE "public"."seen"`, `granted SELECT ON TABLE "public"."seen"`,
		`granted SELECT ON future TABLES of "postgres" in schema "public"`)
	ensure()

	f.Exec(`ALTER GROUP "` + group + `" DROP USER ` + user + `; ALTER USER ` + user + ` NOCREATEDB CONNECTION LIMIT -1 VALID UNTIL 'infinity'; ALTER USER ` + user + ` RESET ALL;
		REVOKE INSERT ON seen FROM ` + user + `; REVOKE GRANT OPTION FOR SELECT ON seen FROM ` + user + `; GRANT UPDATE ON seen TO ` + clone + `; REVOKE ALL ON FUNCTION f(int, text) FROM ` + user + `;
		REVOKE USAGE ON SCHEMA "odd ""schema" FROM ` + user + `; ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM ` + user)
	ensure("NOCREATEDB", "CONNECTION LIMIT -1", "VALID UNTIL 'infinity'", `dropped from group "`+group+`"`, "RESET application_name", "RESET search_path",
		`revoked EXECUTE ON FUNCTION "public"."f"(integer, text)`, `revoked USAGE ON SCHEMA "odd ""schema"`, `revoked INSERT ON TABLE "public"."seen"`,
		`revoked GRANT OPTION FOR SELECT ON TABLE "public"."seen"`, `revoked UPDATE ON TABLE "public"."seen"`,
		`revoked SELECT ON future TABLES of "postgres" in schema "public"`)
	f.Exec("REVOKE SELECT ON seen FROM " + user)
	if last := ensure(`revoked SELECT ON TABLE "public"."seen"`); !cmp.Equal(last.Privileges, first.Privileges) {
		t.Errorf("after all was undone: %q, want %q", last.Privileges, first.Privileges)
	}
}

// Who has been switched off stays so.
func TestDisabledAccountsAreLeftAlone(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.MD5())
	f := pgsuite.New(db, "redshift")
	stored := func() string {
		return db.Exec("SELECT concat(rolpassword, rolvaliduntil) FROM pg_authid WHERE rolname = '" + db.User + "'")[0][0]
	}
	for _, tc := range []struct{ name, disable, enable, says string }{
		{"VALID UNTIL", "VALID UNTIL '2020-01-01'", "VALID UNTIL 'infinity'", "VALID UNTIL 2020-01-01"},
		{"PASSWORD DISABLE", "PASSWORD NULL", "PASSWORD '" + db.Password.Reveal() + "'", "PASSWORD DISABLE"}, // as PostgreSQL has it
	} {
		db.Exec("ALTER USER " + db.User + " " + tc.disable)
		before := stored()
		s, err := redshift.OnPostgres(redshift.Engine{}).Connect(t.Context(), f.Superuser())
		if err != nil {
			t.Fatal(err)
		}
		err = s.SetPassword(t.Context(), db.User, redact.New("new-Pa55word"))
		if fault.CodeOf(err) != fault.AccountDisabled || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v", tc.name, err)
		}
		t.Log(err)
		if stored() != before {
			t.Errorf("%s: the password was changed", tc.name)
		}
		db.Exec("ALTER USER " + db.User + " " + tc.enable)
		if err := s.SetPassword(t.Context(), db.User, redact.New("new-Pa55word")); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

// Redshift, like PostgreSQL before 9.0, has SQLSTATE 28000 for a wrong password, too.
func TestWrongPasswordOnRedshift(t *testing.T) {
	t.Parallel()
	for routine, want := range map[string]fault.Code{"auth_failed": fault.LoginRefused, "ClientAuthentication": fault.AccountDisabled} {
		refusal, err := (&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28000", Message: "password authentication failed", Routine: routine}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		port := enginetest.Serve(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write(refusal)
		})
		doc, err := secretdoc.Parse(redact.New(`{"engine":"redshift","host":"127.0.0.1","username":"app","password":"c4nary-Pa55word","ssl":false,"port":` + strconv.Itoa(port) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (redshift.Engine{}).Connect(t.Context(), doc); fault.CodeOf(err) != want {
			t.Errorf("%s: got %v, want %s", routine, err, want)
		}
	}
}

// A password that is stored as a SHA-256 hash: the server then asks for login
// number 13.
func TestPasswordStoredAsSHA256(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 13})
		_, _ = conn.Read(make([]byte, 4096))
	}()
	doc, err := secretdoc.Parse(redact.New(`{"engine":"redshift","host":"127.0.0.1","username":"app","password":"c4nary-Pa55word","ssl":false,"port":` +
		strconv.Itoa(l.Addr().(*net.TCPAddr).Port) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = redshift.Engine{}.Connect(t.Context(), doc)
	if fault.CodeOf(err) != fault.DatabaseError || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("got %v", err)
	}
}
