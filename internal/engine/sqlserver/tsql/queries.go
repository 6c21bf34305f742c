package tsql

import (
	"fmt"
	"strings"
	"sync"
)

// The permissions that change accounts, and that see what they may do.
const (
	AlterAnyLogin     = "ALTER ANY LOGIN"     // Source: "ALTER LOGIN"
	AlterAnyUser      = "ALTER ANY USER"      // Source: "ALTER USER"
	ControlServer     = "CONTROL SERVER"      // Source: "ALTER LOGIN"
	ViewAnyDefinition = "VIEW ANY DEFINITION" // Source: "sys.server_role_members"
	ViewDefinition    = "VIEW DEFINITION"     // Source: "sys.database_role_members"
)

// The catalogue queries. Names in parentheses are their parameters, in order. Each names
// the pages of Microsoft's SQL Server documentation that its columns are from.
//
// Every account may read its own rows, so each of these also works for the
// account itself. Source: "Metadata visibility configuration".
const (
	// Self tells where the session's password was checked: database 1 (master)
	// for a login, another one for a user of a contained database. Its last
	// column is 1 if the session sees every login. Sources:
	// "sys.dm_exec_sessions", where everybody sees their own session, and "HAS_PERMS_BY_NAME".
	Self = "SELECT s.authenticating_database_id, DB_NAME(s.authenticating_database_id), DB_NAME(), " +
		"HAS_PERMS_BY_NAME(NULL, NULL, N'" + AlterAnyLogin + "') " +
		"FROM sys.dm_exec_sessions AS s WHERE s.session_id = @@SPID"

	// Login describes a server principal (name). Settings are NULL when it is
	// not a login with a password. Sources: "sys.server_principals", "sys.sql_logins".
	Login = "SELECT p.principal_id, p.sid, p.type, p.is_disabled, p.default_database_name, p.default_language_name, " +
		"l.is_policy_checked, l.is_expiration_checked " +
		"FROM sys.server_principals AS p LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id " +
		"WHERE p.name = @p1"

	// Databases lists those that can be opened, and whether they are contained. Sources:
	// "sys.databases", of which everybody sees all names (VIEW ANY DATABASE is
	// public's), and "HAS_DBACCESS".
	Databases = "SELECT name, containment FROM sys.databases " +
		"WHERE state = 0 AND HAS_DBACCESS(name) = 1 ORDER BY name"

	// Closed lists those that cannot, but for two that nobody's users are in: model, and
	// RDS's own. Without access, and offline, HAS_DBACCESS is 0. Sources: "sys.databases",
	// "HAS_DBACCESS".
	Closed = "SELECT name FROM sys.databases " +
		"WHERE COALESCE(HAS_DBACCESS(name), 0) = 0 AND name NOT IN (N'model', N'rdsadmin') ORDER BY name"

	// Triggers lists the current database's triggers for DDL: what a session changes
	// there sets them off, with its rights. Sources: "sys.triggers", "DDL Triggers".
	Triggers = "SELECT name FROM sys.triggers WHERE parent_class = 0 AND is_disabled = 0 ORDER BY name"

	// MayAlterLogin asks what it takes to change another login (name): whether the session
	// has ALTER on it, by itself, by ALTER ANY LOGIN or by a role such as securityadmin and
	// ##MS_LoginManager##; whether that login may do anything, which only those may change
	// who may, too; and whether the session may. Sources: "HAS_PERMS_BY_NAME", "ALTER
	// LOGIN", "IS_SRVROLEMEMBER", "sys.server_permissions".
	MayAlterLogin = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(@p1), N'LOGIN', N'ALTER'), " +
		"CASE WHEN IS_SRVROLEMEMBER(N'sysadmin', @p1) = 1 OR EXISTS (SELECT 1 FROM sys.server_permissions AS p " +
		"JOIN sys.server_principals AS l ON l.principal_id = p.grantee_principal_id " +
		"WHERE l.name = @p1 AND p.permission_name = N'" + ControlServer + "' AND p.state IN ('G', 'W')) THEN 1 ELSE 0 END, " +
		"HAS_PERMS_BY_NAME(NULL, NULL, N'" + ControlServer + "')"

	// SeesServer is 1 where the session sees what server roles other logins are in. Sources:
	// "sys.server_role_members", "HAS_PERMS_BY_NAME", "IS_SRVROLEMEMBER".
	SeesServer = "SELECT CASE WHEN HAS_PERMS_BY_NAME(NULL, NULL, N'" + ViewAnyDefinition + "') = 1 " +
		"OR IS_SRVROLEMEMBER(N'securityadmin') = 1 THEN 1 ELSE 0 END"

	// InDatabase asks what the session may do with other users of the current database:
	// change them, and see what roles they are in. NULL is the current database, whose name
	// may be none without quotes. Sources: "HAS_PERMS_BY_NAME", "ALTER USER", "CREATE USER",
	// "sys.database_role_members", "IS_ROLEMEMBER".
	InDatabase = "SELECT HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'" + AlterAnyUser + "'), " +
		"CASE WHEN HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'" + ViewDefinition + "') = 1 " +
		"OR IS_ROLEMEMBER(N'db_securityadmin') = 1 THEN 1 ELSE 0 END"

	// Users describes the current database's users by security identifier or
	// name (sid, other sid, name, other name), with the mark that says whose
	// clone a user is. Authentication type 2 is a password in the database. Sources:
	// "sys.database_principals", "sys.extended_properties".
	Users = "SELECT u.principal_id, u.name, u.sid, u.authentication_type, u.default_schema_name, u.default_language_name, " +
		"CONVERT(nvarchar(4000), e.value) " +
		"FROM sys.database_principals AS u LEFT JOIN sys.extended_properties AS e " +
		"ON e.class = 4 AND e.major_id = u.principal_id AND e.minor_id = 0 AND e.name = N'" + MarkName + "' " +
		"WHERE u.sid IN (@p1, @p2) OR u.name IN (@p3, @p4)"
)

// collate gives every text column of a union the same collation: a contained
// database mixes two, and the server refuses to guess.
const collate = " COLLATE Latin1_General_BIN2"

// null is a NULL with a type: of a bare one a union makes a number.
const null = "CONVERT(nvarchar(128), NULL)" + collate

// class is a class of securables whose permissions can be copied.
type class struct {
	number   int
	desc     string // class_desc
	kind     string // what stands before :: in GRANT, as an expression on o
	view     string // empty: the server or the database itself
	id       string
	inSchema bool
	column   string // an expression on p
	owner    string // the view's column with the owner
	filter   string // of the view for owners
}

// The classes of sys.database_permissions that are copied. Sources: "GRANT",
// "sys.database_permissions", and those of the views. An account with a permission on any
// other has it reported, not dropped.
var databaseClasses = []class{
	{number: 0, desc: "DATABASE"},
	{
		number: 1, desc: "OBJECT_OR_COLUMN", kind: "N'OBJECT'", view: "sys.all_objects", id: "object_id", inSchema: true,
		column: "COL_NAME(p.major_id, p.minor_id)", owner: "principal_id",
	},
	{number: 3, desc: "SCHEMA", kind: "N'SCHEMA'", view: "sys.schemas", id: "schema_id", owner: "principal_id"},
	{
		number: 4, desc: "DATABASE_PRINCIPAL", view: "sys.database_principals", id: "principal_id",
		kind:  "CASE o.type WHEN 'R' THEN N'ROLE' WHEN 'A' THEN N'APPLICATION ROLE' ELSE N'USER' END",
		owner: "owning_principal_id", filter: " AND o.type = 'R'",
	},
	{number: 5, desc: "ASSEMBLY", kind: "N'ASSEMBLY'", view: "sys.assemblies", id: "assembly_id", owner: "principal_id"},
	{number: 6, desc: "TYPE", kind: "N'TYPE'", view: "sys.types", id: "user_type_id", inSchema: true, owner: "principal_id"},
	{
		number: 10, desc: "XML_SCHEMA_COLLECTION", kind: "N'XML SCHEMA COLLECTION'",
		view: "sys.xml_schema_collections", id: "xml_collection_id", inSchema: true, owner: "principal_id",
	},
	{number: 24, desc: "SYMMETRIC_KEYS", kind: "N'SYMMETRIC KEY'", view: "sys.symmetric_keys", id: "symmetric_key_id", owner: "principal_id"},
	{number: 25, desc: "CERTIFICATE", kind: "N'CERTIFICATE'", view: "sys.certificates", id: "certificate_id", owner: "principal_id"},
	{number: 26, desc: "ASYMMETRIC_KEY", kind: "N'ASYMMETRIC KEY'", view: "sys.asymmetric_keys", id: "asymmetric_key_id", owner: "principal_id"},
}

// The classes of sys.server_permissions that are copied. Source: "sys.server_permissions".
var serverClasses = []class{
	{number: 100, desc: "SERVER"},
	{
		number: 101, desc: "SERVER_PRINCIPAL", view: "sys.server_principals", id: "principal_id",
		kind:  "CASE o.type WHEN 'R' THEN N'SERVER ROLE' ELSE N'LOGIN' END",
		owner: "owning_principal_id", filter: " AND o.type = 'R'",
	},
	{number: 105, desc: "ENDPOINT", kind: "N'ENDPOINT'", view: "sys.endpoints", id: "endpoint_id", owner: "principal_id"},
}

// ServerRights lists what two server principals are, have and own on the
// server (principal_id, other principal_id), and DatabaseRights the same of two
// users of the current database. Columns: the principal, class, state,
// permission, id, sub-id, kind, schema, name and column. A kind that is NULL is
// one that cannot be copied; a name that is NULL the session may not see. Sources:
// "sys.database_permissions", "sys.server_permissions", "sys.database_role_members",
// "sys.server_role_members".
var (
	ServerRights   = sync.OnceValue(func() string { return rights("server", serverClasses, credentials) })
	DatabaseRights = sync.OnceValue(func() string { return rights("database", databaseClasses, "") })
)

// credentials are mapped to logins without a permission; they cannot be copied. Source:
// "sys.server_principal_credentials".
const credentials = " UNION ALL SELECT m.principal_id, N'CREDENTIAL'" + collate + ", N'OWNER'" + collate + ", N'CONTROL'" + collate +
	", m.credential_id, 0, " + null + ", " + null + ", " + null + ", " + null + " FROM sys.server_principal_credentials AS m WHERE m.principal_id IN (@p1, @p2)"

// rights joins the queries of ServerRights or DatabaseRights. Sources: theirs.
func rights(level string, classes []class, more string) string {
	var q strings.Builder
	fmt.Fprintf(&q, "SELECT m.member_principal_id, N'ROLE'%[1]s, N'MEMBER'%[1]s, N'MEMBER'%[1]s, 0, 0, N'ROLE'%[1]s, %[3]s, r.name%[1]s, %[3]s "+
		"FROM sys.%[2]s_role_members AS m JOIN sys.%[2]s_principals AS r ON r.principal_id = m.role_principal_id "+
		"WHERE m.member_principal_id IN (@p1, @p2)", collate, level, null)
	var numbers []string
	for _, c := range classes {
		numbers = append(numbers, fmt.Sprint(c.number))
		q.WriteString(" UNION ALL " + c.granted(level))
	}
	for _, c := range classes {
		if c.owner != "" {
			q.WriteString(" UNION ALL " + c.owned())
		}
	}
	q.WriteString(more)
	q.WriteString(" UNION ALL " + class{kind: null}.selectGranted(level) + " AND p.class NOT IN (" + strings.Join(numbers, ", ") + ")")
	return q.String()
}

func (c class) granted(level string) string {
	return c.selectGranted(level) + fmt.Sprintf(" AND p.class = %d", c.number)
}

// selectGranted selects permissions. Sources: "sys.database_permissions",
// "sys.server_permissions".
func (c class) selectGranted(level string) string {
	column := null
	if c.column != "" {
		column = c.column + collate
	}
	q := "SELECT p.grantee_principal_id, p.class_desc" + collate + ", p.state_desc" + collate + ", p.permission_name" + collate +
		", p.major_id, p.minor_id, " + c.kindExpr() + ", " + c.schemaExpr() + ", " + c.nameExpr() + ", " + column +
		" FROM sys." + level + "_permissions AS p"
	if c.view != "" {
		q += " LEFT JOIN " + c.view + " AS o ON o." + c.id + " = p.major_id"
	}
	return q + " WHERE p.grantee_principal_id IN (@p1, @p2)"
}

// owned selects what principals own. Sources: those of the views of the classes, such as
// "sys.schemas".
func (c class) owned() string {
	return "SELECT o." + c.owner + ", N'" + c.desc + "'" + collate + ", N'OWNER'" + collate + ", N'CONTROL'" + collate +
		", o." + c.id + ", 0, " + c.kindExpr() + ", " + c.schemaExpr() + ", " + c.nameExpr() + ", " + null +
		" FROM " + c.view + " AS o WHERE o." + c.owner + " IN (@p1, @p2)" + c.filter
}

func (c class) kindExpr() string {
	switch c.kind {
	case "":
		return "N''" + collate
	case null:
		return null
	}
	return c.kind + collate
}

func (c class) schemaExpr() string {
	if c.inSchema {
		return "SCHEMA_NAME(o.schema_id)" + collate
	}
	return null
}

func (c class) nameExpr() string {
	if c.view == "" {
		return null
	}
	return "o.name" + collate
}
