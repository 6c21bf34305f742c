package redshift

import (
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// utcSQL makes times read the same whatever the session's settings are, and only
// for the query that it is part of.
const utcSQL = "SET LOCAL timezone TO 'UTC'; SET LOCAL datestyle TO 'ISO'"

// usersSQL and groupsSQL ask catalogs that Redshift and PostgreSQL have in
// common. Lists of users are literals.

func usersSQL(users string) string {
	return "SELECT usename, usecreatedb, usesuper, valuntil, array_to_string(useconfig, chr(10)) FROM pg_user WHERE usename IN (" + users + ")"
}

func groupsSQL(users string) string {
	return "SELECT u.usename, g.groname FROM pg_group g JOIN pg_user u ON u.usesysid = ANY (g.grolist) WHERE u.usename IN (" + users + ")"
}

func setPasswordSQL(user string, v pgwire.Verifier) string {
	return alterUserSQL(user, "PASSWORD "+v.Literal())
}

func createUserSQL(user string, v pgwire.Verifier) string {
	return "CREATE USER " + pgwire.Identifier(user) + " PASSWORD " + v.Literal()
}

func alterUserSQL(user, option string) string {
	return "ALTER USER " + pgwire.Identifier(user) + " " + option
}

func groupSQL(group, verb, user string) string {
	return "ALTER GROUP " + pgwire.Identifier(group) + " " + verb + " USER " + pgwire.Identifier(user)
}

func grantRoleSQL(role, user string, admin bool) string {
	sql := "GRANT ROLE " + roleName(role) + " TO " + pgwire.Identifier(user)
	if admin {
		sql += " WITH ADMIN OPTION"
	}
	return sql
}

func revokeRoleSQL(option, role, user string) string {
	return "REVOKE " + option + "ROLE " + roleName(role) + " FROM " + pgwire.Identifier(user)
}

// roleName quotes a role's name. Those that Redshift itself defines, such as
// sys:monitor, are written without quotes.
func roleName(role string) string {
	if rest, ok := strings.CutPrefix(role, "sys:"); ok && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return role
	}
	return pgwire.Identifier(role)
}
