package redshift

import (
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// views are the queries that differ between Redshift and PostgreSQL. A query with several
// statements does not use UNION, because Redshift's views run in different places and
// cannot be combined in one statement.
type views struct {
	// about asks for name, connection limit, access to the system log and session timeout
	// in seconds (0: none).
	about func(users ...string) string

	// roles asks for user, role and whether the user may grant the role to others.
	roles func(users ...string) string

	// rights asks for [pggrant.Columns].
	rights func(users ...string) []string

	superuser string // name of the attribute
	unlimited string // value for no connection limit
}

// redshiftViews are Redshift's. Operators are not schema-qualified: Redshift has no
// user-defined operators (its documentation lists no CREATE OPERATOR), and which of its
// views accept the qualified form could not be tried. Source: Redshift documentation,
// "SVV metadata views": users see what concerns them, superusers see everything.
var redshiftViews = views{
	about: func(users ...string) string {
		return "SELECT user_name, connection_limit, syslog_access, session_timeout FROM pg_catalog.svv_user_info WHERE user_name IN (" + quoted(users...) + ")"
	},
	roles: func(users ...string) string {
		return "SELECT user_name, role_name, admin_option FROM pg_catalog.svv_user_grants WHERE user_name IN (" + quoted(users...) + ")"
	},
	rights:    redshiftRights,
	superuser: "CREATEUSER",
	unlimited: "UNLIMITED",
}

// redshiftRights lists rights granted directly to users in the current database, except
// those on all objects of a kind in a schema or database (privilege_scope).
func redshiftRights(names ...string) []string {
	users := quoted(names...)
	given := func(columns, view, more string) string {
		return "SELECT identity_name, " + columns + ", admin_option, false FROM " + view +
			" WHERE identity_type = 'user' AND identity_name IN (" + users + ")" + more
	}
	return []string{
		given("'TABLE', '', namespace_name, relation_name, '', '', privilege_type", "svv_relation_privileges", ""),
		given("'SCHEMA', '', '', namespace_name, '', '', privilege_type", "svv_schema_privileges", " AND privilege_scope = 'SCHEMA'"),
		given("'DATABASE', '', '', database_name, '', '', privilege_type", "svv_database_privileges", " AND privilege_scope = 'DATABASE'"),
		given("'FUNCTION', '', namespace_name, function_name, argument_types, '', privilege_type", "svv_function_privileges", ""),
		given("'LANGUAGE', '', '', language_name, '', '', privilege_type", "svv_language_privileges", ""),
		given("'TABLE', '', namespace_name, relation_name, '', column_name, privilege_type", "svv_column_privileges", ""),
		"SELECT grantee_name, CASE object_type WHEN 'RELATION' THEN 'DEFAULT TABLES' ELSE 'DEFAULT ' || object_type || 'S' END, " +
			"owner_name, coalesce(schema_name, ''), '', '', '', privilege_type, admin_option, false FROM pg_catalog.svv_default_privileges " +
			"WHERE grantee_type = 'user' AND owner_name <> grantee_name AND grantee_name IN (" + users + ")",
		owned(names, "'TABLE', '', n.nspname, c.relname", tablesFrom, tablesOnly, "SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES"),
		owned(names, "'SCHEMA', '', '', n.nspname", "pg_catalog.pg_namespace n JOIN pg_catalog.pg_user u ON u.usesysid {=} n.nspowner",
			"pg_catalog.substring(n.nspname, 1, 3) {<>} 'pg_'", "USAGE", "CREATE"),
		owned(names, "'DATABASE', '', '', d.datname", "pg_catalog.pg_database d JOIN pg_catalog.pg_user u ON u.usesysid {=} d.datdba",
			"d.datname {=} pg_catalog.current_database()", "CREATE", "TEMP"),
	}
}

const (
	tablesFrom = "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {=} c.relnamespace JOIN pg_catalog.pg_user u ON u.usesysid {=} c.relowner"
	tablesOnly = "(c.relkind {=} 'r' OR c.relkind {=} 'v') AND pg_catalog.substring(n.nspname, 1, 3) {<>} 'pg_'"
)

// owned lists the rights that come with owning an object.
func owned(users []string, columns, from, only string, privileges ...string) string {
	var each []string
	for _, p := range privileges {
		each = append(each, "SELECT '"+p+"'::varchar AS privilege")
	}
	return pgwire.Operators("SELECT u.usename, "+columns+", '', '', p.privilege, true, true FROM "+from+" CROSS JOIN ("+strings.Join(each, " UNION ALL ")+") p "+
		"WHERE "+only+" AND ") + oneOf("u.usename", users)
}

// quoted returns names as a list of literals.
func quoted(names ...string) string {
	var literals []string
	for _, name := range names {
		literals = append(literals, pgwire.Literal(name))
	}
	return strings.Join(literals, ", ")
}
