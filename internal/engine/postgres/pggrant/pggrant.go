// Package pggrant makes the privileges of two accounts on a database's objects equal, for
// PostgreSQL and Redshift. It decides what to grant and revoke; how privileges are read
// differs between the two.
package pggrant

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Grant is one right on one object.
type Grant struct {
	Kind      string // such as TABLE; DEFAULT TABLES for a default privilege
	Owner     string // of a default privilege: whose objects it is for
	Schema    string // Optional.
	Object    string // Optional.
	Args      string // of a function: types, as SQL
	Column    string // Optional.
	Privilege string // such as SELECT
}

// Option says how an account has a right.
type Option struct {
	Grantable bool // it may pass the right on
	Owned     bool // the right comes with owning the object
}

// Rights are those of one account.
type Rights map[Grant]Option

// Columns is what a query has to return for [Parse], in this order: the account,
// the fields of a Grant and those of an Option as t or f. Names are not quoted.
const Columns = "grantee, kind, owner, schema, object, args, col, privilege, grantable, owned"

// Parse sorts the rows by account.
func Parse(rows [][]string) (map[string]Rights, error) {
	found := map[string]Rights{}
	for _, row := range rows {
		if len(row) != strings.Count(Columns, ",")+1 {
			return nil, errors.New("the server's list of rights was not understood")
		}
		if found[row[0]] == nil {
			found[row[0]] = Rights{}
		}
		g := Grant{Kind: row[1], Owner: row[2], Schema: row[3], Object: row[4], Args: row[5], Column: row[6], Privilege: row[7]}
		had := found[row[0]][g]
		found[row[0]][g] = Option{Grantable: had.Grantable || row[8] == "t", Owned: had.Owned || row[9] == "t"}
	}
	return found, nil
}

// List renders the rights in a canonical order. Rights that come with owning an
// object are listed like granted ones, which may not be passed on.
func (r Rights) List() []string {
	var list []string
	for g, option := range r {
		line := g.Privilege + g.column() + " ON " + g.on()
		if option.Grantable && !option.Owned {
			line += withGrant
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

// Change is a statement and its description for people.
type Change struct{ SQL, Done string }

// Level lists the statements that make the clone's privileges equal to the original's. Each
// keeps what it owns, and the other is granted an owner's privileges on it.
func Level(original, clone string, originals, clones Rights) []Change {
	var changes []Change
	for _, g := range sorted(originals) {
		want := originals[g].granted()
		if have, has := clones[g]; !has || want.Grantable && !have.Grantable {
			changes = append(changes, Change{g.grant(clone, want), "granted " + g.Privilege + g.column() + " ON " + g.on()})
		}
	}
	for _, g := range sorted(clones) {
		have := clones[g]
		want, wanted := originals[g]
		switch {
		case have.Owned && !wanted:
			changes = append(changes, Change{g.grant(original, Option{}), "granted " + g.Privilege + " ON " + g.on() + ", which the clone owns, to the original"})
		case have.Owned:
		case !wanted:
			changes = append(changes, Change{g.revoke(clone, ""), "revoked " + g.Privilege + g.column() + " ON " + g.on()})
		case have.Grantable && !want.granted().Grantable:
			changes = append(changes, Change{g.revoke(clone, grantOptionFor), "revoked " + grantOptionFor + g.Privilege + g.column() + " ON " + g.on()})
		}
	}
	return changes
}

// granted is how the right is given to another account.
func (o Option) granted() Option { return Option{Grantable: o.Grantable && !o.Owned} }

func sorted(r Rights) []Grant {
	return slices.SortedFunc(maps.Keys(r), func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.on(), b.on()), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Privilege, b.Privilege))
	})
}
