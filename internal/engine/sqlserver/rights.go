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

// right is a role membership, a permission, or the ownership of something.
type right struct {
	class      string
	state      tsql.State
	permission string
	id, sub    int64
	on         tsql.Securable
	self       bool // on the account itself
}

// rights are an account's on the server or in one database, by what they are a
// right to.
type rights map[string]right

const (
	classServer   = "SERVER"
	classDatabase = "DATABASE"
	control       = "CONTROL"
)

// key is the same for both accounts. Roles go by name: all that members see of
// them.
func (r right) key() string {
	if r.state == tsql.Member {
		return "ROLE " + r.on.Name
	}
	return fmt.Sprintf("%s %d %d %s", r.class, r.id, r.sub, r.permission)
}

// everywhere reports whether the right is on the whole server or database.
func (r right) everywhere() bool { return r.class == classServer || r.class == classDatabase }

// copyable reports whether a statement can be made of it.
func (r right) copyable() bool {
	return r.state != tsql.Revoke && (r.everywhere() || r.on.Kind != "" && r.on.Name != "")
}

// String describes the right without the account's name. It goes by numbers
// where an account itself may not see the name of what it is denied.
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

// plain takes ownership, and CONTROL with a grant option, as CONTROL: who has
// it may grant everything on the securable anyway.
func (r right) plain() tsql.State {
	if r.state == tsql.Owner || r.permission == control && !r.everywhere() && r.state == tsql.GrantWithOption {
		return tsql.Grant
	}
	return r.state
}

// rank orders what may stand side by side when several accounts granted it; the
// highest counts.
func rank(s tsql.State) int {
	return slices.Index([]tsql.State{tsql.Revoke, tsql.Grant, tsql.GrantWithOption, tsql.Owner, tsql.Deny}, s)
}

// add takes a right in; of several to the same the strongest stays.
func (rs rights) add(r right) {
	if have, ok := rs[r.key()]; !ok || rank(r.state) > rank(have.state) {
		rs[r.key()] = r
	}
}

// dropImplied removes grants on what the account has CONTROL of: to an owner
// the server does not grant them at all, so that comparing them would never
// come out even.
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

// mayConnect reports whether an account may open the database by itself.
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

// ofOwner is what a clone of dbo shall have: dbo owns most of a database and is
// subject to no permission, and db_owner is what comes nearest to it.
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

// rights reads those of two principals of the server or the current database.
// Both may be the same.
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
