package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// Privileges implements [engine.Session]. Roles belong to the whole server, so the
// session's database does not matter, except with [Engine.SeparateOwnership]: rights on
// objects are those in the session's database.
func (s *session) Privileges(ctx context.Context, user string) ([]string, error) {
	op := fmt.Sprintf("listing the rights of role %q on %s", user, s.Target)
	if err := s.Target.CheckName("role", user); err != nil {
		return nil, err
	}
	c, err := s.catalog(ctx, user)
	if err != nil {
		return nil, s.StatementFault(err, op, pgwire.Reading)
	}
	if c.role(user) == nil {
		return nil, noSuchRole(op, user)
	}
	return c.privileges(user), nil
}

// privileges lists what the role's sessions may do and their settings: attributes, direct
// and indirect memberships, settings. A clone that acts as its original has the same list
// as the original.
func (c *catalog) privileges(user string) []string {
	self := c.selves(user)
	list := c.role(user).attributes()
	for _, m := range c.reachable(user) {
		if !slices.Contains(self, m.Role) {
			list = append(list, "member of "+pgwire.Identifier(m.Role)+m.options())
		}
	}
	list = append(list, c.listSettings(user, self)...)
	list = append(list, c.grants[user].List()...)
	slices.Sort(list)
	return list
}

func (r *role) attributes() []string {
	var list []string
	for _, a := range attributes {
		if a.listed && a.of(r) {
			list = append(list, a.name)
		}
	}
	if r.ConnectionLimit >= 0 {
		list = append(list, fmt.Sprintf("CONNECTION LIMIT %d", r.ConnectionLimit))
	}
	if r.ValidUntil != "" {
		list = append(list, "VALID UNTIL "+r.ValidUntil)
	}
	return list
}

// selves lists the role and those for which it is only another name: its only membership
// is in a role that may log in, with all the rights of that role, and its sessions act as
// the same role as that role's sessions.
func (c *catalog) selves(user string) []string {
	chain := []string{user}
	for {
		last := chain[len(chain)-1]
		direct := c.memberships(last)
		if len(direct) != 1 {
			return chain
		}
		other := slices.Collect(maps.Keys(direct))[0]
		m, r := direct[other], c.role(other)
		acts := c.ownRole("", last)
		if r == nil || !r.Login || m.Admin || !m.Inherit || !m.Set || slices.Contains(chain, other) ||
			(acts != other && acts != c.runsAs("", other)) {
			return chain
		}
		chain = append(chain, other)
	}
}

// reachable lists every role of which the user is a direct or indirect member, with the
// options that it has there. INHERIT and SET must be set on every step of the way, ADMIN
// only on the last. Source: roles_is_member_of() in PostgreSQL's acl.c.
func (c *catalog) reachable(user string) []membership {
	found := map[string]membership{user: {Role: user, Inherit: true, Set: true}}
	for queue := []string{user}; len(queue) > 0; queue = queue[1:] {
		from := found[queue[0]]
		for other, m := range c.memberships(queue[0]) {
			had, seen := found[other]
			now := membership{
				Role: other, Admin: had.Admin || m.Admin,
				Inherit: had.Inherit || from.Inherit && m.Inherit, Set: had.Set || from.Set && m.Set,
			}
			if !seen || now != had {
				found[other] = now
				queue = append(queue, other)
			}
		}
	}
	delete(found, user)
	return slices.SortedFunc(maps.Values(found), func(a, b membership) int { return cmp.Compare(a.Role, b.Role) })
}

// listSettings lists the role's settings, and the role as which its sessions act unless
// that is one of its selves.
func (c *catalog) listSettings(user string, self []string) []string {
	var list []string
	actor := func(database string) string {
		if as := c.runsAs(database, user); !slices.Contains(self, as) {
			return "acts as " + pgwire.Identifier(as)
		}
		return "acts as itself"
	}
	usual := actor("")
	if usual != "acts as itself" {
		list = append(list, usual)
	}
	for _, database := range append([]string{""}, c.databases(slices.Concat(self, []string{""})...)...) {
		where := ""
		if database != "" {
			where = " in database " + pgwire.Identifier(database)
		}
		for name, value := range c.settings(database, user) {
			list = append(list, settingDone("SET", name+" = "+pgwire.ListedSetting(name, value), where))
		}
		if here := actor(database); here != usual {
			list = append(list, here+where)
		}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
