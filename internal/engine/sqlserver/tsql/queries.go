package tsql

import (
	"fmt"
	"strings"
	"sync"
)

// The permissions to change accounts and to see their rights.
const (
	AlterAnyLogin     = "ALTER ANY LOGIN"     // Source: "ALTER LOGIN"
	AlterAnyUser      = "ALTER ANY USER"      // Source: "ALTER USER"
	ControlServer     = "CONTROL SERVER"      // Source: "ALTER LOGIN"
	ViewAnyDefinition = "VIEW ANY DEFINITION" // Source: "sys.server_role_members"
	ViewDefinition    = "VIEW DEFINITION"     // Source: "sys.database_role_members"
)

// The catalog queries. Names in parentheses are their parameters, in order. Each names
// the pages of Microsoft's SQL Server documentation that describe its columns.
//
// Every account can see its own rows, so that each query also works for the session's own
// account. Source: "Metadata visibility configuration".
const (
	// Self asks which database checked the session's password: database 1 (master) for a
	// login, another one for a user of a contained database. The last column is 1 if the
	// session sees every login. Sources: "sys.dm_exec_sessions", where all users see
	// their own session, and "HAS_PERMS_BY_NAME".
	Self = "SELECT s.authenticating_database_id, DB_NAME(s.authenticating_database_id), DB_NAME(), " +
		"HAS_PERMS_BY_NAME(NULL, NULL, N'" + AlterAnyLogin + "') " +
		"FROM sys.dm_exec_sessions AS s WHERE s.session_id = @@SPID"

	// Login describes a server principal (name). Settings are NULL unless it is a login
	// with a password. Sources: "sys.server_principals", "sys.sql_logins".
	Login = "SELECT p.principal_id, p.sid, p.type, p.is_disabled, p.default_database_name, p.default_language_name, " +
		"l.is_policy_checked, l.is_expiration_checked " +
		"FROM sys.server_principals AS p LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id " +
		"WHERE p.name = @p1"

	// Databases lists the databases that the session can open, and whether they are
	// contained. Sources: "sys.databases", which shows all names to everybody (public has
	// VIEW ANY DATABASE), and "HAS_DBACCESS".
	Databases = "SELECT name, containment FROM sys.databases " +
		"WHERE state = 0 AND HAS_DBACCESS(name) = 1 ORDER BY name"

	// Closed lists the databases that the session cannot open, except model and RDS's
	// own, which hold no tenants' users. HAS_DBACCESS is 0 without access and for a
	// database that is offline. Sources: "sys.databases", "HAS_DBACCESS".
	Closed = "SELECT name FROM sys.databases " +
		"WHERE COALESCE(HAS_DBACCESS(name), 0) = 0 AND name NOT IN (N'model', N'rdsadmin') ORDER BY name"

	// Triggers lists the current database's DDL triggers. A session's changes there fire
	// them with the session's rights. Sources: "sys.triggers", "DDL Triggers".
	Triggers = "SELECT name FROM sys.triggers WHERE parent_class = 0 AND is_disabled = 0 ORDER BY name"

	// MayAlterLogin asks for what is needed to change another login (name): whether the
	// session has ALTER on it, directly, by ALTER ANY LOGIN or by a role such as
	// securityadmin and ##MS_LoginManager##; whether that login may do anything (sysadmin
	// or CONTROL SERVER), in which case only a session with CONTROL SERVER may change it;
	// and whether the session has that. Sources: "HAS_PERMS_BY_NAME", "ALTER LOGIN",
	// "IS_SRVROLEMEMBER", "sys.server_permissions".
	MayAlterLogin = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(@p1), N'LOGIN', N'ALTER'), " +
		"CASE WHEN IS_SRVROLEMEMBER(N'sysadmin', @p1) = 1 OR EXISTS (SELECT 1 FROM sys.server_permissions AS p " +
		"JOIN sys.server_principals AS l ON l.principal_id = p.grantee_principal_id " +
		"WHERE l.name = @p1 AND p.permission_name = N'" + ControlServer + "' AND p.state IN ('G', 'W')) THEN 1 ELSE 0 END, " +
		"HAS_PERMS_BY_NAME(NULL, NULL, N'" + ControlServer + "')"

	// SeesServer is 1 if the session sees the server roles of other logins. Sources:
	// "sys.server_role_members", "HAS_PERMS_BY_NAME", "IS_SRVROLEMEMBER".
	SeesServer = "SELECT CASE WHEN HAS_PERMS_BY_NAME(NULL, NULL, N'" + ViewAnyDefinition + "') = 1 " +
		"OR IS_SRVROLEMEMBER(N'securityadmin') = 1 THEN 1 ELSE 0 END"

	// InDatabase asks whether the session may change other users of the current database
	// and see their roles. NULL stands for the current database, whose name could need
	// quotes. Sources: "HAS_PERMS_BY_NAME", "ALTER USER", "CREATE USER",
	// "sys.database_role_members", "IS_ROLEMEMBER".
	InDatabase = "SELECT HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'" + AlterAnyUser + "'), " +
		"CASE WHEN HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'" + ViewDefinition + "') = 1 " +
		"OR IS_ROLEMEMBER(N'db_securityadmin') = 1 THEN 1 ELSE 0 END"

	// Users describes the current database's users by security identifier or name (sid,
	// other sid, name, other name), with the mark of a clone. Authentication type 2 is a
	// password in the database. Sources: "sys.database_principals",
	// "sys.extended_properties".
	Users = "SELECT u.principal_id, u.name, u.sid, u.authentication_type, u.default_schema_name, u.default_language_name, " +
		"CONVERT(nvarchar(4000), e.value) " +
		"FROM sys.database_principals AS u LEFT JOIN sys.extended_properties AS e " +
		"ON e.class = 4 AND e.major_id = u.principal_id AND e.minor_id = 0 AND e.name = N'" + MarkName + "' " +
		"WHERE u.sid IN (@p1, @p2) OR u.name IN (@p3, @p4)"
)

// collate gives all text columns of a union the same collation. A contained database
// mixes two, and the server refuses to choose.
const collate = " COLLATE Latin1_General_BIN2"

// null is a NULL of type text. In a union, an untyped NULL would be a number.
const null = "CONVERT(nvarchar(128), NULL)" + collate

// class is a class of securables whose permissions can be copied.
type class struct {
	number   int
	desc     string // class_desc
	kind     string // what precedes :: in GRANT, as an expression on o
	view     string // empty: the server or the database itself
	id       string
	inSchema bool
	column   string // an expression on p
	owner    string // the view's column with the owner
	filter   string // a condition on the view, for owners
}

// The classes of sys.database_permissions that are copied. Permissions of other classes
// are reported. Sources: "GRANT", "sys.database_permissions", and those of the views.
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

// The classes of sys.server_permissions that are copied. Source:
// "sys.server_permissions".
var serverClasses = []class{
	{number: 100, desc: "SERVER"},
	{
		number: 101, desc: "SERVER_PRINCIPAL", view: "sys.server_principals", id: "principal_id",
		kind:  "CASE o.type WHEN 'R' THEN N'SERVER ROLE' ELSE N'LOGIN' END",
		owner: "owning_principal_id", filter: " AND o.type = 'R'",
	},
	{number: 105, desc: "ENDPOINT", kind: "N'ENDPOINT'", view: "sys.endpoints", id: "endpoint_id", owner: "principal_id"},
}

// ServerRights lists the memberships, permissions and owned objects of two server
// principals (principal_id, other principal_id); DatabaseRights does the same for two
// users of the current database. Columns: principal, class, state, permission, ID,
// sub-ID, kind, schema, name and column. A NULL kind cannot be copied; a NULL name is not
// visible to the session. Sources: "sys.database_permissions", "sys.server_permissions",
// "sys.database_role_members", "sys.server_role_members".
var (
	ServerRights   = sync.OnceValue(func() string { return rights("server", serverClasses, credentials) })
	DatabaseRights = sync.OnceValue(func() string { return rights("database", databaseClasses, "") })
)

// credentials lists credentials that are mapped to logins. The mapping is not a
// permission and cannot be copied. Source: "sys.server_principal_credentials".
const credentials = " UNION ALL SELECT m.principal_id, N'CREDENTIAL'" + collate + ", N'OWNER'" + collate + ", N'CONTROL'" + collate +
	", m.credential_id, 0, " + null + ", " + null + ", " + null + ", " + null + " FROM sys.server_principal_credentials AS m WHERE m.principal_id IN (@p1, @p2)"

// rights builds the query of ServerRights or DatabaseRights. Sources: see there.
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
