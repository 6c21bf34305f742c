package tdsfake

import (
	"cmp"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// query answers a catalogue query from the model.
type query func(s *Server, who *identity, args []any) *result

// queries are known by their text.
var queries = map[string]query{
	tsql.Probe: func(*Server, *identity, []any) *result {
		return &result{columns: []byte{typeInt}, values: [][]any{{1}}}
	},
	tsql.LockTimeout: func(_ *Server, who *identity, _ []any) *result {
		who.lockTimeout = tsql.LockTimeoutMillis * time.Millisecond
		return nil
	},
	tsql.Self:      (*Server).self,
	tsql.Login:     (*Server).describeLogin,
	tsql.Databases: (*Server).listDatabases,
	tsql.Closed:    (*Server).listClosed,
	tsql.Users:     (*Server).describeUsers,
	tsql.Triggers:  (*Server).listTriggers,
	tsql.MayAlterLogin: func(s *Server, who *identity, args []any) *result {
		name, _ := args[0].(string)
		r := &result{columns: []byte{typeInt, typeInt, typeInt}}
		l := s.find(name)
		if l == nil {
			r.values = [][]any{{nil, 0, bit(s.may(who, tsql.ControlServer))}}
		} else {
			r.values = [][]any{{bit(s.alterLogin(who, l)), bit(s.powerful(l)), bit(s.may(who, tsql.ControlServer))}}
		}
		return r
	},
	tsql.SeesServer: func(s *Server, who *identity, _ []any) *result {
		return &result{columns: []byte{typeInt}, values: [][]any{{bit(s.seesRoles(who))}}}
	},
	tsql.InDatabase: func(s *Server, who *identity, _ []any) *result {
		return &result{columns: []byte{typeInt, typeInt}, values: [][]any{{
			bit(s.mayIn(who, who.database, tsql.AlterAnyUser)), bit(s.seesMembers(who, who.database)),
		}}}
	},
	tsql.ServerRights():   (*Server).serverRights,
	tsql.DatabaseRights(): (*Server).databaseRights,
}

func (s *Server) self(who *identity, _ []any) *result {
	home := s.databases[tsql.Master]
	if who.home != nil {
		home = who.home
	}
	return &result{
		columns: []byte{typeInt, typeText, typeText, typeInt},
		values:  [][]any{{home.id, home.name, who.database.name, bit(s.alterLogins(who))}},
	}
}

// describeLogin shows an account without rights itself only.
func (s *Server) describeLogin(who *identity, args []any) *result {
	r := &result{columns: []byte{typeInt, typeBinary, typeText, typeBit, typeText, typeText, typeBit, typeBit}}
	name, _ := args[0].(string)
	p := s.find(name)
	if p == nil || p != who.login && !s.alterLogin(who, p) {
		return r
	}
	row := []any{p.id, p.sid, p.kind, p.disabled, p.settings.Database, p.settings.Language, nil, nil}
	if p.kind == "S" {
		row[6], row[7] = p.settings.CheckPolicy, p.settings.CheckExpiration
	}
	r.values = append(r.values, row)
	return r
}

func (s *Server) listDatabases(who *identity, _ []any) *result {
	r := &result{columns: []byte{typeText, typeInt}}
	for name, d := range s.databases {
		if s.access(who, d) {
			containment := 0
			if d.contained {
				containment = 1
			}
			r.values = append(r.values, []any{name, containment})
		}
	}
	slices.SortFunc(r.values, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	return r
}

func (s *Server) listClosed(who *identity, _ []any) *result {
	r := &result{columns: []byte{typeText}}
	for name, d := range s.databases {
		if !s.access(who, d) {
			r.values = append(r.values, []any{name})
		}
	}
	slices.SortFunc(r.values, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	return r
}

// listTriggers shows them to who may see definitions.
func (s *Server) listTriggers(who *identity, _ []any) *result {
	r := &result{columns: []byte{typeText}}
	if s.administers(who, who.database) {
		for _, name := range who.database.triggers {
			r.values = append(r.values, []any{name})
		}
	}
	return r
}

func (s *Server) describeUsers(who *identity, args []any) *result {
	r := &result{columns: []byte{typeInt, typeText, typeBinary, typeInt, typeText, typeText, typeText}}
	d := who.database
	for _, p := range d.principals {
		bySID := p.sid != nil && (slices.Equal(p.sid, asBytes(args[0])) || slices.Equal(p.sid, asBytes(args[1])))
		if !bySID && p.name != args[2] && p.name != args[3] || p.id != idDBO && p != s.userOf(who, d) && !s.mayIn(who, d, tsql.AlterAnyUser) && !s.seesMembers(who, d) {
			continue
		}
		r.values = append(r.values, []any{p.id, p.name, optional(p.sid), p.authentication, text0(p.schema), text0(p.language), text0(p.mark)})
	}
	return r
}

func bit(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func asBytes(v any) []byte {
	b, _ := v.([]byte)
	return b
}

func optional(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func text0(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (s *Server) serverRights(who *identity, args []any) *result {
	own := func(id int) bool { return who.login != nil && who.login.id == id }
	all, roles := s.alterLogins(who) || s.may(who, tsql.ViewAnyDefinition), s.seesRoles(who)
	return s.rightsOf(&s.scope, args, all, func(id int) bool { return all || own(id) }, func(id int) bool { return roles || own(id) })
}

func (s *Server) databaseRights(who *identity, args []any) *result {
	d := who.database
	all, u := s.mayIn(who, d, tsql.AlterAnyUser) || s.seesMembers(who, d), s.userOf(who, d)
	own := func(id int) bool { return u != nil && u.id == id }
	roles := s.seesMembers(who, d)
	return s.rightsOf(&d.scope, args, all, func(id int) bool { return all || own(id) }, func(id int) bool { return roles || own(id) })
}

// rightsOf lists memberships, permissions and what is owned. Without rights
// over others an account does not see the names of what it is only denied, and
// without those to see definitions no roles but its own.
func (s *Server) rightsOf(scope *scope, args []any, all bool, visible, roles func(int) bool) *result {
	r := &result{columns: []byte{typeInt, typeText, typeText, typeText, typeInt, typeInt, typeText, typeText, typeText, typeText}}
	wanted := func(id int) bool { return (id == args[0] || id == args[1]) && visible(id) }
	for _, m := range scope.members {
		if wanted(m.member) && roles(m.member) {
			r.values = append(r.values, []any{m.member, "ROLE", "MEMBER", "MEMBER", 0, 0, "ROLE", nil, scope.byID(m.role).name, nil})
		}
	}
	for _, p := range scope.permissions {
		if !wanted(p.grantee) {
			continue
		}
		row := []any{p.grantee, p.class, string(p.state), p.name, p.major, p.sub, nil, nil, nil, nil}
		scope.describe(p, row)
		if p.state == tsql.Deny && !all {
			row[7], row[8], row[9] = nil, nil, nil
		}
		r.values = append(r.values, row)
	}
	for _, o := range scope.securables {
		if wanted(o.owner) && o.kind != "" {
			r.values = append(r.values, []any{o.owner, o.class, "OWNER", "CONTROL", o.id, 0, o.kind, text0(o.schema), o.name, nil})
		}
	}
	return r
}

// describe fills in kind, schema, name and column.
func (scope *scope) describe(p permission, row []any) {
	switch p.class {
	case "SERVER", "DATABASE":
		row[6] = ""
		return
	case "SERVER_PRINCIPAL", "DATABASE_PRINCIPAL":
		on := scope.byID(p.major)
		kind := map[string]string{"SERVER_PRINCIPALS": "LOGIN", "SERVER_PRINCIPALR": "SERVER ROLE", "DATABASE_PRINCIPALS": "USER", "DATABASE_PRINCIPALR": "ROLE"}
		row[6], row[8] = kind[p.class+on.kind], on.name
		return
	}
	for _, o := range scope.securables {
		if o.class == p.class && o.id == p.major && o.kind != "" {
			row[6], row[7], row[8] = o.kind, text0(o.schema), o.name
			if p.sub > 0 {
				row[9] = o.columns[p.sub-1]
			}
		}
	}
}
