package tdsfake

import (
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// permissionChange is a GRANT, DENY or REVOKE.
type permissionChange struct {
	permission         string
	column             string
	kind, schema, name string
	account            string
	to                 tsql.State // "" revokes
	onlyOption         bool
	cascade            bool
}

// serverPermissions are those on the server as a whole; without ON all others
// are on the database.
var serverPermissions = []string{
	tsql.AlterAnyLogin, "ALTER TRACE", "CONNECT SQL", "CONTROL SERVER",
	"VIEW ANY DATABASE", "VIEW ANY DEFINITION", "VIEW SERVER STATE",
}

// classes by the kind that stands before :: in the statement.
var classes = map[string]string{
	"OBJECT": "OBJECT_OR_COLUMN", "SCHEMA": "SCHEMA", "TYPE": "TYPE", "ASSEMBLY": "ASSEMBLY",
	"XML SCHEMA COLLECTION": "XML_SCHEMA_COLLECTION", "SYMMETRIC KEY": "SYMMETRIC_KEYS",
	"CERTIFICATE": "CERTIFICATE", "ASYMMETRIC KEY": "ASYMMETRIC_KEY", "ENDPOINT": "ENDPOINT",
	"USER": "DATABASE_PRINCIPAL", "ROLE": "DATABASE_PRINCIPAL", "LOGIN": "SERVER_PRINCIPAL", "SERVER ROLE": "SERVER_PRINCIPAL",
}

func (c permissionChange) onServer() bool {
	return c.kind == "" && slices.Contains(serverPermissions, c.permission) ||
		slices.Contains([]string{"LOGIN", "SERVER ROLE", "ENDPOINT"}, c.kind)
}

func (c permissionChange) run(s *Server, who *identity) *sqlError {
	scope := &who.database.scope
	if c.onServer() {
		if who.database.name != tsql.Master {
			return refuse(errServerScope)
		}
		if !s.sysadmin(who) && !s.grants(who, c.permission) {
			return refuse(errNotPermitted)
		}
		scope = &s.scope
	} else if err := s.writable(who); err != nil {
		return err
	}
	account := scope.find(c.account)
	if account == nil {
		return refuse(errNotFound)
	}
	row := permission{grantee: account.id, state: c.to, name: c.permission}
	if err := c.resolve(scope, &row); err != nil {
		return err
	}
	return scope.apply(row, c)
}

// grants reports whether the session's login may pass a permission on.
func (s *Server) grants(who *identity, name string) bool {
	return slices.ContainsFunc(s.permissions, func(p permission) bool {
		return who.login != nil && p.grantee == who.login.id && p.name == name && p.state == tsql.GrantWithOption
	})
}

// resolve finds the securable.
func (c permissionChange) resolve(scope *scope, row *permission) *sqlError {
	if c.kind == "" {
		row.class = "DATABASE"
		if c.onServer() {
			row.class = "SERVER"
		}
		return nil
	}
	row.class = classes[c.kind]
	if row.class == "" {
		return refuse(errSyntax)
	}
	if p := scope.find(c.name); p != nil && (row.class == "DATABASE_PRINCIPAL" || row.class == "SERVER_PRINCIPAL") {
		row.major = p.id
		return nil
	}
	o := scope.securable(row.class, c.schema, c.name)
	if o == nil {
		return refuse(errNotFound)
	}
	if o.owner == row.grantee {
		return refuse(errOwnerGrant)
	}
	row.major = o.id
	if c.column != "" {
		if row.sub = slices.Index(o.columns, c.column) + 1; row.sub == 0 {
			return refuse(1911)
		}
	}
	return nil
}

// apply replaces the row.
func (scope *scope) apply(row permission, c permissionChange) *sqlError {
	same := func(p permission) bool {
		return p.grantee == row.grantee && p.class == row.class && p.name == row.name && p.major == row.major && p.sub == row.sub
	}
	i := slices.IndexFunc(scope.permissions, same)
	if i >= 0 && scope.permissions[i].state == tsql.GrantWithOption && !c.cascade && (c.to == "" || c.to == tsql.Deny) {
		return refuse(errCascade)
	}
	if c.onlyOption {
		if i >= 0 && scope.permissions[i].state == tsql.GrantWithOption {
			scope.permissions[i].state = tsql.Grant
		}
		return nil
	}
	if c.to == tsql.Grant && i >= 0 && scope.permissions[i].state == tsql.GrantWithOption {
		return nil // it keeps its option
	}
	scope.permissions = slices.DeleteFunc(scope.permissions, same)
	if c.to != "" {
		scope.permissions = append(scope.permissions, row)
	}
	return nil
}
