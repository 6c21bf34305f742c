package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// right is a role membership, a permission, or the ownership of an object.
type right struct {
	class      string
	state      tsql.State
	permission string
	id, sub    int64
	on         tsql.Securable
	self       bool // on the account itself
}

// rights are an account's rights on the server or in one database, by key.
type rights map[string]right

const (
	classServer   = "SERVER"
	classDatabase = "DATABASE"
	control       = "CONTROL"
)

// key identifies what a right is to, independently of the account. Roles are identified
// by name, because members see nothing else of them.
func (r right) key() string {
	if r.state == tsql.Member {
		return "ROLE " + r.on.Name
	}
	return fmt.Sprintf("%s %d %d %s", r.class, r.id, r.sub, r.permission)
}

// everywhere reports whether the right is on the whole server or database.
func (r right) everywhere() bool { return r.class == classServer || r.class == classDatabase }

// copyable reports whether a statement can grant the right.
func (r right) copyable() bool {
	return r.state != tsql.Revoke && (r.everywhere() || r.on.Kind != "" && r.on.Name != "")
}

// String describes the right without the account's name. It uses IDs where the account
// may not see the name of an object that it is denied.
func (r right) String() string {
	if r.state == tsql.Member {
		return "role " + tsql.Name(r.on.Name)
	}
	text := strings.ReplaceAll(string(r.plain()), "_", " ") + " " + r.permission
	switch {
	case r.everywhere():
	case r.self:
		text += " on itself"
	case r.sub != 0:
		text += fmt.Sprintf(" on %s %d.%d", r.class, r.id, r.sub)
	default:
		text += fmt.Sprintf(" on %s %d", r.class, r.id)
	}
	return text
}

// plain returns the state, with ownership and CONTROL with grant option reduced to
// CONTROL, which allows granting everything on the securable anyway.
func (r right) plain() tsql.State {
	if r.state == tsql.Owner || r.permission == control && !r.everywhere() && r.state == tsql.GrantWithOption {
		return tsql.Grant
	}
	return r.state
}

// rank orders the states that the same right may have from several grantors. The highest
// counts.
func rank(s tsql.State) int {
	return slices.Index([]tsql.State{tsql.Revoke, tsql.Grant, tsql.GrantWithOption, tsql.Owner, tsql.Deny}, s)
}

// add adds a right. Of several rights with the same key it keeps the strongest.
func (rs rights) add(r right) {
	if have, ok := rs[r.key()]; !ok || rank(r.state) > rank(have.state) {
		rs[r.key()] = r
	}
}

// dropImplied removes grants on securables that the account has CONTROL of. The server
// does not grant these to an owner, so owner and non-owner would always differ.
func (rs rights) dropImplied() {
	for key, r := range rs {
		if r.everywhere() || r.permission == control || r.state != tsql.Grant && r.state != tsql.GrantWithOption {
			continue
		}
		if c, ok := rs[right{class: r.class, id: r.id, permission: control}.key()]; ok && c.state != tsql.Deny {
			delete(rs, key)
		}
	}
}

// mayConnect reports whether the account itself has the right to open the database.
func (rs rights) mayConnect() bool {
	r, ok := rs[right{class: classDatabase, permission: "CONNECT"}.key()]
	return ok && r.plain() != tsql.Deny
}

// list describes the rights in order, each with the prefix.
func (rs rights) list(prefix string) []string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(rs)) {
		list = append(list, prefix+rs[key].String())
	}
	slices.Sort(list)
	return list
}

// ofOwner returns the rights for a clone of dbo. dbo owns most of a database and is
// exempt from permission checks; db_owner comes closest to it.
func (rs rights) ofOwner() rights {
	owner := rights{}
	owner.add(right{class: "ROLE", state: tsql.Member, on: tsql.Securable{Kind: "ROLE", Name: "db_owner"}})
	owner.add(right{class: classDatabase, state: tsql.Grant, permission: "CONNECT"})
	for _, r := range rs {
		if r.state == tsql.Member || r.class == classDatabase {
			owner.add(r)
		}
	}
	return owner
}

// rights reads the rights of two principals of the server or the current database. They
// may be the same principal.
func (s *session) rights(ctx context.Context, query string, one, other int64) (rights, rights, error) {
	first, second := rights{}, rights{}
	err := s.query(ctx, "reading permissions", func(rows *sql.Rows) error {
		var principal int64
		var state string
		var r right
		var kind, schema, name, column sql.NullString
		if err := rows.Scan(&principal, &r.class, &state, &r.permission, &r.id, &r.sub, &kind, &schema, &name, &column); err != nil {
			return err
		}
		r.state = tsql.State(state)
		r.on = tsql.Securable{Kind: kind.String, Schema: schema.String, Name: name.String, Column: column.String}
		if strings.HasSuffix(r.class, "_PRINCIPAL") && r.id == principal {
			r.self, r.id = true, -1
		}
		if principal == one {
			first.add(r)
		} else {
			second.add(r)
		}
		return nil
	}, query, one, other)
	first.dropImplied()
	second.dropImplied()
	return first, second, err
}
