package pgsuite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// Scenes are roles and databases as people have them. In statements USER stands for the
// user, DB for the database and MASTER for the superuser.
func (f Fixture) Scenes() []enginetest.Scene {
	do := func(sql, user string) {
		f.Exec(strings.NewReplacer("USER", pgwire.Identifier(user), "DB", pgwire.Identifier(f.Name), "MASTER", f.Master).Replace(sql))
	}
	// scene runs statements; undo, if any, when the test ends.
	scene := func(name, sql, undo string) enginetest.Scene {
		return enginetest.Scene{Name: name, Set: func(t testing.TB, user string) {
			do(sql, user)
			if undo != "" {
				t.Cleanup(func() { do(undo, user) })
			}
		}}
	}
	group := "group_" + strings.TrimPrefix(f.User, "user_")
	makeGroup := "SET ROLE MASTER; CREATE ROLE " + group + "; RESET ROLE; "
	notHers := scene("made by another role", "REVOKE USER FROM MASTER", "")
	if f.Server.Version >= "16" { // before, CREATEROLE was enough
		notHers.Code = fault.PrivilegeMissing
	}
	return []enginetest.Scene{
		// Not shorter: the first statement of a transaction, which sets another limit, has
		// to be done within it, on a loaded machine too.
		scene("short statement_timeout", "ALTER ROLE USER SET statement_timeout = '500ms'", ""),
		scene("short statement_timeout of the database", "ALTER DATABASE DB SET statement_timeout = '500ms'", "ALTER DATABASE DB RESET statement_timeout"),
		scene("other time limits", "ALTER ROLE USER SET lock_timeout = '1ms'; ALTER ROLE USER SET idle_in_transaction_session_timeout = '1ms'", ""),
		scene("empty search_path", "ALTER ROLE USER SET search_path = ''", ""),
		scene("empty search_path of the database", "ALTER DATABASE DB SET search_path = ''", "ALTER DATABASE DB RESET search_path"),
		scene("read only", "ALTER ROLE USER SET default_transaction_read_only = on", ""),
		scene("a membership with admin option", makeGroup+"GRANT "+group+" TO USER WITH ADMIN OPTION", "DROP ROLE "+group),
		scene("acts as a group", makeGroup+"GRANT "+group+" TO USER; ALTER ROLE USER SET role = "+group, "DROP ROLE "+group),
		scene("NOINHERIT, a connection limit and a validity", "ALTER ROLE USER NOINHERIT CONNECTION LIMIT 3 VALID UNTIL '2099-12-31 00:00:00+00'", ""),
		notHers,
	}
}

// effective asks a session of the account what it may do. The account's own names, of
// which a clone that acts as its original has two, are left out.
const effective = `
SELECT 'attributes: ' || concat_ws('|', rolsuper, (SELECT rolinherit FROM pg_roles WHERE rolname = current_user), rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil)
  FROM pg_roles WHERE rolname = session_user
UNION ALL
SELECT 'setting: ' || s FROM pg_db_role_setting, unnest(setconfig) AS s
  WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND s NOT LIKE 'role=%%'
UNION ALL
SELECT 'may ' || p || ' ' || c.oid::regclass FROM pg_class AS c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
  WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(c.oid, p)
UNION ALL
SELECT 'may ' || p || ' in schema ' || n.nspname FROM pg_namespace AS n, unnest(ARRAY['USAGE', 'CREATE']) AS p WHERE has_schema_privilege(n.oid, p)
UNION ALL
SELECT 'may ' || p || ' database ' || d.datname FROM pg_database AS d, unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) AS p WHERE has_database_privilege(d.oid, p)
UNION ALL
SELECT p || ' of role ' || r.rolname FROM pg_roles AS r, unnest(ARRAY['MEMBER', 'USAGE', 'MEMBER WITH ADMIN OPTION']) AS p
  WHERE r.rolname NOT IN (session_user, current_user, %[1]s, %[1]s || '_clone') AND pg_has_role(r.oid, p)`

// Catalogue lists what a session of the account may do, as the server itself says.
func (f Fixture) Catalogue(t testing.TB, user string, password redact.String) (lines []string) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=prefer", f.Host, f.Port))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password, cfg.Database = user, password.Reveal(), f.Name
	cfg.RuntimeParams = map[string]string{"statement_timeout": "0", "search_path": "pg_catalog"}
	conn, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("logging in as %q: %v", user, err)
	}
	defer conn.Close(context.Background())
	original := strings.TrimSuffix(user, "_clone")
	results, err := conn.Exec(t.Context(), fmt.Sprintf(effective, pgwire.Literal(original))).ReadAll()
	if err != nil {
		t.Fatalf("as %q: %v", user, err)
	}
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	slices.Sort(lines)
	return lines
}
