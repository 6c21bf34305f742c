package postgres_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

const (
	secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-AbCdEf"
	clonePW   = "cl0ne-Pa55word"
	masterPW  = "m4ster-Pa55word"
)

// twins is an account and its clone-to-be.
type twins struct {
	*dbtest.DB
	t               testing.TB
	engine          postgres.Engine
	original, clone string
	admin           secretdoc.Document // the superuser's
	proven          bool
}

// newTwins returns the test's own role, and its clone's name. The clone and the
// roles named are dropped when the test ends.
func newTwins(t testing.TB, roles []string, options ...dbtest.Option) *twins {
	t.Helper()
	db := dbtest.Postgres(t, options...)
	w := &twins{DB: db, t: t, original: db.User, clone: db.User + "_clone", admin: db.SuperuserDocument(nil)}
	w.dropLater(append(roles, w.clone, w.original)...)
	for _, role := range roles {
		db.Exec("CREATE ROLE " + q(role))
	}
	return w
}

func (w *twins) dropLater(roles ...string) {
	w.t.Cleanup(func() {
		for _, role := range roles {
			if len(w.Exec("SELECT 1 FROM pg_roles WHERE rolname = "+lit(role))) == 1 {
				w.Exec("REASSIGN OWNED BY " + q(role) + " TO CURRENT_USER; DROP OWNED BY " + q(role) + "; DROP ROLE " + q(role))
			}
		}
	})
}

// master makes the superuser one as RDS has it, which is none. It may administer
// the original, as PostgreSQL 16 and later demand.
func (w *twins) master() {
	name := "master_" + strings.TrimPrefix(w.original, "user_")
	w.Exec("CREATE ROLE " + name + " LOGIN CREATEROLE CREATEDB PASSWORD '" + masterPW + "'; GRANT " + q(w.original) + " TO " + name + " WITH ADMIN OPTION")
	w.t.Cleanup(func() { // whoever gets here first: the clone may be granted by it
		w.Exec("DROP OWNED BY " + name + "; REVOKE ALL ON SCHEMA public FROM " + name)
		if len(w.Exec("SELECT 1 FROM pg_roles WHERE rolname = "+lit(w.clone))) == 1 {
			w.Exec("DROP OWNED BY " + q(w.clone) + "; DROP ROLE " + q(w.clone))
		}
		w.Exec("DROP ROLE " + name)
	})
	w.admin = w.Document(func(keys map[string]any) { keys["username"], keys["password"] = name, masterPW })
}

func (w *twins) request() engine.CloneRequest {
	return engine.CloneRequest{Original: w.original, Clone: w.clone, Password: redact.New(clonePW), Mark: secretARN, Proven: w.proven, Database: w.Name}
}

// try is EnsureClone in a session of its own.
func (w *twins) try(r engine.CloneRequest) (engine.CloneResult, error) {
	w.t.Helper()
	s, err := w.engine.Connect(w.t.Context(), w.admin)
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	return s.EnsureClone(w.t.Context(), r)
}

// ensure expects the changes, and that both accounts see themselves as equal.
func (w *twins) ensure(changes ...string) engine.CloneResult {
	w.t.Helper()
	result, err := w.try(w.request())
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(changes, result.Changes); diff != "" {
		w.t.Errorf("changes:\n%s", diff)
	}
	for _, doc := range []secretdoc.Document{w.as(w.clone, clonePW), w.Document(nil)} {
		s, err := w.engine.Connect(w.t.Context(), doc)
		if err != nil {
			w.t.Fatal(err)
		}
		own, err := s.Privileges(w.t.Context(), doc.Username)
		s.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		if diff := cmp.Diff(result.Privileges, own); diff != "" {
			w.t.Errorf("%s lists other rights than EnsureClone:\n%s", doc.Username, diff)
		}
	}
	if strings.Contains(strings.Join(result.Privileges, "\n"), w.original) {
		w.t.Errorf("the account's own name is in %q", result.Privileges)
	}
	return result
}

func (w *twins) as(user, password string) secretdoc.Document {
	return w.Document(func(keys map[string]any) { keys["username"], keys["password"] = user, password })
}

// run runs statements in a session of an account and returns the rows of the
// last one.
func (w *twins) run(user, password, sql string) [][]string {
	w.t.Helper()
	return w.runIn(w.Name, user, password, sql)
}

func (w *twins) runIn(database, user, password, sql string) [][]string {
	w.t.Helper()
	conn, err := w.Server.Login(w.t.Context(), user, redact.New(password), database)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(w.t.Context(), sql).ReadAll()
	if err != nil {
		w.t.Fatalf("%s: %v", user, err)
	}
	rows := [][]string{}
	for _, row := range results[len(results)-1].Rows {
		var columns []string
		for _, column := range row {
			columns = append(columns, string(column))
		}
		rows = append(rows, columns)
	}
	return rows
}

func q(name string) string   { return pgx.Identifier{name}.Sanitize() }
func lit(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// everyServer runs a test on each version, with a real superuser and with one
// such as RDS gives out.
func everyServer(t *testing.T, test func(t *testing.T, w *twins, groups []string)) {
	for _, version := range []string{"15", ""} {
		for _, superuser := range []string{"superuser", "CREATEROLE"} {
			t.Run(strings.TrimPrefix(version+"/"+superuser, "/"), func(t *testing.T) {
				t.Parallel()
				groups := []string{"g1_" + unique(t), "g2_" + unique(t)}
				w := newTwins(t, groups, dbtest.Version(version))
				t.Logf("PostgreSQL %s", w.Server.Version)
				if superuser == "CREATEROLE" {
					w.master()
				}
				test(t, w, groups)
			})
		}
	}
}

// unique makes a name for this test out of its own.
func unique(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
}

// The clone follows whatever is done to the original, both ways.
func TestCloneFollows(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, groups []string) {
		o, db := q(w.original), q(w.Name)
		first := w.ensure("created role "+q(w.clone), "granted "+o+" WITH INHERIT, SET", "SET role")
		if !first.Created {
			t.Error("Created is false")
		}
		if again := w.ensure(); again.Created {
			t.Error("Created is true the second time")
		}

		w.Exec("GRANT " + groups[0] + " TO " + o + "; GRANT " + groups[1] + " TO " + groups[0])
		if with := w.ensure(); len(with.Privileges) != len(first.Privileges)+2 {
			t.Errorf("two memberships more make %q out of %q", with.Privileges, first.Privileges)
		}
		w.Exec("CREATE TABLE held (n int); GRANT SELECT ON held TO " + groups[1])
		w.run(w.clone, clonePW, "SELECT * FROM held")
		w.Exec("REVOKE " + groups[0] + " FROM " + o)
		w.ensure()

		w.Exec("ALTER ROLE " + o + " CREATEDB CONNECTION LIMIT 7; ALTER ROLE " + o + ` SET search_path = "$user", 'Odd, "schema"', public;
			ALTER ROLE ` + o + " SET statement_timeout = '11s'; ALTER ROLE " + o + ` SET application_name = E'it''s\\here'; ALTER ROLE ` + o + ` SET temp_tablespaces = '';
			ALTER ROLE ` + o + " IN DATABASE " + db + " SET statement_timeout = '12s'; ALTER ROLE " + o + " VALID UNTIL '2999-01-02 03:04:05+06'")
		w.ensure("CREATEDB", "CONNECTION LIMIT 7", "VALID UNTIL '2999-01-01 21:04:05.000000+00'",
			"SET application_name", "SET search_path", "SET statement_timeout", "SET temp_tablespaces", "SET statement_timeout in database "+db)
		w.ensure()
		for _, name := range []string{"search_path", "statement_timeout", "application_name", "temp_tablespaces"} {
			want := w.run(w.original, w.Password.Reveal(), "SELECT current_setting('"+name+"')")
			if got := w.run(w.clone, clonePW, "SELECT current_setting('"+name+"')"); !cmp.Equal(got, want) {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}

		w.Exec("ALTER ROLE " + o + " NOCREATEDB CONNECTION LIMIT -1 VALID UNTIL 'infinity'; ALTER ROLE " + o + " RESET ALL; ALTER ROLE " + o + " IN DATABASE " + db + " RESET ALL")
		w.ensure("NOCREATEDB", "CONNECTION LIMIT -1", "VALID UNTIL 'infinity'",
			"RESET application_name", "RESET search_path", "RESET statement_timeout", "RESET temp_tablespaces", "RESET statement_timeout in database "+db)
		if last := w.ensure(); !cmp.Equal(last.Privileges, first.Privileges) {
			t.Errorf("after all was undone: %q, want %q", last.Privileges, first.Privileges)
		}
	})
}

// What the clone has on its own it loses.
func TestCloneLosesWhatTheOriginalHasNot(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, groups []string) {
		w.ensure("created role "+q(w.clone), "granted "+q(w.original)+" WITH INHERIT, SET", "SET role")
		w.Exec("GRANT " + groups[0] + " TO " + w.clone + "; ALTER ROLE " + w.clone + " CREATEDB CONNECTION LIMIT 3; ALTER ROLE " + w.clone + " SET work_mem = '7MB'; ALTER ROLE " +
			w.clone + " RESET role; ALTER ROLE " + w.clone + " NOINHERIT; GRANT " + w.original + " TO " + w.clone + " WITH ADMIN OPTION")
		if w.admin.Username != w.Server.AdminUser {
			w.Exec("GRANT " + groups[0] + " TO " + w.admin.Username + " WITH ADMIN OPTION")
			if w.Server.Version >= "16" { // only who granted it may take it back
				w.Exec("REVOKE " + groups[0] + " FROM " + w.clone + "; REVOKE ADMIN OPTION FOR " + w.original + " FROM " + w.clone)
				w.run(w.admin.Username, masterPW, "GRANT "+groups[0]+" TO "+w.clone+"; GRANT "+w.original+" TO "+w.clone+" WITH ADMIN OPTION")
			}
		}
		w.ensure("NOCREATEDB", "INHERIT", "CONNECTION LIMIT -1", "revoked "+q(groups[0]), "revoked ADMIN OPTION FOR "+q(w.original), "SET role", "RESET work_mem")
		w.ensure()
	})
}

// Whatever the clone does the original does.
func TestCloneActsAsTheOriginal(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, groups []string) {
		o := q(w.original)
		w.Exec("GRANT CREATE ON SCHEMA public TO " + o + "; CREATE TABLE rows (owner text, n int); INSERT INTO rows VALUES (" + lit(w.original) + ", 1), ('other', 2);" +
			"ALTER TABLE rows ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON rows TO " + o + " USING (owner = current_user); GRANT SELECT ON rows TO " + o + ";" +
			"ALTER DEFAULT PRIVILEGES FOR ROLE " + o + " GRANT SELECT ON TABLES TO " + groups[0])
		w.ensure("created role "+q(w.clone), "granted "+o+" WITH INHERIT, SET", "SET role")
		got := w.run(w.clone, clonePW, "CREATE TABLE made (n int); SELECT tableowner, has_table_privilege('"+groups[0]+"', 'made', 'SELECT') FROM pg_tables WHERE tablename = 'made'")
		if want := [][]string{{w.original, "t"}}; !cmp.Equal(got, want) {
			t.Errorf("owner and default privileges: %q, want %q", got, want)
		}
		w.run(w.original, w.Password.Reveal(), "DROP TABLE made")
		if got := w.run(w.clone, clonePW, "SELECT n FROM rows"); !cmp.Equal(got, [][]string{{"1"}}) {
			t.Errorf("row-level security shows %q", got)
		}
		if got := w.run(w.clone, clonePW, "SELECT current_user, session_user"); !cmp.Equal(got, [][]string{{w.original, w.clone}}) {
			t.Errorf("users are %q", got)
		}
		if got := w.Exec("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = " + lit(w.clone)); got[0][0] != "tumbler:"+secretARN {
			t.Errorf("the mark is %q", got)
		}
	})
}

// An account that is not provably the secret's is left alone.
func TestAccountNotOurs(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]func(w *twins) (proven bool, code fault.Code){
		"unrelated":        func(*twins) (bool, fault.Code) { return false, fault.AccountNotOurs },
		"proven by secret": func(*twins) (bool, fault.Code) { return true, "" },
		"marked": func(w *twins) (bool, fault.Code) {
			w.Exec("COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "'")
			return false, ""
		},
		"marked by another": func(w *twins) (bool, fault.Code) {
			w.Exec("COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "x'")
			return false, fault.AccountNotOurs
		},
		// Somebody's own login and the group that it is in look just so.
		"made by AWS's function": func(w *twins) (bool, fault.Code) {
			w.Exec("GRANT " + w.original + " TO " + w.clone)
			return false, fault.AccountNotOurs
		},
		"made by AWS's function, and named by the secret": func(w *twins) (bool, fault.Code) {
			w.Exec("GRANT " + w.original + " TO " + w.clone)
			return true, ""
		},
		"marked by another, and a member": func(w *twins) (bool, fault.Code) {
			w.Exec("GRANT " + w.original + " TO " + w.clone + "; COMMENT ON ROLE " + w.clone + " IS 'tumbler:" + secretARN + "x'")
			return false, fault.AccountNotOurs
		},
		"administers the original": func(w *twins) (bool, fault.Code) {
			w.Exec("GRANT " + w.original + " TO " + w.clone + " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
			return false, fault.AccountNotOurs
		},
		"the other way round": func(w *twins) (bool, fault.Code) {
			w.Exec("GRANT " + w.clone + " TO " + w.original)
			return false, fault.AccountNotOurs
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTwins(t, nil)
			w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs' CONNECTION LIMIT 5")
			proven, code := setup(w)
			before := w.everything()
			r := w.request()
			r.Proven = proven
			_, err := w.try(r)
			if fault.CodeOf(err) != code {
				t.Fatalf("got %v, want %q", err, code)
			}
			if code == "" {
				accepted(t, w.as(w.clone, clonePW))
				return
			}
			expect(t, err, code, w.admin, w.clone)
			if diff := cmp.Diff(before, w.everything()); diff != "" {
				t.Errorf("something was changed:\n%s", diff)
			}
		})
	}
}

// everything is all that is stored of the two accounts.
func (w *twins) everything() []string {
	w.t.Helper()
	both := "(SELECT oid FROM pg_authid WHERE rolname IN (" + lit(w.original) + ", " + lit(w.clone) + "))"
	var all []string
	for _, sql := range []string{
		"SELECT to_json(a) FROM pg_authid a WHERE oid IN " + both, "SELECT to_json(m) FROM pg_auth_members m WHERE member IN " + both,
		"SELECT to_json(s) FROM pg_db_role_setting s WHERE setrole IN " + both, "SELECT to_json(d) FROM pg_shdescription d WHERE objoid IN " + both,
	} {
		for _, row := range w.Exec(sql) {
			if !json.Valid([]byte(row[0])) {
				w.t.Fatal("not JSON")
			}
			all = append(all, row[0])
		}
	}
	slices.Sort(all)
	return all
}

// A clone that AWS's function made, which owns what it has created.
func TestCloneMadeByAWS(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, _ []string) {
		o := q(w.original)
		w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs'; GRANT " + w.original + " TO " + w.clone + "; GRANT CREATE ON SCHEMA public TO " + o)
		if w.admin.Username != w.Server.AdminUser {
			w.Exec("GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN OPTION")
		}
		if w.Server.Version >= "16" && w.admin.Username != w.Server.AdminUser { // as the creator has it
			w.Exec("GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; " +
				"GRANT " + o + " TO " + w.admin.Username + " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
		}
		w.run(w.clone, "theirs", "CREATE TABLE made (n int)")
		before := w.Exec("SELECT to_json(m) FROM pg_auth_members m WHERE member = " + lit(w.admin.Username) + "::regrole ORDER BY roleid")
		w.proven = true
		w.ensure("SET role", "gave what the clone owned in database "+q(w.Name)+" to the original")
		w.run(w.clone, clonePW, "SELECT * FROM made")
		w.run(w.original, w.Password.Reveal(), "SELECT * FROM made")
		w.ensure()
		if diff := cmp.Diff(before, w.Exec("SELECT to_json(m) FROM pg_auth_members m WHERE member = "+lit(w.admin.Username)+"::regrole ORDER BY roleid")); diff != "" {
			t.Errorf("the superuser's own memberships were changed:\n%s", diff)
		}
	})
}

// The superuser is in a database of its own, and the clone owns objects in two others.
func TestCloneOwnsElsewhere(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, _ []string) {
		version := ""
		if strings.HasPrefix(w.Server.Version, "15") {
			version = "15"
		}
		second := dbtest.Postgres(t, dbtest.Version(version)) // a database on the same server
		w.admin.DBName = w.Server.AdminDatabase
		w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs'; GRANT " + w.original + " TO " + w.clone)
		if w.admin.Username != w.Server.AdminUser {
			w.Exec("GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN OPTION")
		}
		for _, db := range []*dbtest.DB{w.DB, second} {
			db.Exec("GRANT CREATE ON SCHEMA public TO " + q(w.original))
			w.runIn(db.Name, w.clone, "theirs", "CREATE TABLE made (n int)")
		}
		t.Cleanup(func() { second.Exec("DROP OWNED BY " + q(w.original)) })
		w.proven = true
		gave := []string{"gave what the clone owned in database " + q(w.Name) + " to the original", "gave what the clone owned in database " + q(second.Name) + " to the original"}
		slices.Sort(gave)
		request := w.request()
		found, err := w.inspect(w.admin, engine.InspectRequest{Clone: &request})
		if want := append(slices.Clone(gave), "SET role"); err != nil || !cmp.Equal(found.Changes, want) {
			t.Errorf("foretold %q and %v, want %q", found.Changes, err, want)
		}
		w.ensure(append(gave, "SET role")...)
		for _, db := range []*dbtest.DB{w.DB, second} {
			w.runIn(db.Name, w.clone, clonePW, "SELECT * FROM made")
			w.runIn(db.Name, w.original, w.Password.Reveal(), "SELECT * FROM made")
		}
		w.ensure()
	})
}

// What others were to get on what the clone makes they get on what the original
// makes, as which the clone acts from now on. What cannot be given to anybody, such
// as a user mapping, is not tried each time anew.
func TestCloneHasDefaultPrivileges(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, groups []string) {
		w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs'; GRANT " + w.original + " TO " + w.clone + "; GRANT CREATE ON SCHEMA public TO " + q(w.original))
		if w.admin.Username != w.Server.AdminUser {
			w.Exec("GRANT " + w.clone + " TO " + w.admin.Username + " WITH ADMIN OPTION")
		}
		wrapper := q("w_" + w.original)
		w.Exec("CREATE FOREIGN DATA WRAPPER " + wrapper + "; CREATE SERVER elsewhere FOREIGN DATA WRAPPER " + wrapper + "; CREATE USER MAPPING FOR " + w.clone + " SERVER elsewhere")
		w.run(w.clone, "theirs", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "+groups[0]+"; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO "+groups[0]+
			" WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "+w.original)
		w.run(w.original, w.Password.Reveal(), "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO "+groups[1])
		w.admin.DBName = w.Server.AdminDatabase
		w.proven = true
		request := w.request()
		if found, err := w.inspect(w.admin, engine.InspectRequest{Clone: &request}); err != nil || len(found.Changes) != 2 {
			t.Errorf("foretold %q and %v", found.Changes, err)
		}
		w.ensure("gave the clone's default privileges in database "+q(w.Name)+" to the original", "SET role")
		w.run(w.clone, clonePW, "CREATE TABLE made (n int); CREATE SEQUENCE counts; CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'")
		got := w.Exec("SELECT has_table_privilege('" + groups[0] + "', 'made', 'SELECT'), has_table_privilege('" + groups[1] + "', 'made', 'INSERT'), " +
			"has_sequence_privilege('" + groups[0] + "', 'counts', 'USAGE WITH GRANT OPTION'), has_function_privilege('" + groups[0] + "', 'made()', 'EXECUTE')")
		if want := [][]string{{"t", "t", "t", "f"}}; !cmp.Equal(got, want) {
			t.Errorf("on what the clone has made since: %q, want %q", got, want)
		}
		w.ensure()
		w.Exec("DROP FOREIGN DATA WRAPPER " + wrapper + " CASCADE")
	})
}

// What an application, or a pooler between two of them, may do to its session.
// Only by SET ROLE NONE the clone comes to act for itself, with the original's
// rights; what it then creates the next rotation gives to the original.
func TestCloneAfterReset(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, w *twins, _ []string) {
		w.Exec("CREATE TABLE held (n int); GRANT SELECT ON held TO " + q(w.original) + "; GRANT CREATE ON SCHEMA public TO " + q(w.original))
		w.ensure("created role "+q(w.clone), "granted "+q(w.original)+" WITH INHERIT, SET", "SET role")
		for statement, want := range map[string]string{
			"RESET ROLE": w.original, "RESET ALL": w.original, "DISCARD ALL": w.original, "RESET SESSION AUTHORIZATION": w.original, "SET ROLE NONE": w.clone,
		} {
			conn, err := w.Server.Login(t.Context(), w.clone, redact.New(clonePW), w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), statement).ReadAll(); err != nil {
				t.Fatal(err)
			}
			results, err := conn.Exec(t.Context(), "SELECT * FROM held; SELECT current_user").ReadAll()
			if err != nil {
				t.Errorf("%s: %v", statement, err)
			} else if got := string(results[1].Rows[0][0]); got != want {
				t.Errorf("after %s the clone acts as %s, want %s", statement, got, want)
			}
			conn.Close(context.Background())
		}
		conn, err := w.Server.Login(t.Context(), w.clone, redact.New(clonePW), w.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for _, statement := range []string{"SET ROLE NONE", "CREATE TABLE made (n int)"} {
			if _, err := conn.Exec(t.Context(), statement).ReadAll(); err != nil {
				t.Fatal(err)
			}
		}
		w.ensure("gave what the clone owned in database " + q(w.Name) + " to the original")
		w.run(w.original, w.Password.Reveal(), "SELECT * FROM made")
	})
}
