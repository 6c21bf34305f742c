package postgres

import (
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// accountSQL asks how the server stores passwords, whether a role is the session's own,
// whether it may not log in or has expired, and for the actor. scram_iterations was added
// in PostgreSQL 16; before, it is NULL.
func accountSQL(role string) string {
	return strings.ReplaceAll(accountTemplate, "ROLE", pgwire.Literal(role))
}

var accountTemplate = pgwire.Operators("SELECT pg_catalog.current_setting('password_encryption'), pg_catalog.current_setting('scram_iterations', true), " +
	"session_user {=} ROLE, " +
	"(SELECT NOT r.rolcanlogin FROM pg_catalog.pg_roles r WHERE r.rolname {=} ROLE), " +
	"(SELECT r.rolvaliduntil {<} pg_catalog.now() FROM pg_catalog.pg_roles r WHERE r.rolname {=} ROLE), " + actor)

// actor is the role as which the session's role is set to act (ALTER ROLE ... SET role),
// if that one may administer roles and the session's own may not.
const actor = "(SELECT pg_catalog.substr(c, 6) FROM pg_catalog.pg_roles me JOIN pg_catalog.pg_db_role_setting s ON s.setrole {=} me.oid, pg_catalog.unnest(s.setconfig) c " +
	"WHERE me.rolname {=} session_user AND NOT me.rolsuper AND NOT me.rolcreaterole AND pg_catalog.substr(c, 1, 5) {=} 'role='" +
	" AND (s.setdatabase {=} 0 OR s.setdatabase {=} (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname {=} pg_catalog.current_database()))" +
	" AND EXISTS (SELECT 1 FROM pg_catalog.pg_roles a WHERE a.rolname {=} pg_catalog.substr(c, 6) AND (a.rolsuper OR a.rolcreaterole))" +
	" ORDER BY s.setdatabase DESC LIMIT 1)"

// enabledSQL fails if the role exists and may not log in.
func enabledSQL(role string) string {
	return pgwire.AssertSQL(strings.ReplaceAll(enabledTemplate, "ROLE", pgwire.Literal(role)))
}

var enabledTemplate = pgwire.Operators("NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname {=} ROLE AND " +
	"(NOT r.rolcanlogin OR r.rolvaliduntil {<} pg_catalog.now()))")

// stateSQL asks whether the server takes changes, and whether RDS restricts the session's
// role. A role that does not exist has no members.
var stateSQL = pgwire.Operators("SELECT pg_catalog.pg_is_in_recovery(), " +
	"coalesce(pg_catalog.current_setting('rds.restrict_password_commands', true), 'off'), " +
	"coalesce((SELECT pg_catalog.pg_has_role(r.oid, 'MEMBER') FROM pg_catalog.pg_roles r WHERE r.rolname {=} 'rds_password'), false)")

// policiesSQL lists the tables whose policies use session_user.
var policiesSQL = pgwire.Operators("SELECT pg_catalog.array_to_string(ARRAY(SELECT DISTINCT pg_catalog.concat(n.nspname, '.', c.relname) FROM pg_catalog.pg_policy p " +
	"JOIN pg_catalog.pg_class c ON c.oid {=} p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid {=} c.relnamespace " +
	"WHERE pg_catalog.pg_get_expr(p.polqual, p.polrelid) {~*} 'session_user' OR pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) {~*} 'session_user'), ', ')")

// strangersSQL lists the event triggers in the session's database that would run code
// controlled by somebody other than the session's role and superusers. They fire, with
// the rights of the session's role, on statements about objects of a database, such as
// REASSIGN OWNED and GRANT on a table, but not on those about roles. Source: PostgreSQL
// documentation, "Overview of Event Trigger Behavior".
//
// On PostgreSQL only superusers create event triggers (CreateEventTrigger() in
// event_trigger.c), on RDS also members of rds_superuser. The trigger's function may
// belong to anybody.
var strangersSQL = pgwire.Operators("SELECT e.evtname FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid {=} e.evtfoid " +
	"WHERE e.evtenabled {<>} 'D' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.oid {=} p.proowner AND (r.rolsuper OR r.rolname {=} current_user))")

// noEventTriggersSQL disables event triggers. It is for superusers, from PostgreSQL 17
// on.
const noEventTriggersSQL = "SET LOCAL event_triggers = off"

// ALTER ROLE and similar statements take no parameters.

func alterPasswordSQL(role string, v pgwire.Verifier) string {
	return alterRoleSQL(role, "PASSWORD "+v.Literal())
}

func createRoleSQL(role string, v pgwire.Verifier) string {
	return "CREATE ROLE " + pgwire.Identifier(role) + " LOGIN PASSWORD " + v.Literal()
}

func alterRoleSQL(role, option string) string {
	return "ALTER ROLE " + pgwire.Identifier(role) + " " + option
}

// grantRoleSQL makes the member a member of the role with exactly these options. Grants
// by other grantors are not affected.
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

// revokeRoleSQL revokes a membership or (with "ADMIN OPTION FOR ", for example) an option
// of it. The grantor may be empty.
func revokeRoleSQL(option, role, member, grantor string) string {
	sql := "REVOKE " + option + pgwire.Identifier(role) + " FROM " + pgwire.Identifier(member)
	if grantor != "" {
		sql += " GRANTED BY " + pgwire.Identifier(grantor)
	}
	return sql
}

// reassignSQL makes another role the owner of what a role owns in the session's database,
// and of databases that it owns.
func reassignSQL(from, to string) string {
	return "REASSIGN OWNED BY " + pgwire.Identifier(from) + " TO " + pgwire.Identifier(to)
}

// defaultsSQL lists the default privileges of two roles in the session's database: owner,
// kind, schema, grantee (none: PUBLIC), privilege and whether it may be granted to
// others. The grantee may be the owner.
func defaultsSQL(one, other string) string {
	return strings.ReplaceAll(defaultsTemplate, "NAMES", pgwire.Names(one, other))
}

var defaultsTemplate = pgwire.Operators("SELECT r.rolname, CASE WHEN d.defaclobjtype {=} 'r' THEN 'TABLES' WHEN d.defaclobjtype {=} 'S' THEN 'SEQUENCES' " +
	"WHEN d.defaclobjtype {=} 'f' THEN 'FUNCTIONS' WHEN d.defaclobjtype {=} 'T' THEN 'TYPES' WHEN d.defaclobjtype {=} 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, " +
	"coalesce(n.nspname, ''), coalesce(g.rolname, ''), a.privilege_type, a.is_grantable " +
	"FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid {=} d.defaclrole LEFT JOIN pg_catalog.pg_namespace n ON n.oid {=} d.defaclnamespace, " +
	"pg_catalog.aclexplode(d.defaclacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid {=} a.grantee WHERE r.rolname {=} ANY (NAMES)")

// giveDefaultSQL and takeDefaultSQL change the default privileges on an owner's objects.
// An empty grantee is PUBLIC, an empty schema means all schemas.

func giveDefaultSQL(owner string, d defaultPrivilege) string {
	sql := "GRANT " + d.Privilege + " ON " + d.Kind + " TO " + granteeSQL(d.Grantee)
	if d.Grantable {
		sql += " WITH GRANT OPTION"
	}
	return forOwnerSQL(owner, d.Schema) + sql
}

func takeDefaultSQL(owner string, d defaultPrivilege) string {
	return forOwnerSQL(owner, d.Schema) + "REVOKE " + d.Privilege + " ON " + d.Kind + " FROM " + granteeSQL(d.Grantee)
}

func forOwnerSQL(owner, schema string) string {
	sql := "ALTER DEFAULT PRIVILEGES FOR ROLE " + pgwire.Identifier(owner) + " "
	if schema != "" {
		sql += "IN SCHEMA " + pgwire.Identifier(schema) + " "
	}
	return sql
}

func granteeSQL(grantee string) string {
	if grantee == "" {
		return "PUBLIC"
	}
	return pgwire.Identifier(grantee)
}

// lendSQL gives the session's role the rights of another role until returnSQL revokes
// them.
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

// settingDone describes the change for people, without the role and the value.
func settingDone(verb, name, where string) string { return verb + " " + name + where }

// optionFor returns an option of a membership in REVOKE's syntax.
func optionFor(option string) string { return option + " OPTION FOR " }

// options lists what a membership allows.
func (m membership) options() string {
	var options []string
	for _, o := range []struct {
		name string
		has  bool
	}{{"ADMIN", m.Admin}, {"INHERIT", m.Inherit}, {"SET", m.Set}} {
		if o.has {
			options = append(options, o.name)
		}
	}
	if len(options) == 0 {
		return ""
	}
	return " WITH " + strings.Join(options, ", ")
}

// grantAdminSQL is shown to people: it lets the member administer the role.
func grantAdminSQL(role, member string) string {
	return grantRoleSQL(role, member, membership{Admin: true}, false)
}

func inDatabase(database string) string {
	if database == "" {
		return ""
	}
	return "IN DATABASE " + pgwire.Identifier(database) + " "
}

// commentSQL sets a comment, which every role of the server can read.
func commentSQL(role, text string) string {
	return "COMMENT ON ROLE " + pgwire.Identifier(role) + " IS " + pgwire.Literal(text)
}

// catalogSQL returns a catalog as JSON. Rows become objects, so that columns missing on
// older servers are null instead of an error. The format of times does not depend on the
// session's settings.
func catalogSQL(roles ...string) string {
	return strings.ReplaceAll(catalogTemplate, "NAMES", pgwire.Names(roles...))
}

// shobj_description() is not used to read a comment: before PostgreSQL 14 it is an SQL
// function whose operators are looked up in the search path.
var catalogTemplate = pgwire.Operators(`WITH RECURSIVE member(oid) AS (` +
	`SELECT a.oid FROM pg_catalog.pg_roles a WHERE a.rolname {=} ANY (NAMES)` +
	` UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN member ON m.member {=} member.oid) ` +
	`SELECT pg_catalog.json_build_object(` +
	`'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4, ` +
	`'encryption', pg_catalog.current_setting('password_encryption'), ` +
	`'iterations', pg_catalog.current_setting('scram_iterations', true), ` +
	`'session', current_user, 'actor', ` + actor + `, 'database', pg_catalog.current_database(), ` +
	`'roles', (SELECT pg_catalog.json_agg((pg_catalog.to_jsonb(r) {-} 'rolpassword'::pg_catalog.text {-} 'rolconfig'::pg_catalog.text) {||} pg_catalog.jsonb_build_object(` +
	`'valid', CASE WHEN r.rolvaliduntil {<} 'infinity'::pg_catalog.timestamptz THEN ` +
	`pg_catalog.concat(pg_catalog.to_char(pg_catalog.timezone('UTC', r.rolvaliduntil), 'YYYY-MM-DD HH24:MI:SS.US'), '+00') END, ` +
	`'expired', coalesce(r.rolvaliduntil {<} pg_catalog.now(), false), ` +
	`'comment', (SELECT c.description FROM pg_catalog.pg_shdescription c WHERE c.objoid {=} r.oid AND c.classoid {=} 'pg_catalog.pg_authid'::pg_catalog.regclass), ` +
	`'administered', pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'), ` +
	`'usable', pg_catalog.pg_has_role(r.oid, 'USAGE')))` +
	` FROM pg_catalog.pg_roles r WHERE r.oid {=} ANY (SELECT m.oid FROM member m) OR r.rolname {=} current_user), ` +
	`'memberships', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
	`'role', g.rolname, 'member', u.rolname, 'grantor', o.rolname, 'admin', m.admin_option, ` +
	`'inherit', coalesce((pg_catalog.to_jsonb(m) {->>} 'inherit_option'::pg_catalog.text)::pg_catalog.bool, u.rolinherit), ` +
	`'set', coalesce((pg_catalog.to_jsonb(m) {->>} 'set_option'::pg_catalog.text)::pg_catalog.bool, true)) ORDER BY g.rolname, u.rolname, o.rolname)` +
	` FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid {=} m.roleid` +
	` JOIN pg_catalog.pg_roles u ON u.oid {=} m.member LEFT JOIN pg_catalog.pg_roles o ON o.oid {=} m.grantor` +
	` WHERE m.member {=} ANY (SELECT x.oid FROM member x) OR u.rolname {=} current_user), ` +
	`'owns', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_object('role', r.rolname, 'database', d.datname, ` +
	`'defaults', s.classid {=} 'pg_catalog.pg_default_acl'::pg_catalog.regclass))` +
	` FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_roles r ON r.oid {=} s.refobjid LEFT JOIN pg_catalog.pg_database d ON d.oid {=} s.dbid` +
	` WHERE s.refclassid {=} 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype {=} 'o' AND s.classid {<>} 'pg_catalog.pg_user_mapping'::pg_catalog.regclass AND r.rolname {=} ANY (NAMES)), ` +
	`'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(` +
	`'database', d.datname, 'role', r.rolname, 'config', s.setconfig))` +
	` FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid {=} s.setdatabase` +
	` LEFT JOIN pg_catalog.pg_roles r ON r.oid {=} s.setrole` +
	` WHERE s.setrole {=} 0 OR s.setrole {=} ANY (SELECT x.oid FROM member x)))`)
