package mysql

import (
	"cmp"
	"slices"
	"strings"
)

// kind is the kind of a right.
type kind int

const (
	privilege  kind = iota // of a scope: "SELECT ON `shop`.*"
	dynamic                // one of MySQL 8's named global privileges
	role                   // membership of a role
	roleAdmin              // may pass the role on
	proxy                  // may act for another account
	proxyAdmin             // may pass that on
	restricted             // a global privilege that does not hold in one schema
	activeRole             // a role that every session of the account has
)

// right is the smallest unit that can be granted and revoked.
type right struct {
	kind kind
	name string // the privilege, with its column; "" for roles and proxies
	on   string // what it is for, quoted: a scope, a role, an account
	// grantable: a dynamic privilege that may be passed on. (Of others that is
	// a privilege of the scope, "GRANT OPTION".)
	grantable bool
}

// String is the canonical form that [engine.Session].Privileges lists.
func (r right) String() string {
	switch r.kind {
	case role:
		return "ROLE " + r.on
	case roleAdmin:
		return "ADMIN OPTION FOR ROLE " + r.on
	case activeRole:
		return "DEFAULT ROLE " + r.on
	case proxy:
		return "PROXY ON " + r.on
	case proxyAdmin:
		return grantOption + " FOR PROXY ON " + r.on
	case restricted:
		return "NOT " + r.name + " ON " + r.on
	case dynamic:
		if r.grantable {
			return r.name + " ON " + r.on + withGrantOption
		}
	case privilege:
	}
	return r.name + " ON " + r.on
}

// rights is a set in a canonical order.
type rights []right

func (rs rights) sorted() rights {
	slices.SortFunc(rs, func(a, b right) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.on, b.on), cmp.Compare(a.name, b.name))
	})
	return slices.Compact(rs)
}

func (rs rights) has(r right) bool { return slices.Contains(rs, r) }

// without returns what is in rs and not in others.
func (rs rights) without(others rights) rights {
	var left rights
	for _, r := range rs {
		if !others.has(r) {
			left = append(left, r)
		}
	}
	return left
}

// split divides a list by a predicate.
func split[S ~[]E, E any](list S, is func(E) bool) (yes, no S) {
	for _, r := range list {
		if is(r) {
			yes = append(yes, r)
		} else {
			no = append(no, r)
		}
	}
	return yes, no
}

func (r right) isOnColumn() bool { return r.kind == privilege && strings.Contains(r.name, "(") }

// parseGrant reads one line of SHOW GRANTS for the account. ok is false when
// the line is about somebody else: a role that is active in the session.
func parseGrant(line string, a account) (rs rights, extras accountOptions, ok bool, err error) {
	s := &scanner{rest: line}
	switch {
	case s.take("SET DEFAULT ROLE "):
		rs, err = s.defaultRole(a)
	case s.take("GRANT PROXY ON "):
		rs, err = s.proxy(a)
	case strings.HasPrefix(line, "GRANT `"), strings.HasPrefix(line, "GRANT '"):
		s.take("GRANT ")
		rs, err = s.roles(a)
	case s.take("GRANT "):
		return s.privileges(a)
	case s.take("REVOKE "):
		rs, err = s.restrictions(a)
	default:
		err = errSyntax
	}
	return rs, accountOptions{}, err == nil, err
}

// defaultRole: `role` FOR account. MariaDB only, where an account has one.
func (s *scanner) defaultRole(a account) (rights, error) {
	if s.take("NONE") {
		return nil, nil
	}
	name, ok := s.name()
	if !ok || !s.take(" FOR ") || !s.grantee(a) || s.rest != "" {
		return nil, errSyntax
	}
	return rights{{kind: activeRole, on: identifier(name)}}, nil
}

// proxy: 'user'@'host' TO account [WITH GRANT OPTION].
func (s *scanner) proxy(a account) (rights, error) {
	on, ok := s.accountName()
	if !ok || !s.take(" TO ") || !s.grantee(a) {
		return nil, errSyntax
	}
	rs := rights{{kind: proxy, on: on}}
	if s.take("WITH " + grantOption) {
		rs = append(rs, right{kind: proxyAdmin, on: on})
	}
	return rs, s.end()
}

// accountName consumes an account or a role in quotes and quotes it our way.
func (s *scanner) accountName() (string, bool) {
	user, ok := s.name()
	if !ok {
		return "", false
	}
	if !s.take("@") {
		return identifier(user), true
	}
	host, ok := s.name()
	return identifier(user) + "@" + identifier(host), ok
}

// roles: role[, role] TO account [WITH ADMIN OPTION].
func (s *scanner) roles(a account) (rights, error) {
	var names []string
	for {
		name, ok := s.accountName()
		if !ok {
			return nil, errSyntax
		}
		names = append(names, name)
		if !s.take(",") {
			break
		}
		s.take(" ")
	}
	if !s.take(" TO ") || !s.grantee(a) {
		return nil, errSyntax
	}
	admin := s.take("WITH ADMIN OPTION")
	var rs rights
	for _, name := range names {
		rs = append(rs, right{kind: role, on: name})
		if admin {
			rs = append(rs, right{kind: roleAdmin, on: name})
		}
	}
	return rs, s.end()
}

func (s *scanner) end() error {
	if strings.TrimSpace(s.rest) != "" {
		return errSyntax
	}
	return nil
}

// privileges: names ON scope TO account [IDENTIFIED ...] [REQUIRE ...] [WITH ...].
func (s *scanner) privileges(a account) (rs rights, extras accountOptions, ok bool, err error) {
	names, on, err := s.namesOn()
	if err != nil || !s.take(" TO ") {
		return nil, extras, false, errSyntax
	}
	if !s.grantee(a) {
		// A role that is active in this session; its name stands alone.
		if _, isRole := s.name(); isRole && (s.rest == "" || s.rest[0] == ' ') {
			return nil, extras, false, nil
		}
		return nil, extras, false, errSyntax
	}
	extras, grantable, err := s.grantTail()
	if err != nil {
		return nil, extras, false, err
	}
	static := false
	for _, name := range names {
		switch {
		case name == "USAGE":
			static = true
		case strings.Contains(name, "_") && !strings.Contains(name, "("): // no static privilege has one
			rs = append(rs, right{kind: dynamic, name: name, on: on, grantable: grantable})
		default:
			static = true
			rs = append(rs, right{kind: privilege, name: name, on: on})
		}
	}
	if grantable && static {
		rs = append(rs, right{kind: privilege, name: grantOption, on: on})
	}
	return rs, extras, true, nil
}

// restrictions: names ON scope FROM account.
func (s *scanner) restrictions(a account) (rights, error) {
	names, on, err := s.namesOn()
	if err != nil || !s.take(" FROM ") || !s.grantee(a) || s.rest != "" {
		return nil, errSyntax
	}
	var rs rights
	for _, name := range names {
		rs = append(rs, right{kind: restricted, name: name, on: on})
	}
	return rs, nil
}

// namesOn consumes privileges with their columns, ON, and what they are for.
func (s *scanner) namesOn() (names []string, on string, err error) {
	for {
		name := s.until(",(`'")
		if head, tail, found := strings.Cut(name, " ON "); found {
			// The scope begins in the same run of text: *.*, or a keyword.
			s.rest = tail + s.rest
			names = append(names, head)
			break
		}
		name = strings.TrimSpace(name)
		if s.take("(") {
			columns, ok := s.columns()
			if !ok {
				return nil, "", errSyntax
			}
			for _, column := range columns {
				names = append(names, name+" ("+identifier(column)+")")
			}
		} else {
			names = append(names, name)
		}
		if s.take(", ") || s.take(",") {
			continue
		}
		if !s.take(" ON ") {
			return nil, "", errSyntax
		}
		break
	}
	if slices.ContainsFunc(names, func(n string) bool { return !isPrivilegeName(n) }) {
		return nil, "", errSyntax
	}
	on, ok := s.scope()
	if !ok {
		return nil, "", errSyntax
	}
	return names, on, nil
}

// isPrivilegeName reports whether a name consists of capitals: everything
// else would be a sign that a line was read wrongly.
func isPrivilegeName(name string) bool {
	name, _, _ = strings.Cut(name, " (")
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_ 0123456789") == ""
}

// columns consumes a list of columns and its closing parenthesis. MySQL before
// 8.0 shows their names without quotes.
func (s *scanner) columns() (names []string, ok bool) {
	if !strings.HasPrefix(s.rest, "`") {
		list := s.until(")")
		if !s.take(")") || strings.Contains(list, "`") {
			return nil, false
		}
		return strings.Split(list, ", "), true
	}
	for {
		name, ok := s.quoted('`')
		if !ok {
			return nil, false
		}
		names = append(names, name)
		if s.take(")") {
			return names, true
		}
		if !s.take(",") {
			return nil, false
		}
		s.take(" ")
	}
}

// scope consumes *.*, `schema`.*, `schema`.`table` or a routine.
func (s *scanner) scope() (string, bool) {
	if s.take("*.*") {
		return "*.*", true
	}
	what := ""
	for _, keyword := range []string{"PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE ", "LIBRARY ", "TABLE "} {
		if s.take(keyword) {
			what = keyword
			break
		}
	}
	schema, ok := s.quoted('`')
	if !ok || !s.take(".") {
		return "", false
	}
	if s.take("*") {
		return what + identifier(schema) + ".*", what == ""
	}
	object, ok := s.quoted('`')
	return what + identifier(schema) + "." + identifier(object), ok
}
