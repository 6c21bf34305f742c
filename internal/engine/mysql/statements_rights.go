package mysql

import (
	"fmt"
	"slices"
	"strings"
)

// Names of privileges that include or affect others.
const (
	allPrivileges = "ALL PRIVILEGES"
	grantOption   = "GRANT OPTION"
	createUser    = "CREATE USER"
)

const withGrantOption = " WITH " + grantOption

// grantSQL grants privileges on one object, which is quoted. Source for this and the next
// four: MySQL reference manual, "GRANT Statement".
func grantSQL(a account, names []string, on string, grantable bool) string {
	sql := "GRANT " + strings.Join(names, ", ") + " ON " + on + " TO " + a.sql()
	if grantable {
		sql += withGrantOption
	}
	return sql
}

// revokeSQL revokes privileges.
func revokeSQL(a account, names []string, on string) string {
	return "REVOKE " + strings.Join(names, ", ") + " ON " + on + " FROM " + a.sql()
}

func grantRoleSQL(a account, role string, admin bool) string {
	sql := "GRANT " + role + " TO " + a.sql()
	if admin {
		sql += " WITH ADMIN OPTION"
	}
	return sql
}

func revokeRoleSQL(a account, role string) string { return "REVOKE " + role + " FROM " + a.sql() }

func grantProxySQL(a account, on string, grantable bool) string {
	return grantSQL(a, []string{"PROXY"}, on, grantable)
}

func revokeProxySQL(a account, on string) string { return revokeSQL(a, []string{"PROXY"}, on) }

// revokeRoleAdminSQL revokes the admin option and keeps the role. MySQL has no statement
// for that. Source: MariaDB documentation, "REVOKE".
func revokeRoleAdminSQL(a account, role string) string {
	return "REVOKE ADMIN OPTION FOR " + role + " FROM " + a.sql()
}

// defaultRoleSQL sets the roles that are active in every session of the account. Sources:
// MySQL reference manual and MariaDB documentation, "SET DEFAULT ROLE".
func (d dialect) defaultRoleSQL(a account, roles string) string {
	word := " TO "
	if d.mariadb {
		word = " FOR "
	}
	return "SET DEFAULT ROLE " + roles + word + a.sql()
}

// optionsSQL sets the options of an account, including those at their default. Sources:
// MySQL 5.6 reference manual, "GRANT Syntax"; MySQL reference manual and MariaDB
// documentation, "ALTER USER".
func (d dialect) optionsSQL(a account, o accountOptions) string {
	if !d.showsCreateUser() {
		return "GRANT USAGE ON *.* TO " + a.sql() + " " + d.optionClauses(o)
	}
	return "ALTER USER " + a.sql() + " " + d.optionClauses(o)
}

func (d dialect) optionClauses(o accountOptions) string {
	or := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	sql := "REQUIRE " + or(o.require, "NONE") + " WITH"
	names := limitNames
	if d.mariadb {
		names = append(slices.Clone(names), statementTime)
	}
	for _, name := range names {
		sql += " " + name + " " + or(o.limits[name], "0")
	}
	if d.expires() {
		sql += " PASSWORD EXPIRE " + or(o.expire, "DEFAULT")
	}
	if d.replaces() {
		sql += " PASSWORD REQUIRE CURRENT"
		if current := or(o.current, "DEFAULT"); current != required {
			sql += " " + current
		}
	}
	if d.locksOut() {
		sql += fmt.Sprintf(" %s %s %s %s", failedAttempts, or(o.lockout[failedAttempts], "0"), lockTime, or(o.lockout[lockTime], "0"))
	}
	return sql
}

// neverExpiresSQL is for MySQL 9.7, which cannot switch from an interval to the default
// directly.
func neverExpiresSQL(a account) string { return "ALTER USER " + a.sql() + " PASSWORD EXPIRE NEVER" }
