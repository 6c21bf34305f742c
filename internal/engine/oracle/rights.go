package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// account is a user's attributes, without its rights.
type account struct {
	status                                          string
	defaultTablespace, temporaryTablespace, profile string
	young                                           bool // created within the last day
}

// locked reports whether the account is locked, so that no password is accepted.
func (a account) locked() bool { return strings.Contains(a.status, "LOCKED") }

// rights are what was granted to an account directly.
type rights struct {
	roles   []roleGrant
	system  []systemGrant
	objects []objectGrant
	quotas  []quota
}

type roleGrant struct {
	role      string
	admin     bool
	isDefault bool
}

type systemGrant struct {
	privilege string
	admin     bool
}

type objectGrant struct {
	owner, object, kind string
	column              string // empty: the whole object
	privilege           string
	grantable           bool
	hierarchy           bool
}

// unlimited is the max_bytes of a quota without a limit.
const unlimited = "-1"

type quota struct{ tablespace, bytes string }

func (r roleGrant) String() string {
	return fmt.Sprintf("role %q", r.role) + option(r.admin, " with admin option")
}

func (p systemGrant) String() string {
	return "system privilege " + p.privilege + option(p.admin, " with admin option")
}

func (p objectGrant) String() string {
	on := p.on()
	if p.column != "" {
		on += " column " + identifier(p.column).quoted()
	}
	return p.privilege + " on " + on + option(p.hierarchy, " with hierarchy option") + option(p.grantable, " with grant option")
}

func (q quota) String() string {
	if q.bytes == unlimited {
		return fmt.Sprintf("unlimited quota on tablespace %q", q.tablespace)
	}
	return fmt.Sprintf("quota of %s bytes on tablespace %q", q.bytes, q.tablespace)
}

// privileges lists rights in the form of [engine.Session.Privileges]. See EnsureClone for
// why objects in the schemas of the pair are left out.
func (r rights) privileges() []string {
	list := []string{}
	for _, g := range r.roles {
		list = append(list, g.String()+option(g.isDefault, ", default"))
	}
	for _, g := range r.system {
		list = append(list, g.String())
	}
	for _, g := range r.objects {
		list = append(list, g.String())
	}
	for _, q := range r.quotas {
		list = append(list, q.String())
	}
	slices.Sort(list)
	return list
}

// without leaves out privileges on the objects of some owners.
func (r rights) without(owners ...identifier) rights {
	r.objects = slices.DeleteFunc(slices.Clone(r.objects), func(g objectGrant) bool {
		return slices.Contains(owners, identifier(g.owner))
	})
	return r
}

// rights reads what was granted to an account directly.
func (s *session) rights(ctx context.Context, from dictionary, user identifier) (r rights, err error) {
	read := func(sql string, each func(row []string)) {
		if err != nil {
			return
		}
		var rows [][]string
		if rows, err = s.query(ctx, sql, string(user)); err != nil {
			return
		}
		for _, row := range rows {
			each(row)
		}
	}
	read(from.roles, func(row []string) { r.roles = append(r.roles, roleGrant{row[0], yes(row[1]), yes(row[2])}) })
	read(from.system, func(row []string) { r.system = append(r.system, systemGrant{row[0], yes(row[1])}) })
	read(from.objects, func(row []string) {
		r.objects = append(r.objects, objectGrant{owner: row[0], object: row[1], kind: row[2], privilege: row[3], grantable: yes(row[4]), hierarchy: yes(row[5])})
	})
	read(from.columns, func(row []string) {
		r.objects = append(r.objects, objectGrant{owner: row[0], object: row[1], kind: "TABLE", column: row[2], privilege: row[3], grantable: yes(row[4])})
	})
	read(from.quotas, func(row []string) { r.quotas = append(r.quotas, quota{row[0], row[1]}) })
	if err != nil {
		return rights{}, err
	}
	// The names of privileges are put into statements unquoted.
	for _, g := range r.system {
		if !keyword(g.privilege) {
			return rights{}, errDictionary
		}
	}
	for _, g := range r.objects {
		if !keyword(g.privilege) || !keyword(g.kind) {
			return rights{}, errDictionary
		}
	}
	for _, q := range r.quotas {
		if q.bytes != unlimited && strings.Trim(q.bytes, "0123456789") != "" || q.bytes == "" {
			return rights{}, errDictionary
		}
	}
	return r, nil
}

func yes(text string) bool { return text == "YES" }
