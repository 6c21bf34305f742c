package tdsfake

import (
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// AddDatabase makes a database that sa owns.
func (s *Server) AddDatabase(name string, contained bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addDatabase(name).contained = contained
}

// SetReadOnly makes a database refuse changes.
func (s *Server) SetReadOnly(database string, readOnly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[database].readOnly = readOnly
}

// SetOwner makes a login the owner (dbo) of a database.
func (s *Server) SetOwner(database, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases[database].byID(idDBO).sid = s.find(login).sid
}

// AddTable makes a table in schema dbo.
func (s *Server) AddTable(database, name string, columns ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[database]
	d.securables = append(d.securables, &securable{
		id: s.id(), class: "OBJECT_OR_COLUMN", kind: "OBJECT", schema: "dbo", name: name, columns: columns,
	})
}

// AddSecurable makes something that has a kind as in GRANT ("CERTIFICATE"). The
// owner is a user, or "" for dbo.
func (s *Server) AddSecurable(database, kind, schema, name, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[database]
	o := &securable{id: s.id(), class: classes[kind], kind: kind, schema: schema, name: name, owner: idDBO}
	if owner != "" {
		o.owner = d.find(owner).id
	}
	d.securables = append(d.securables, o)
}

// AddRole makes a role in a database; without one, on the server.
func (s *Server) AddRole(database, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	scope := &s.scope
	if database != "" {
		scope = &s.databases[database].scope
	}
	scope.principals = append(scope.principals, &principal{id: s.id(), name: name, kind: "R", owner: idDBO})
}

// AddPermission gives a user a permission of a class that the engine does not
// know, on thing number 1 of it, or a state that it does not set.
func (s *Server) AddPermission(database, user, class, state, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[database]
	d.permissions = append(d.permissions, permission{
		grantee: d.find(user).id, class: class, state: tsql.State(state), name: name, major: 1,
	})
}

// SetTrouble makes a login's logins fail with an error whatever the password
// is; 0 ends it.
func (s *Server) SetTrouble(login string, number int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(login).trouble = number
}

// SetDisabled disables a login.
func (s *Server) SetDisabled(login string, disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(login).disabled = disabled
}

// Drop removes a login and its users in all databases.
func (s *Server) Drop(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.find(login)
	if l == nil {
		return
	}
	for _, d := range s.databases {
		if u := d.bySID(l.sid); u != nil && u.id != idDBO {
			d.drop(u)
		}
	}
	s.drop(l)
}

func (c *scope) drop(p *principal) {
	c.principals = slices.DeleteFunc(c.principals, func(o *principal) bool { return o == p })
	c.members = slices.DeleteFunc(c.members, func(m membership) bool { return m.member == p.id })
	c.permissions = slices.DeleteFunc(c.permissions, func(o permission) bool { return o.grantee == p.id })
}

// HasLogin reports whether there is a login of that name.
func (s *Server) HasLogin(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(name) != nil
}

// HasUser reports whether a login has a user in a database.
func (s *Server) HasUser(database, login string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.find(login)
	return l != nil && s.databases[database].bySID(l.sid) != nil
}

// Accepts reports whether the server would let an account in. It counts as no
// login.
func (s *Server) Accepts(name, password, database string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, errs := s.check(name, password, database)
	return len(errs) == 0
}

// Can reports whether an account, logged in to a database, has a permission on
// a table in it; without a table, on the database; on the server if it is a
// permission of the server's.
func (s *Server) Can(name, password, database, permission, table string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, errs := s.check(name, password, database)
	switch {
	case len(errs) > 0:
		return false
	case slices.Contains(serverPermissions, permission):
		return s.sysadmin(who) || who.login != nil && s.granted(who.login.id, permission)
	case s.administers(who, who.database):
		return true
	}
	u, major := s.userOf(who, who.database), 0
	if u == nil {
		return false
	}
	if table != "" {
		o := who.database.securable("OBJECT_OR_COLUMN", "dbo", table)
		if o == nil {
			return false
		}
		major = o.id
	}
	return who.database.grantedOn(u.id, permission, major)
}
