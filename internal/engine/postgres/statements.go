package postgres

import (
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// passwordMethodSQL asks for what passwordMethod holds. scram_iterations came
// with PostgreSQL 16; before, it is NULL.
func passwordMethodSQL() string {
	return pgwire.Limited("SELECT pg_catalog.current_setting('password_encryption'), pg_catalog.current_setting('scram_iterations', true)")
}

// stateSQL asks whether the server takes changes, and whether RDS restricts the
// session's role. A role that does not exist has no members.
func stateSQL() string {
	return pgwire.Limited("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only'), " +
		"coalesce(pg_catalog.current_setting('rds.restrict_password_commands', true), 'off'), " +
		"coalesce((SELECT pg_catalog.pg_has_role(oid, 'MEMBER') FROM pg_catalog.pg_roles WHERE rolname = 'rds_password'), false)")
}

// setPasswordSQL stores a verifier.
func setPasswordSQL(role string, v pgwire.Verifier) string {
	return pgwire.Limited(alterPasswordSQL(role, v))
}

// ALTER ROLE and its like take no parameters.

func alterPasswordSQL(role string, v pgwire.Verifier) string {
	return alterRoleSQL(role, "PASSWORD "+v.Literal())
}

func createRoleSQL(role string, v pgwire.Verifier) string {
	return "CREATE ROLE " + pgwire.Identifier(role) + " LOGIN PASSWORD " + v.Literal()
}

func alterRoleSQL(role, option string) string {
	return "ALTER ROLE " + pgwire.Identifier(role) + " " + option
}

// grantRoleSQL makes the member one with exactly these options, those of other
// grantors apart.
func grantRoleSQL(role, member string, m membership, withOptions bool) string {
	sql := "GRANT " + pgwire.Identifier(role) + " TO " + pgwire.Identifier(member)
	switch {
	case withOptions:
		return sql + fmt.Sprintf(" WITH ADMIN %t, INHERIT %t, SET %t", m.Admin, m.Inherit, m.Set)
	case m.Admin:
		return sql + " WITH ADMIN OPTION"
	}
	return sql
}

// revokeRoleSQL takes a membership or (like "ADMIN OPTION FOR ") an option of it
// back. The grantor may be empty.
func revokeRoleSQL(option, role, member, grantor string) string {
	sql := "REVOKE " + option + pgwire.Identifier(role) + " FROM " + pgwire.Identifier(member)
	if grantor != "" {
		sql += " GRANTED BY " + pgwire.Identifier(grantor)
	}
	return sql
}

// reassignSQL gives what a role owns in the session's database, and databases
// that it owns, to another.
func reassignSQL(from, to string) string {
	return "REASSIGN OWNED BY " + pgwire.Identifier(from) + " TO " + pgwire.Identifier(to)
}

// lendSQL gives the session's role the rights of another until returnSQL takes
// them back.
func lendSQL(role string, withOptions bool) string {
	if withOptions {
		return "GRANT " + pgwire.Identifier(role) + " TO CURRENT_USER WITH INHERIT TRUE GRANTED BY CURRENT_USER"
	}
	return "GRANT " + pgwire.Identifier(role) + " TO CURRENT_USER"
}

func returnSQL(role string, withOptions bool) string {
	if withOptions {
		return "REVOKE " + pgwire.Identifier(role) + " FROM CURRENT_USER GRANTED BY CURRENT_USER"
	}
	return "REVOKE " + pgwire.Identifier(role) + " FROM CURRENT_USER"
}

func setSQL(role, database, name, value string) string {
	return alterRoleSQL(role, inDatabase(database)+"SET "+pgwire.SettingName(name)+" = "+pgwire.SettingValue(name, value))
}

func resetSQL(role, database, name string) string {
	return alterRoleSQL(role, inDatabase(database)+"RESET "+pgwire.SettingName(name))
}

func inDatabase(database string) string {
	if database == "" {
		return ""
	}
	return "IN DATABASE " + pgwire.Identifier(database) + " "
}

// commentSQL leaves a note that every role of the server can read.
func commentSQL(role, text string) string {
	return "COMMENT ON ROLE " + pgwire.Identifier(role) + " IS " + pgwire.Literal(text)
}

// catalogSQL returns a catalog as JSON. Whole rows become objects, so that
// columns which older servers lack are null instead of an error. Times are
// written the same way whatever the session's settings are.
func catalogSQL(roles ...string) string {
	var names []string
	for _, role := range roles {
		names = append(names, pgwire.Literal(role))
	}
	return `WITH RECURSIVE member(oid) AS (` +
		`SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (` + strings.Join(names, ", ") + `)` +
		` UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN member ON m.member = member.oid) ` +
		`SELECT pg_catalog.json_build_object(` +
		`'version', pg_catalog.current_setting('server_version_num')::int, ` +
		`'encryption', pg_catalog.current_setting('password_encryption'), ` +
		`'iterations', pg_catalog.current_setting('scram_iterations', true), ` +
		`'session', current_user, 'database', pg_catalog.current_database(), ` +
		`'roles', (SELECT pg_catalog.json_agg(pg_catalog.to_jsonb(r) - 'rolpassword' - 'rolconfig' || pg_catalog.jsonb_build_object(` +
		`'valid', CASE WHEN r.rolvaliduntil < 'infinity' THEN pg_catalog.to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' END, ` +
		`'expired', coalesce(r.rolvaliduntil < pg_catalog.now(), false), ` +
		`'comment', pg_catalog.shobj_description(r.oid, 'pg_authid'), ` +
		`'administered', pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'), ` +
		`'usable', pg_catalog.pg_has_role(r.oid, 'USAGE')))` +
		` FROM pg_catalog.pg_roles r WHERE r.oid IN (SELECT oid FROM member) OR r.rolname = current_user), ` +
		`'memberships', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
		`'role', g.rolname, 'member', u.rolname, 'grantor', o.rolname, 'admin', m.admin_option, ` +
		`'inherit', coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, u.rolinherit), ` +
		`'set', coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::bool, true)) ORDER BY g.rolname, u.rolname, o.rolname)` +
		` FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid` +
		` JOIN pg_catalog.pg_roles u ON u.oid = m.member LEFT JOIN pg_catalog.pg_roles o ON o.oid = m.grantor` +
		` WHERE m.member IN (SELECT oid FROM member) OR u.rolname = current_user), ` +
		`'owns', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_object('role', r.rolname, 'database', d.datname))` +
		` FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid` +
		` WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'o' AND r.rolname IN (` + strings.Join(names, ", ") + `)), ` +
		`'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
		`'database', d.datname, 'role', r.rolname, 'config', s.setconfig))` +
		` FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase` +
		` LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole` +
		` WHERE s.setrole = 0 OR s.setrole IN (SELECT oid FROM member)))`
}
