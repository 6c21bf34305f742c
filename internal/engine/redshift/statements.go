package redshift

import (
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// utcSQL makes times independent of the session's settings, for the current transaction
// only.
var utcSQL = []string{"SET LOCAL timezone TO 'UTC'", "SET LOCAL datestyle TO 'ISO'"}

// usersSQL, groupsSQL, superuserSQL and disabledSQL query catalogs that Redshift and
// PostgreSQL share.

func usersSQL(users ...string) string {
	return pgwire.Operators("SELECT u.usename, u.usecreatedb, u.usesuper, u.valuntil, pg_catalog.array_to_string(u.useconfig, pg_catalog.chr(10)) "+
		"FROM pg_catalog.pg_user u WHERE ") + oneOf("u.usename", users)
}

func groupsSQL(users ...string) string {
	return pgwire.Operators("SELECT u.usename, g.groname FROM pg_catalog.pg_group g JOIN pg_catalog.pg_user u ON u.usesysid {=} ANY (g.grolist) WHERE ") +
		oneOf("u.usename", users)
}

// validitySQL asks whether the session's user is a superuser, and when a user's password
// expires.
func validitySQL(user string) string {
	return pgwire.Operators("SELECT (SELECT m.usesuper FROM pg_catalog.pg_user m WHERE m.usename {=} current_user), "+
		"(SELECT u.valuntil FROM pg_catalog.pg_user u WHERE u.usename {=} ") + pgwire.Literal(user) + ")"
}

// disabledSQL returns the user if its password is disabled (PASSWORD DISABLE). Only
// superusers may query it.
func disabledSQL(user string) string {
	return pgwire.Operators("SELECT s.usename FROM pg_catalog.pg_shadow s WHERE s.passwd IS NULL AND s.usename {=} ") + pgwire.Literal(user)
}

// oneOf is a condition. IN is not used because it looks its operator up in the search
// path.
func oneOf(column string, names []string) string {
	var each []string
	for _, name := range names {
		each = append(each, pgwire.Operators(column+" {=} ")+pgwire.Literal(name))
	}
	return "(" + strings.Join(each, " OR ") + ")"
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

const (
	withAdmin    = " WITH ADMIN OPTION"
	resetTimeout = "RESET SESSION TIMEOUT"
)

func setSQL(user, name, value string) string {
	return alterUserSQL(user, "SET "+pgwire.SettingName(name)+" TO "+pgwire.SettingValue(name, value))
}

func resetSQL(user, name string) string { return alterUserSQL(user, "RESET "+pgwire.SettingName(name)) }

// settingDone describes the same change for people, without the user.
func settingDone(verb, name string) string { return verb + " " + name }

func groupSQL(group, verb, user string) string {
	return "ALTER GROUP " + pgwire.Identifier(group) + " " + verb + " USER " + pgwire.Identifier(user)
}

func grantRoleSQL(role, user string, admin bool) string {
	sql := "GRANT ROLE " + roleName(role) + " TO " + pgwire.Identifier(user)
	if admin {
		sql += withAdmin
	}
	return sql
}

func revokeRoleSQL(option, role, user string) string {
	return "REVOKE " + option + "ROLE " + roleName(role) + " FROM " + pgwire.Identifier(user)
}

// roleName quotes a role's name. Roles defined by Redshift itself, such as sys:monitor,
// are written without quotes.
func roleName(role string) string {
	if rest, ok := strings.CutPrefix(role, "sys:"); ok && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return role
	}
	return pgwire.Identifier(role)
}
