package tdsfake

import (
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// principal is a login, a user or a role, of the server or of a database.
type principal struct {
	id       int
	name     string
	kind     string // "S" with a password or of a login, "R" role
	sid      []byte
	password string
	owner    int // of a role
	settings tsql.LoginSettings
	disabled bool
	trouble  int32 // the error that its logins get

	authentication int // of a database user: 1 by its login, 2 by a password
	schema         string
	language       string
	mark           string
}

// Values of authentication_type.
const (
	authInstance  = 1
	authContained = 2
)

// permission is a row of sys.database_permissions or sys.server_permissions.
type permission struct {
	grantee    int
	class      string
	state      tsql.State
	name       string
	major, sub int
}

// securable is what permissions can be on, beside principals.
type securable struct {
	id      int
	class   string
	kind    string // as in GRANT; "" is a class that the engine does not copy
	schema  string
	name    string
	columns []string
	owner   int
}

type membership struct{ role, member int }

// scope is the server or a database: principals and their rights.
type scope struct {
	principals  []*principal
	members     []membership
	permissions []permission
	securables  []*securable
}

type database struct {
	scope
	id        int
	name      string
	contained bool
	readOnly  bool
	guest     bool
	triggers  []string // for DDL
}

// Fixed ids.
const (
	idSA       = 1
	idSysadmin = 3
	idDBO      = 1
	idDBOwner  = 16384
	idSchema   = 1 // dbo
	firstID    = 200
)

var sidSA = []byte{1}

func (s *Server) populate() {
	s.nextID = firstID
	s.databases = map[string]*database{}
	s.principals = []*principal{
		{
			id: idSA, name: "sa", kind: "S", sid: sidSA, password: s.cfg.SAPassword,
			settings: tsql.LoginSettings{Database: "master", Language: "us_english", CheckPolicy: true},
		},
		{id: idSysadmin, name: "sysadmin", kind: "R"},
		{id: idSecurityAdmin, name: securityAdmin, kind: "R"},
		{id: idLoginManager, name: loginManager, kind: "R"},
		{id: 6, name: "processadmin", kind: "R"},
		{id: 7, name: "setupadmin", kind: "R"},
	}
	s.members = []membership{{idSysadmin, idSA}}
	s.securables = []*securable{{id: 2, class: "ENDPOINT", kind: "ENDPOINT", name: "TSQL Default TCP", owner: idSA}}
	for _, name := range []string{"master", "tempdb", "msdb"} {
		s.addDatabase(name).guest = true
	}
	s.addDatabase("app")
}

func (s *Server) addDatabase(name string) *database {
	d := &database{id: len(s.databases) + 1, name: name}
	d.principals = []*principal{
		{id: idDBO, name: "dbo", kind: "S", sid: sidSA, authentication: authInstance, schema: "dbo"},
		{id: idDBOwner, name: "db_owner", kind: "R", owner: idDBO},
		{id: idDBAccessAdmin, name: "db_accessadmin", kind: "R", owner: idDBO},
		{id: idDBSecurityAdmin, name: "db_securityadmin", kind: "R", owner: idDBO},
		{id: 16390, name: "db_datareader", kind: "R", owner: idDBO},
		{id: 16391, name: "db_datawriter", kind: "R", owner: idDBO},
		{id: 16392, name: "db_denydatareader", kind: "R", owner: idDBO},
	}
	d.members = []membership{{idDBOwner, idDBO}}
	d.securables = []*securable{{id: idSchema, class: "SCHEMA", kind: "SCHEMA", name: "dbo", owner: idDBO}}
	d.permissions = []permission{{grantee: idDBO, class: "DATABASE", state: tsql.Grant, name: "CONNECT"}}
	s.databases[name] = d
	return d
}

func (s *Server) id() int { s.nextID++; return s.nextID }

func (c *scope) find(name string) *principal {
	i := slices.IndexFunc(c.principals, func(p *principal) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return c.principals[i]
}

func (c *scope) byID(id int) *principal {
	i := slices.IndexFunc(c.principals, func(p *principal) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return c.principals[i]
}

func (c *scope) bySID(sid []byte) *principal {
	i := slices.IndexFunc(c.principals, func(p *principal) bool { return sid != nil && slices.Equal(p.sid, sid) })
	if i < 0 {
		return nil
	}
	return c.principals[i]
}

func (c *scope) securable(class, schema, name string) *securable {
	i := slices.IndexFunc(c.securables, func(o *securable) bool {
		return o.class == class && o.schema == schema && o.name == name
	})
	if i < 0 {
		return nil
	}
	return c.securables[i]
}

func (c *scope) isMember(role, member int) bool {
	return slices.ContainsFunc(c.members, func(m membership) bool {
		return m.member == member && (m.role == role || c.isMember(role, m.role))
	})
}

// granted reports whether an account or a role of its has a permission on the
// whole scope, and nobody has denied it.
func (c *scope) granted(id int, name string) bool { return c.grantedOn(id, name, 0) }

func (c *scope) grantedOn(id int, name string, major int) bool {
	granted := false
	for _, p := range c.permissions {
		if p.name != name || p.major != major || p.grantee != id && !c.isMember(p.grantee, id) {
			continue
		}
		if p.state == tsql.Deny {
			return false
		}
		granted = true
	}
	return granted
}

// sysadmin and the rest answer what the session's account may do.
func (s *Server) sysadmin(who *identity) bool {
	return who.login != nil && (s.isMember(idSysadmin, who.login.id) || s.granted(who.login.id, tsql.ControlServer))
}

// The fixed roles that have permissions of their own, which no view lists ("Server-level
// roles", "Database-level roles").
const (
	idSecurityAdmin      = 4
	idLoginManager       = 17 // of SQL Server 2022
	idDBAccessAdmin      = 16385
	idDBSecurityAdmin    = 16386
	securityAdmin        = "securityadmin"
	loginManager         = "##MS_LoginManager##"
	alterAnyLogin        = tsql.AlterAnyLogin
	alter, controlOfPart = "ALTER", "CONTROL"
)

// denied reports whether a permission is denied to an account or a role of its.
func (c *scope) denied(id int, name string, major int) bool {
	return slices.ContainsFunc(c.permissions, func(p permission) bool {
		return p.name == name && p.major == major && p.state == tsql.Deny && (p.grantee == id || c.isMember(p.grantee, id))
	})
}

// may reports whether the session has a permission on the server, granted or implied by
// CONTROL SERVER or a fixed role ("Permissions hierarchy").
func (s *Server) may(who *identity, name string) bool {
	switch {
	case s.sysadmin(who):
		return true
	case who.login == nil || s.denied(who.login.id, name, 0):
		return false
	}
	id := who.login.id
	return s.granted(id, name) || s.granted(id, tsql.ControlServer) ||
		name == alterAnyLogin && (s.isMember(idSecurityAdmin, id) || s.isMember(idLoginManager, id))
}

func (s *Server) alterLogins(who *identity) bool { return s.may(who, alterAnyLogin) }

// alterLogin is ALTER on one login.
func (s *Server) alterLogin(who *identity, l *principal) bool {
	if who.login == nil || !s.sysadmin(who) && s.denied(who.login.id, alter, l.id) {
		return false
	}
	return s.alterLogins(who) || s.grantedOn(who.login.id, alter, l.id) || s.grantedOn(who.login.id, controlOfPart, l.id)
}

// powerful reports whether only those may change a login who have CONTROL SERVER ("ALTER
// LOGIN").
func (s *Server) powerful(l *principal) bool {
	return s.isMember(idSysadmin, l.id) || slices.ContainsFunc(s.permissions, func(p permission) bool {
		return p.grantee == l.id && p.name == tsql.ControlServer && p.state != tsql.Deny
	})
}

// seesRoles reports whether the session sees which roles other logins are in
// ("sys.server_role_members").
func (s *Server) seesRoles(who *identity) bool {
	return s.may(who, tsql.ViewAnyDefinition) || who.login != nil && s.isMember(idSecurityAdmin, who.login.id)
}

// mayIn reports whether the session has a permission on a database.
func (s *Server) mayIn(who *identity, d *database, name string) bool {
	if s.administers(who, d) {
		return true
	}
	u := s.userOf(who, d)
	return u != nil && !d.denied(u.id, name, 0) &&
		(d.granted(u.id, name) || name == tsql.AlterAnyUser && d.isMember(idDBAccessAdmin, u.id))
}

// seesMembers is seesRoles of a database ("sys.database_role_members").
func (s *Server) seesMembers(who *identity, d *database) bool {
	u := s.userOf(who, d)
	return s.mayIn(who, d, tsql.ViewDefinition) || u != nil && d.isMember(idDBSecurityAdmin, u.id)
}

func (s *Server) userOf(who *identity, d *database) *principal {
	switch {
	case who.home != nil && who.home == d:
		return who.user
	case who.home != nil:
		return nil
	}
	return d.bySID(who.login.sid)
}

func (s *Server) administers(who *identity, d *database) bool {
	if s.sysadmin(who) {
		return true
	}
	u := s.userOf(who, d)
	return u != nil && (u.id == idDBO || d.isMember(idDBOwner, u.id))
}

// access is HAS_DBACCESS.
func (s *Server) access(who *identity, d *database) bool {
	if s.administers(who, d) || d.guest {
		return true
	}
	u := s.userOf(who, d)
	return u != nil && d.granted(u.id, "CONNECT")
}
