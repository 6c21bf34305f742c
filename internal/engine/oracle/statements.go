package oracle

import (
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// DDL has no parameters in Oracle: names and passwords are quoted as in names.go. Queries
// have parameters. Unless stated otherwise, each statement cites its chapter of the
// Oracle Database SQL Language Reference and each query its views in the Oracle Database
// Reference, because no server was available.

// probeSQL is a harmless query. Source: "SELECT", on DUAL.
const probeSQL = "SELECT 1 FROM DUAL"

// lockTimeoutSQL makes DDL give up waiting for a lock after a number of seconds. By
// default it fails at once or, for some locks, waits forever. Source: Oracle Database
// Reference, "DDL_LOCK_TIMEOUT", which every user may set. It does not limit waits for
// the row cache, for example after many failed logins.
var lockTimeoutSQL = fmt.Sprintf("ALTER SESSION SET DDL_LOCK_TIMEOUT = %d", int(engine.LockTimeout.Seconds()))

// setPasswordSQL changes a password. old is the current password, for profiles that
// require it, or empty. Source: "ALTER USER", IDENTIFIED BY and REPLACE.
func setPasswordSQL(user identifier, password, old redact.String) string {
	sql := "ALTER USER " + user.quoted() + ` IDENTIFIED BY "` + password.Reveal() + `"`
	if !old.IsEmpty() {
		sql += ` REPLACE "` + old.Reveal() + `"`
	}
	return sql
}

// Two queries ask for how long the profile of an account keeps the previous password
// valid, and whether it is valid now. This one is about the session's own user and needs
// no privilege. Sources: "USER_USERS", "USER_PASSWORD_LIMITS".
const ownRolloverSQL = "SELECT u.account_status, (SELECT MAX(l.limit) FROM user_password_limits l " +
	"WHERE l.resource_name = 'PASSWORD_ROLLOVER_TIME') FROM user_users u"

// rolloverSQL asks the same about any user. Sources: "DBA_USERS", "DBA_PROFILES".
const rolloverSQL = "SELECT u.account_status, MAX(CASE p.limit WHEN 'DEFAULT' THEN d.limit ELSE p.limit END) FROM dba_users u " +
	"LEFT JOIN dba_profiles p ON p.profile = u.profile AND p.resource_name = 'PASSWORD_ROLLOVER_TIME' " +
	"LEFT JOIN dba_profiles d ON d.profile = 'DEFAULT' AND d.resource_name = 'PASSWORD_ROLLOVER_TIME' " +
	"WHERE u.username = :1 GROUP BY u.account_status"

// endRolloverSQL makes the server accept only the newest password. Source: "ALTER USER",
// EXPIRE PASSWORD ROLLOVER PERIOD, which needs the ALTER USER privilege.
func endRolloverSQL(user identifier) string {
	return "ALTER USER " + user.quoted() + " EXPIRE PASSWORD ROLLOVER PERIOD"
}

// The privileges that allow changing accounts, and the query for those that the session
// has, including by roles. Sources: "ALTER USER", "CREATE USER", "SESSION_PRIVS".
const (
	alterUser     = "ALTER USER"                                                                                         // Source: "ALTER USER"
	createUser    = "CREATE USER"                                                                                        // Source: "CREATE USER"
	privilegesSQL = "SELECT privilege FROM session_privs WHERE privilege IN ('" + alterUser + "', '" + createUser + "')" // Source: "SESSION_PRIVS"
)

// accountSQL asks for one account. The last column is whether the account was created
// within the last day. Source: "DBA_USERS".
const accountSQL = "SELECT account_status, default_tablespace, temporary_tablespace, profile, " +
	"CASE WHEN created > SYSDATE - 1 THEN 'YES' ELSE 'NO' END FROM dba_users WHERE username = :1"

// ownsSQL asks whether a user owns objects that its clone would not find. Source:
// "DBA_OBJECTS".
const ownsSQL = "SELECT TO_CHAR(COUNT(*)) FROM dba_objects WHERE owner = :1 AND object_type IN " +
	"('TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'SYNONYM', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'TYPE')"

// A dictionary holds the queries for an account's rights. Each takes the account's name
// as its only parameter.
type dictionary struct{ roles, system, objects, columns, quotas string }

// dba lists the rights of any account, for a superuser. Sources: "DBA_ROLE_PRIVS",
// "DBA_SYS_PRIVS", "DBA_TAB_PRIVS", "DBA_COL_PRIVS", "DBA_TS_QUOTAS".
var dba = dictionary{
	roles:  "SELECT granted_role, admin_option, default_role FROM dba_role_privs WHERE grantee = :1",
	system: "SELECT privilege, admin_option FROM dba_sys_privs WHERE grantee = :1",
	// Of the grants of several grantors, the strongest counts. BIN$ is the recycle bin.
	objects: "SELECT owner, table_name, type, privilege, MAX(grantable), MAX(hierarchy) FROM dba_tab_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, type, privilege",
	columns: "SELECT owner, table_name, column_name, privilege, MAX(grantable) FROM dba_col_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, column_name, privilege",
	quotas: "SELECT tablespace_name, TO_CHAR(max_bytes) FROM dba_ts_quotas WHERE username = :1 AND dropped = 'NO'",
}

// own lists the session's own rights, which needs no privilege. The views show more than
// what was granted to the account directly. Sources: "USER_ROLE_PRIVS", "USER_SYS_PRIVS",
// "USER_TAB_PRIVS", "USER_COL_PRIVS", "USER_TS_QUOTAS".
var own = dictionary{
	roles:  "SELECT granted_role, admin_option, default_role FROM user_role_privs WHERE username = :1",
	system: "SELECT privilege, admin_option FROM user_sys_privs WHERE username = :1",
	objects: "SELECT owner, table_name, type, privilege, MAX(grantable), MAX(hierarchy) FROM user_tab_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, type, privilege",
	columns: "SELECT owner, table_name, column_name, privilege, MAX(grantable) FROM user_col_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, column_name, privilege",
	quotas: "SELECT tablespace_name, TO_CHAR(max_bytes) FROM user_ts_quotas WHERE dropped = 'NO' AND USER = :1",
}

// createSQL creates a clone with the original's attributes. Source: "CREATE USER".
func createSQL(clone identifier, password redact.String, original account) string {
	return "CREATE USER " + clone.quoted() + ` IDENTIFIED BY "` + password.Reveal() + `"` +
		" DEFAULT TABLESPACE " + identifier(original.defaultTablespace).quoted() +
		" TEMPORARY TABLESPACE " + identifier(original.temporaryTablespace).quoted() +
		" PROFILE " + identifier(original.profile).quoted()
}

// attributesSQL sets the clone's attributes that differ from the original's, and
// describes the changes. It is empty if none differ. Source: "ALTER USER".
func attributesSQL(clone identifier, original, now account) (sql string, changes []string) {
	for _, a := range []struct{ clause, what, want, got string }{
		{"DEFAULT TABLESPACE", "default tablespace", original.defaultTablespace, now.defaultTablespace},
		{"TEMPORARY TABLESPACE", "temporary tablespace", original.temporaryTablespace, now.temporaryTablespace},
		{"PROFILE", "profile", original.profile, now.profile},
	} {
		if a.want != a.got {
			sql += " " + a.clause + " " + identifier(a.want).quoted()
			changes = append(changes, fmt.Sprintf("set %s %q", a.what, a.want))
		}
	}
	if sql != "" {
		sql = "ALTER USER " + clone.quoted() + sql
	}
	return sql, changes
}

// unlockClause is appended to setPasswordSQL. Source: "ALTER USER".
const unlockClause = " ACCOUNT UNLOCK"

// quotaSQL sets a clone's quota on a tablespace. Source: "ALTER USER", QUOTA.
func quotaSQL(clone identifier, q quota) string {
	amount := q.bytes
	if amount == unlimited {
		amount = "UNLIMITED"
	}
	return "ALTER USER " + clone.quoted() + " QUOTA " + amount + " ON " + identifier(q.tablespace).quoted()
}

// defaultRolesSQL makes exactly these roles of the clone its default roles. Source:
// "ALTER USER", DEFAULT ROLE, which allows roles that are granted directly.
func defaultRolesSQL(clone identifier, all int, defaults []string) string {
	sql := "ALTER USER " + clone.quoted() + " DEFAULT ROLE "
	switch len(defaults) {
	case 0:
		return sql + "NONE"
	case all:
		return sql + "ALL"
	}
	var names []string
	for _, name := range defaults {
		names = append(names, identifier(name).quoted())
	}
	return sql + strings.Join(names, ", ")
}

// grantSQL grants the role. Source: "GRANT".
func (r roleGrant) grantSQL(to identifier) string {
	return "GRANT " + identifier(r.role).quoted() + " TO " + to.quoted() + option(r.admin, " WITH ADMIN OPTION")
}

// revokeSQL revokes the role. Source: "REVOKE".
func (r roleGrant) revokeSQL(from identifier) string {
	return "REVOKE " + identifier(r.role).quoted() + " FROM " + from.quoted()
}

// grantSQL grants the system privilege. Source: "GRANT".
func (p systemGrant) grantSQL(to identifier) string {
	return "GRANT " + p.privilege + " TO " + to.quoted() + option(p.admin, " WITH ADMIN OPTION")
}

// revokeSQL revokes the system privilege. Source: "REVOKE".
func (p systemGrant) revokeSQL(from identifier) string {
	return "REVOKE " + p.privilege + " FROM " + from.quoted()
}

// grantSQL grants the privilege on the object. Source: "GRANT", grant_object_privileges.
func (p objectGrant) grantSQL(to identifier) string {
	privilege := p.privilege
	if p.column != "" {
		privilege += " (" + identifier(p.column).quoted() + ")"
	}
	return "GRANT " + privilege + " ON " + p.on() + " TO " + to.quoted() +
		option(p.hierarchy, " WITH HIERARCHY OPTION") + option(p.grantable, " WITH GRANT OPTION")
}

// revokeSQL revokes the privilege on all columns, because Oracle cannot revoke it on one.
// Source: "REVOKE", revoke_object_privileges.
func (p objectGrant) revokeSQL(from identifier) string {
	return "REVOKE " + p.privilege + " ON " + p.on() + " FROM " + from.quoted()
}

// on names the object. Objects without a schema have their type before the name. Source:
// Oracle Database SQL Language Reference, "GRANT", on_object_clause.
func (p objectGrant) on() string {
	name := identifier(p.object).quoted()
	switch p.kind {
	case "DIRECTORY", "EDITION", "USER":
		return p.kind + " " + name
	}
	name = identifier(p.owner).quoted() + "." + name
	switch p.kind {
	case "MINING MODEL", "JAVA SOURCE", "JAVA RESOURCE", "SQL TRANSLATION PROFILE":
		return p.kind + " " + name
	}
	return name
}

// On RDS, privileges on objects of SYS can be granted only by this procedure. Source:
// Amazon RDS user guide, "Granting SELECT or EXECUTE privileges to SYS objects",
// "Revoking SELECT or EXECUTE privileges on SYS objects".

// Source: as above.
func (p objectGrant) rdsGrantSQL(to identifier) string {
	return "BEGIN rdsadmin.rdsadmin_util.grant_sys_object(p_obj_name => " + literal(p.object) + ", p_grantee => " + literal(string(to)) +
		", p_privilege => " + literal(p.privilege) + option(p.grantable, ", p_grant_option => true") + "); END;"
}

// Source: as above.
func (p objectGrant) rdsRevokeSQL(from identifier) string {
	return "BEGIN rdsadmin.rdsadmin_util.revoke_sys_object(p_obj_name => " + literal(p.object) + ", p_revokee => " + literal(string(from)) +
		", p_privilege => " + literal(p.privilege) + "); END;"
}

func option(on bool, text string) string {
	if on {
		return text
	}
	return ""
}
