package oracle

import (
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Oracle has no parameters in DDL: names and passwords are quoted here, see
// names.go. Queries have them. Each statement names its chapter of the Oracle Database SQL
// Language Reference, and each query its views' of the Oracle Database Reference, unless
// it says otherwise: no server has been at hand.

// probeSQL is a harmless query. Source: "SELECT", on DUAL.
const probeSQL = "SELECT 1 FROM DUAL"

// lockTimeoutSQL has DDL give up waiting for a lock after so many seconds; the
// default is to fail at once or, for some locks, to wait without an end. Source:
// "DDL_LOCK_TIMEOUT" of the Reference; everybody may set it. Waits for the row
// cache, as in a storm of failed logins, know no such bound.
var lockTimeoutSQL = fmt.Sprintf("ALTER SESSION SET DDL_LOCK_TIMEOUT = %d", int(engine.LockTimeout.Seconds()))

// setPasswordSQL changes a password. old is for profiles that want it; empty
// otherwise. Source: "ALTER USER", IDENTIFIED BY and REPLACE.
func setPasswordSQL(user identifier, password, old redact.String) string {
	sql := "ALTER USER " + user.quoted() + ` IDENTIFIED BY "` + password.Reveal() + `"`
	if !old.IsEmpty() {
		sql += ` REPLACE "` + old.Reveal() + `"`
	}
	return sql
}

// Two queries ask how long an account's profile has the server accept the password before
// as well, and whether it does now: of oneself, which needs no privilege, and of anybody.
// Sources: "USER_USERS", "USER_PASSWORD_LIMITS".
const ownRolloverSQL = "SELECT u.account_status, (SELECT MAX(l.limit) FROM user_password_limits l " +
	"WHERE l.resource_name = 'PASSWORD_ROLLOVER_TIME') FROM user_users u"

// Sources: "DBA_USERS", "DBA_PROFILES".
const rolloverSQL = "SELECT u.account_status, MAX(CASE p.limit WHEN 'DEFAULT' THEN d.limit ELSE p.limit END) FROM dba_users u " +
	"LEFT JOIN dba_profiles p ON p.profile = u.profile AND p.resource_name = 'PASSWORD_ROLLOVER_TIME' " +
	"LEFT JOIN dba_profiles d ON d.profile = 'DEFAULT' AND d.resource_name = 'PASSWORD_ROLLOVER_TIME' " +
	"WHERE u.username = :1 GROUP BY u.account_status"

// endRolloverSQL has the server accept the newest password only. Source: "ALTER USER",
// EXPIRE PASSWORD ROLLOVER PERIOD, for which, as for all but one's own password, ALTER
// USER is a prerequisite.
func endRolloverSQL(user identifier) string {
	return "ALTER USER " + user.quoted() + " EXPIRE PASSWORD ROLLOVER PERIOD"
}

// The privileges that change accounts, and the query for which of them the session has, by
// whatever role. Sources: "ALTER USER", "CREATE USER", "SESSION_PRIVS".
const (
	alterUser     = "ALTER USER"                                                                                         // Source: "ALTER USER"
	createUser    = "CREATE USER"                                                                                        // Source: "CREATE USER"
	privilegesSQL = "SELECT privilege FROM session_privs WHERE privilege IN ('" + alterUser + "', '" + createUser + "')" // Source: "SESSION_PRIVS"
)

// accountSQL asks for one account. Its last column tells whether the account is
// younger than a day. Source: "DBA_USERS".
const accountSQL = "SELECT account_status, default_tablespace, temporary_tablespace, profile, " +
	"CASE WHEN created > SYSDATE - 1 THEN 'YES' ELSE 'NO' END FROM dba_users WHERE username = :1"

// ownsSQL asks whether a user owns what its clone would not find. Source: "DBA_OBJECTS".
const ownsSQL = "SELECT TO_CHAR(COUNT(*)) FROM dba_objects WHERE owner = :1 AND object_type IN " +
	"('TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE', 'SYNONYM', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'TYPE')"

// A dictionary holds the queries for what an account has. Each takes the
// account's name once.
type dictionary struct{ roles, system, objects, columns, quotas string }

// dba is for a superuser to look at any account. Sources: "DBA_ROLE_PRIVS",
// "DBA_SYS_PRIVS", "DBA_TAB_PRIVS", "DBA_COL_PRIVS", "DBA_TS_QUOTAS".
var dba = dictionary{
	roles:  "SELECT granted_role, admin_option, default_role FROM dba_role_privs WHERE grantee = :1",
	system: "SELECT privilege, admin_option FROM dba_sys_privs WHERE grantee = :1",
	// Whatever the grantor: the strongest grant counts. BIN$ is the recycle bin.
	objects: "SELECT owner, table_name, type, privilege, MAX(grantable), MAX(hierarchy) FROM dba_tab_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, type, privilege",
	columns: "SELECT owner, table_name, column_name, privilege, MAX(grantable) FROM dba_col_privs " +
		"WHERE grantee = :1 AND table_name NOT LIKE 'BIN$%' GROUP BY owner, table_name, column_name, privilege",
	quotas: "SELECT tablespace_name, TO_CHAR(max_bytes) FROM dba_ts_quotas WHERE username = :1 AND dropped = 'NO'",
}

// own is for an account to look at itself, which needs no privilege. The views
// show more than what was granted to the account itself. Sources: "USER_ROLE_PRIVS",
// "USER_SYS_PRIVS", "USER_TAB_PRIVS", "USER_COL_PRIVS", "USER_TS_QUOTAS".
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

// attributesSQL gives a clone the original's attributes where they differ, and
// what to tell about it. It is empty if they do not. Source: "ALTER USER".
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

// unlockClause follows setPasswordSQL. Source: "ALTER USER".
const unlockClause = " ACCOUNT UNLOCK"

// quotaSQL sets how much of a tablespace a clone may use. Source: "ALTER USER", QUOTA.
func quotaSQL(clone identifier, q quota) string {
	amount := q.bytes
	if amount == unlimited {
		amount = "UNLIMITED"
	}
	return "ALTER USER " + clone.quoted() + " QUOTA " + amount + " ON " + identifier(q.tablespace).quoted()
}

// defaultRolesSQL makes these of the clone's roles default, and no others. Source: "ALTER
// USER", DEFAULT ROLE, which admits roles that are granted directly.
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

// grantSQL and revokeSQL are about roles. Sources: "GRANT", "REVOKE", of roles.
func (r roleGrant) grantSQL(to identifier) string {
	return "GRANT " + identifier(r.role).quoted() + " TO " + to.quoted() + option(r.admin, " WITH ADMIN OPTION")
}

// Source: "REVOKE".
func (r roleGrant) revokeSQL(from identifier) string {
	return "REVOKE " + identifier(r.role).quoted() + " FROM " + from.quoted()
}

// grantSQL and revokeSQL are about system privileges. Source: "GRANT".
func (p systemGrant) grantSQL(to identifier) string {
	return "GRANT " + p.privilege + " TO " + to.quoted() + option(p.admin, " WITH ADMIN OPTION")
}

// Source: "REVOKE".
func (p systemGrant) revokeSQL(from identifier) string {
	return "REVOKE " + p.privilege + " FROM " + from.quoted()
}

// grantSQL and revokeSQL are about objects. Source: "GRANT", grant_object_privileges.
func (p objectGrant) grantSQL(to identifier) string {
	privilege := p.privilege
	if p.column != "" {
		privilege += " (" + identifier(p.column).quoted() + ")"
	}
	return "GRANT " + privilege + " ON " + p.on() + " TO " + to.quoted() +
		option(p.hierarchy, " WITH HIERARCHY OPTION") + option(p.grantable, " WITH GRANT OPTION")
}

// revokeSQL takes the privilege away from all columns: Oracle cannot take it
// from one. Source: "REVOKE", revoke_object_privileges.
func (p objectGrant) revokeSQL(from identifier) string {
	return "REVOKE " + p.privilege + " ON " + p.on() + " FROM " + from.quoted()
}

// on names the object. Those that are in no schema have their type before the
// name. Source: Oracle Database SQL Language Reference, "GRANT",
// on_object_clause.
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

// On RDS nobody may grant privileges on objects of SYS but this procedure.
// Source: Amazon RDS user guide, "Granting SELECT or EXECUTE privileges to SYS
// objects", "Revoking SELECT or EXECUTE privileges on SYS objects".

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
