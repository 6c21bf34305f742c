package pggrant

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// object describes a catalog of PostgreSQL whose objects have access control lists.
type object struct {
	catalog, acl, owner string
	kind                string // the object's kind for GRANT, an SQL expression on o
	letter              string // the object's type for acldefault, an SQL expression on o
	schema, name, args  string // SQL expressions on o; schema is a column of OIDs
	only                string // a condition on o
}

// objects are the kinds of objects in PostgreSQL's GRANT, except parameters, which were
// added in version 15. Source: PostgreSQL documentation, "GRANT" and "System Information
// Functions".
var objects = []object{
	{
		catalog: "pg_class", acl: "relacl", owner: "relowner", kind: "CASE WHEN o.relkind {=} 'S' THEN 'SEQUENCE' ELSE 'TABLE' END",
		letter: `(CASE WHEN o.relkind {=} 'S' THEN 's' ELSE 'r' END)::pg_catalog."char"`, schema: "relnamespace", name: "o.relname",
		only: `o.relkind {=} ANY ('{r,p,v,m,f,S}'::pg_catalog."char"[])`,
	},
	{catalog: "pg_namespace", acl: "nspacl", owner: "nspowner", kind: "'SCHEMA'", letter: "'n'", name: "o.nspname"},
	{catalog: "pg_database", acl: "datacl", owner: "datdba", kind: "'DATABASE'", letter: "'d'", name: "o.datname"},
	{
		catalog: "pg_proc", acl: "proacl", owner: "proowner", kind: "CASE WHEN o.prokind {=} 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END", letter: "'f'",
		schema: "pronamespace", name: "o.proname", args: "pg_catalog.pg_get_function_identity_arguments(o.oid)",
	},
	{
		catalog: "pg_type", acl: "typacl", owner: "typowner", kind: "'TYPE'", letter: "'T'", schema: "typnamespace", name: "o.typname",
		only: `o.typtype {=} ANY ('{b,d,e,r}'::pg_catalog."char"[]) AND o.typcategory {<>} 'A'`, // other types belong to a table or to another type
	},
	{catalog: "pg_language", acl: "lanacl", owner: "lanowner", kind: "'LANGUAGE'", letter: "'l'", name: "o.lanname"},
	{catalog: "pg_foreign_data_wrapper", acl: "fdwacl", owner: "fdwowner", kind: "'FOREIGN DATA WRAPPER'", letter: "'F'", name: "o.fdwname"},
	{catalog: "pg_foreign_server", acl: "srvacl", owner: "srvowner", kind: "'FOREIGN SERVER'", letter: "'S'", name: "o.srvname"},
	{catalog: "pg_tablespace", acl: "spcacl", owner: "spcowner", kind: "'TABLESPACE'", letter: "'t'", name: "o.spcname"},
	{catalog: "pg_largeobject_metadata", acl: "lomacl", owner: "lomowner", kind: "'LARGE OBJECT'", letter: "'L'", name: "o.oid::pg_catalog.text"},
}

// PostgresSQL lists the accounts' direct rights on objects of the session's database and
// of the whole server, for [Parse]. It starts from the roles' dependencies, which are
// indexed, to avoid reading every object's list.
func PostgresSQL(accounts ...string) string {
	return strings.ReplaceAll(template(), "NAMES", pgwire.Names(accounts...))
}

var template = sync.OnceValue(func() string {
	var parts []string
	for _, o := range objects {
		parts = append(parts, o.sql())
	}
	parts = append(parts, columnsSQL, defaultsSQL)
	return pgwire.Operators("WITH who AS (SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname {=} ANY (NAMES)), " +
		"dep AS (SELECT DISTINCT d.classid, d.objid FROM pg_catalog.pg_shdepend d WHERE d.refclassid {=} 'pg_catalog.pg_authid'::pg_catalog.regclass " +
		"AND d.deptype {=} ANY ('{a,o}'::pg_catalog.\"char\"[]) AND d.refobjid {=} ANY (SELECT w.oid FROM who w) " +
		"AND (d.dbid {=} 0 OR d.dbid {=} (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname {=} pg_catalog.current_database()))) " +
		"SELECT who.rolname, g.kind, g.owner, g.schema, g.object, g.args, g.col, g.privilege, g.grantable, g.owned FROM (" +
		strings.Join(parts, " UNION ALL ") + ") g (grantee, kind, owner, schema, object, args, col, privilege, grantable, owned) JOIN who ON who.oid {=} g.grantee")
})

func (o object) sql() string {
	schema, join, args, only := "''", "", "''", ""
	if o.schema != "" {
		schema = "n.nspname"
		join = " JOIN pg_catalog.pg_namespace n ON n.oid {=} o." + o.schema + " AND n.nspname {!~} '^pg_temp'"
	}
	if o.args != "" {
		args = o.args
	}
	if o.only != "" {
		only = " WHERE " + o.only
	}
	return fmt.Sprintf("SELECT a.grantee, %s, '', %s, %s, %s, '', a.privilege_type, a.is_grantable, a.grantee {=} o.%s "+
		"FROM dep JOIN pg_catalog.%s o ON dep.classid {=} 'pg_catalog.%[6]s'::pg_catalog.regclass AND dep.objid {=} o.oid%s, "+
		"pg_catalog.aclexplode(coalesce(o.%s, pg_catalog.acldefault(%s, o.%[5]s))) a%[10]s",
		o.kind, schema, o.name, args, o.owner, o.catalog, join, o.acl, o.letter, only)
}

const columnsSQL = "SELECT a.grantee, 'TABLE', '', n.nspname, c.relname, '', t.attname, a.privilege_type, a.is_grantable, false " +
	"FROM dep JOIN pg_catalog.pg_class c ON dep.classid {=} 'pg_catalog.pg_class'::pg_catalog.regclass AND dep.objid {=} c.oid " +
	"JOIN pg_catalog.pg_namespace n ON n.oid {=} c.relnamespace JOIN pg_catalog.pg_attribute t ON t.attrelid {=} c.oid AND NOT t.attisdropped, " +
	"pg_catalog.aclexplode(t.attacl) a"

const defaultsSQL = "SELECT a.grantee, pg_catalog.concat('DEFAULT ', CASE WHEN d.defaclobjtype {=} 'r' THEN 'TABLES' WHEN d.defaclobjtype {=} 'S' THEN 'SEQUENCES' " +
	"WHEN d.defaclobjtype {=} 'f' THEN 'FUNCTIONS' WHEN d.defaclobjtype {=} 'T' THEN 'TYPES' WHEN d.defaclobjtype {=} 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END), " +
	"r.rolname, coalesce(n.nspname, ''), '', '', '', a.privilege_type, a.is_grantable, false " +
	"FROM dep JOIN pg_catalog.pg_default_acl d ON dep.classid {=} 'pg_catalog.pg_default_acl'::pg_catalog.regclass AND dep.objid {=} d.oid " +
	"JOIN pg_catalog.pg_roles r ON r.oid {=} d.defaclrole LEFT JOIN pg_catalog.pg_namespace n ON n.oid {=} d.defaclnamespace, " +
	"pg_catalog.aclexplode(d.defaclacl) a WHERE a.grantee {<>} d.defaclrole"
