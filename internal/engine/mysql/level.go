package mysql

import (
	"slices"
	"strings"
)

// step is a statement that removes a difference between a clone and its original.
type step struct {
	sql    string
	change string // what it does, for people
	// retry, if not empty, replaces sql when the table that it is about does
	// not exist any more: see grantGone.
	retry []string
}

// level returns the statements that give the account the rights it lacks and
// take those it has too many. The order matters: rights that the clone keeps are
// never revoked in between unless the grammar leaves no choice, roles are granted before
// they are activated, and privileges before they are restricted.
func (d dialect) level(a account, want, have rights) []step {
	var steps []step
	add, remove := want.without(have), have.without(want)
	of := func(rs rights, k kind) rights {
		return slices.DeleteFunc(slices.Clone(rs), func(r right) bool { return r.kind != k })
	}
	for _, r := range append(of(add, role), of(add, roleAdmin)...) {
		if r.kind == roleAdmin && add.has(right{kind: role, on: r.on}) {
			continue // granted with the role
		}
		steps = append(steps, grantRole(a, r, want))
	}
	for _, on := range scopes(append(of(add, privilege), of(remove, privilege)...)) {
		steps = append(steps, levelScope(a, on, of(want, privilege), of(have, privilege))...)
	}
	for _, r := range of(remove, dynamic) {
		steps = append(steps, step{sql: revokeSQL(a, []string{r.name}, r.on), change: "revoked " + r.String()})
	}
	for _, r := range of(add, dynamic) {
		steps = append(steps, step{sql: grantSQL(a, []string{r.name}, r.on, r.grantable), change: "granted " + r.String()})
	}
	steps = append(steps, levelProxies(a, want, have)...)
	for _, r := range of(remove, restricted) {
		// Granting it where it is restricted lifts the restriction.
		steps = append(steps, step{sql: grantSQL(a, []string{r.name}, r.on, false), change: "lifted the restriction " + r.String()})
	}
	for _, r := range of(add, restricted) {
		steps = append(steps, step{sql: revokeSQL(a, []string{r.name}, r.on), change: "restricted: " + r.String()})
	}
	if sql, change := d.activate(a, of(want, activeRole), of(have, activeRole)); sql != "" {
		steps = append(steps, step{sql: sql, change: change})
	}
	gone := of(remove, role)
	for _, r := range of(remove, roleAdmin) {
		if gone.has(right{kind: role, on: r.on}) {
			continue // goes with the role
		}
		steps = append(steps, d.revokeRoleAdmin(a, r)...)
	}
	for _, r := range gone {
		steps = append(steps, step{sql: revokeRoleSQL(a, r.on), change: "revoked " + r.String()})
	}
	return steps
}

// scopes lists the scopes of privileges, sorted.
func scopes(rs rights) []string {
	var on []string
	for _, r := range rs {
		on = append(on, r.on)
	}
	slices.Sort(on)
	return slices.Compact(on)
}

// levelScope levels the privileges in one scope.
func levelScope(a account, on string, want, have rights) []step {
	names := func(rs rights) []string {
		var out []string
		for _, r := range rs {
			if r.on == on {
				out = append(out, r.name)
			}
		}
		return out
	}
	w, h := names(want), names(have)
	var steps []step
	revoke := func(list []string) {
		if len(list) > 0 {
			steps = append(steps, step{
				sql:    revokeSQL(a, list, on),
				change: "revoked " + strings.Join(list, ", ") + " ON " + on,
			})
		}
	}
	isPart := func(name string) bool { return name != grantOption && !strings.Contains(name, "(") }
	all := slices.Contains(w, allPrivileges)
	if slices.Contains(h, allPrivileges) && !all {
		// Single privileges cannot be taken out of ALL: it has to go first.
		revoke([]string{allPrivileges})
		h = slices.DeleteFunc(h, func(name string) bool { return isPart(name) })
	}
	if all {
		// What ALL contains need not be revoked one by one.
		h = slices.DeleteFunc(h, func(name string) bool { return isPart(name) && name != allPrivileges })
	}
	lacks := func(of []string) func(string) bool {
		return func(name string) bool { return slices.Contains(of, name) }
	}
	grant, surplus := slices.DeleteFunc(slices.Clone(w), lacks(h)), slices.DeleteFunc(slices.Clone(h), lacks(w))
	if slices.Contains(grant, allPrivileges) { // which the grammar wants to stand alone
		steps = append(steps, grantStep(a, on, []string{allPrivileges}))
		grant = slices.DeleteFunc(grant, func(name string) bool { return name == allPrivileges })
	}
	if len(grant) > 0 {
		steps = append(steps, grantStep(a, on, grant))
	}
	revoke(surplus)
	return steps
}

// grantStep grants privileges in one scope. GRANT refuses a table that does not exist
// unless CREATE is granted, too. But the original may still have rights on a table that was
// dropped, which apply again to a new table of that name.
func grantStep(a account, on string, names []string) step {
	list := strings.Join(names, ", ")
	s := step{sql: grantSQL(a, names, on, false), change: "granted " + list + " ON " + on}
	isTable := strings.HasPrefix(on, "`") && !strings.HasSuffix(on, ".*")
	if isTable && !slices.Contains(names, "CREATE") && !slices.Contains(names, allPrivileges) {
		s.retry = []string{
			grantSQL(a, append([]string{"CREATE"}, names...), on, false),
			revokeSQL(a, []string{"CREATE"}, on),
		}
	}
	return s
}

func grantRole(a account, r right, want rights) step {
	admin := r.kind == roleAdmin || want.has(right{kind: roleAdmin, on: r.on})
	return step{sql: grantRoleSQL(a, r.on, admin), change: "granted " + r.String()}
}

// revokeRoleAdmin leaves the role itself.
func (d dialect) revokeRoleAdmin(a account, r right) []step {
	if d.mariadb {
		return []step{{sql: revokeRoleAdminSQL(a, r.on), change: "revoked " + r.String()}}
	}
	return []step{
		{sql: revokeRoleSQL(a, r.on)},
		{sql: grantRoleSQL(a, r.on, false), change: "revoked " + r.String()},
	}
}

func levelProxies(a account, want, have rights) []step {
	var steps []step
	isProxy := func(k kind) bool { return k == proxy || k == proxyAdmin }
	seen := map[string]bool{}
	for _, r := range append(slices.Clone(want), have...) {
		if !isProxy(r.kind) || seen[r.on] {
			continue
		}
		seen[r.on] = true
		p, admin := right{kind: proxy, on: r.on}, right{kind: proxyAdmin, on: r.on}
		if want.has(p) == have.has(p) && want.has(admin) == have.has(admin) {
			continue
		}
		if have.has(p) {
			steps = append(steps, step{sql: revokeProxySQL(a, r.on), change: "revoked " + p.String()})
		}
		if want.has(p) {
			steps = append(steps, step{sql: grantProxySQL(a, r.on, want.has(admin)), change: "granted " + p.String()})
		}
	}
	return steps
}

// activate sets the account's default roles.
func (d dialect) activate(a account, want, have rights) (sql, change string) {
	if slices.Equal(want, have) {
		return "", ""
	}
	names := []string{}
	for _, r := range want {
		names = append(names, r.on)
	}
	list := strings.Join(names, ", ")
	if list == "" {
		list = "NONE"
	}
	return d.defaultRoleSQL(a, list), "set DEFAULT ROLE " + list
}
