package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statements are simple queries of several statements, which PostgreSQL runs as
// one transaction: SET LOCAL holds until its end, and one round trip does both.

// limited gives the statements a time limit.
func limited(statements ...string) string {
	return fmt.Sprintf("SET LOCAL statement_timeout = %d; %s", statementTimeout.Milliseconds(), strings.Join(statements, "; "))
}

// probeSQL touches no table.
func probeSQL() string { return limited("SELECT 1") }

// passwordMethodSQL asks for what passwordMethod holds. scram_iterations came
// with PostgreSQL 16; before, it is NULL.
func passwordMethodSQL() string {
	return limited("SELECT pg_catalog.current_setting('password_encryption'), pg_catalog.current_setting('scram_iterations', true)")
}

// setPasswordSQL stores a verifier.
func setPasswordSQL(role string, v verifier) string { return limited(alterPasswordSQL(role, v)) }

// ALTER ROLE and its like take no parameters.

func alterPasswordSQL(role string, v verifier) string {
	return alterRoleSQL(role, "PASSWORD "+v.literal())
}

func createRoleSQL(role string, v verifier) string {
	return "CREATE ROLE " + identifier(role) + " LOGIN PASSWORD " + v.literal()
}

func alterRoleSQL(role, option string) string { return "ALTER ROLE " + identifier(role) + " " + option }

// grantRoleSQL makes the member one with exactly these options, those of other
// grantors apart.
func grantRoleSQL(role, member string, m membership, withOptions bool) string {
	sql := "GRANT " + identifier(role) + " TO " + identifier(member)
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
	sql := "REVOKE " + option + identifier(role) + " FROM " + identifier(member)
	if grantor != "" {
		sql += " GRANTED BY " + identifier(grantor)
	}
	return sql
}

func setSQL(role, database, name, value string) string {
	return alterRoleSQL(role, inDatabase(database)+"SET "+settingName(name)+" = "+settingValue(name, value))
}

func resetSQL(role, database, name string) string {
	return alterRoleSQL(role, inDatabase(database)+"RESET "+settingName(name))
}

func inDatabase(database string) string {
	if database == "" {
		return ""
	}
	return "IN DATABASE " + identifier(database) + " "
}

// commentSQL leaves a note that every role of the server can read.
func commentSQL(role, text string) string {
	return "COMMENT ON ROLE " + identifier(role) + " IS " + literal(text)
}

func catalogSQL(roles ...string) string { return limited(selectCatalogSQL(roles...)) }

// selectCatalogSQL returns a catalog as JSON. Whole rows become objects, so that
// columns which older servers lack are null instead of an error. Times are
// written the same way whatever the session's settings are.
func selectCatalogSQL(roles ...string) string {
	var names []string
	for _, role := range roles {
		names = append(names, literal(role))
	}
	return `WITH RECURSIVE member(oid) AS (` +
		`SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (` + strings.Join(names, ", ") + `)` +
		` UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN member ON m.member = member.oid) ` +
		`SELECT pg_catalog.json_build_object(` +
		`'version', pg_catalog.current_setting('server_version_num')::int, ` +
		`'encryption', pg_catalog.current_setting('password_encryption'), ` +
		`'iterations', pg_catalog.current_setting('scram_iterations', true), ` +
		`'session', current_user, ` +
		`'roles', (SELECT pg_catalog.json_agg(pg_catalog.to_jsonb(r) - 'rolpassword' - 'rolconfig' || pg_catalog.jsonb_build_object(` +
		`'valid', CASE WHEN r.rolvaliduntil < 'infinity' THEN pg_catalog.to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' END, ` +
		`'expired', coalesce(r.rolvaliduntil < pg_catalog.now(), false), ` +
		`'comment', pg_catalog.shobj_description(r.oid, 'pg_authid'), ` +
		`'administered', pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')))` +
		` FROM pg_catalog.pg_roles r WHERE r.oid IN (SELECT oid FROM member) OR r.rolname = current_user), ` +
		`'memberships', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
		`'role', g.rolname, 'member', u.rolname, 'grantor', o.rolname, 'admin', m.admin_option, ` +
		`'inherit', coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, u.rolinherit), ` +
		`'set', coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::bool, true)) ORDER BY g.rolname, u.rolname, o.rolname)` +
		` FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid` +
		` JOIN pg_catalog.pg_roles u ON u.oid = m.member LEFT JOIN pg_catalog.pg_roles o ON o.oid = m.grantor` +
		` WHERE m.member IN (SELECT oid FROM member)), ` +
		`'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
		`'database', d.datname, 'role', r.rolname, 'config', s.setconfig))` +
		` FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase` +
		` LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole` +
		` WHERE s.setrole = 0 OR s.setrole IN (SELECT oid FROM member)))`
}

// identifier quotes a name.
func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes a text, whatever standard_conforming_strings says.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// literal quotes the verifier. It consists of letters, digits and $:+/=-, so
// there is nothing in it to be escaped, whatever standard_conforming_strings
// says; doubling quotes is for whoever changes that.
func (v verifier) literal() string { return "'" + strings.ReplaceAll(v.text, "'", "''") + "'" }
