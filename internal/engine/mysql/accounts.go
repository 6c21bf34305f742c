package mysql

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// stored is a row of mysql.user.
type stored struct {
	account
	plugin string
	hash   string
	second string // the hash of a second password (RETAIN CURRENT PASSWORD), if any
	mark   string
}

// accepts reports whether one of the passwords matches the account's stored hashes.
func (a stored) accepts(passwords ...redact.String) bool {
	return slices.ContainsFunc(passwords, func(p redact.String) bool {
		return matches(a.plugin, a.hash, p) || matches(a.plugin, a.second, p)
	})
}

// markKey is the attribute that holds a clone's mark.
const markKey = "tumbler"

func markJSON(mark string) string {
	out, err := json.Marshal(map[string]string{markKey: mark})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(out)
}

// accounts lists all accounts of user names. It needs SELECT on mysql.user.
func (s *session) accounts(ctx context.Context, srv *server, users ...string) ([]stored, error) {
	rows, err := s.query(ctx, srv.accountsSQL(users...))
	if err != nil {
		return nil, s.fault(err, fmt.Sprintf("looking for the accounts of user %q on %s", users[0], s.target.Address()), reading)
	}
	var list []stored
	for _, row := range rows {
		hash, err := hex.DecodeString(row[3])
		second, err2 := hex.DecodeString(row[4])
		if err != nil || err2 != nil {
			return nil, s.fault(errAnswer, "reading mysql.user on "+s.target.Address(), reading)
		}
		a := stored{account: account{row[0], row[1]}, plugin: row[2], hash: string(hash), second: string(second), mark: row[5]}
		if a.plugin == "" { // MySQL 5.6
			a.plugin = nativePassword
		}
		list = append(list, a)
	}
	return list, nil
}

// description is what a clone must have in common with its original.
type description struct {
	rights  rights
	options accountOptions
	gone    rights // on columns that there are no more: nobody can grant them
}

// list is the canonical form: see [engine.Session].Privileges.
func (d description) list() []string {
	lines := d.options.list()
	for _, r := range d.rights {
		lines = append(lines, r.String())
	}
	slices.Sort(lines)
	return lines
}

// describe reads an account's rights and options; the session's own if other is
// nil, which needs no privilege.
func (s *session) describe(ctx context.Context, srv *server, other *account) (description, error) {
	a := srv.self
	if other != nil {
		a = *other
	}
	op := fmt.Sprintf("reading the rights of %s on %s", a, s.target.Address())
	var d description
	rows, err := s.query(ctx, showGrantsSQL(a))
	if err != nil {
		return d, s.fault(err, op, reading)
	}
	for _, row := range rows {
		rs, options, ours, err := parseGrant(row[0], a)
		if err != nil {
			return d, notUnderstood(op, withoutHash(row[0]))
		}
		if !ours {
			continue
		}
		d.rights = append(d.rights, rs...)
		if options.require != "" {
			d.options.require = options.require
		}
		if options.limits != nil {
			d.options.limits = options.limits
		}
	}
	if srv.showsCreateUser() {
		rows, err := s.query(ctx, showAccountSQL(other))
		if err != nil {
			return d, s.fault(err, op, reading)
		}
		if d.options, err = parseCreateUser(rows[0][0], a); err != nil {
			return d, notUnderstood(op, "the answer to "+showAccountSQL(other))
		}
		d.rights = append(d.rights, d.options.roles...)
	}
	d.rights = d.rights.sorted()
	return d, s.dropGone(ctx, &d, op)
}

// dropGone removes rights on columns that no longer exist: the server still lists them, but
// they cannot be granted.
func (s *session) dropGone(ctx context.Context, d *description, op string) error {
	columns := map[string][]string{} // of each table with rights on columns; nil: it is gone
	for _, r := range d.rights {
		if _, known := columns[r.on]; known || !r.isOnColumn() {
			continue
		}
		rows, err := s.query(ctx, columnsSQL(r.on))
		switch number(err) {
		case 0:
			if err != nil {
				return s.fault(err, op, reading)
			}
			columns[r.on] = []string{}
			for _, row := range rows {
				columns[r.on] = append(columns[r.on], identifier(row[0]))
			}
		case errNoSuchTable, errNoSuchSchema:
			columns[r.on] = nil
		default: // it is there, and not to be seen
			columns[r.on] = []string{anyColumn}
		}
	}
	d.rights, d.gone = split(d.rights, func(r right) bool {
		if !r.isOnColumn() || slices.Contains(columns[r.on], anyColumn) {
			return true
		}
		return slices.ContainsFunc(columns[r.on], func(column string) bool {
			return strings.HasSuffix(strings.ToLower(r.name), "("+strings.ToLower(column)+")")
		})
	})
	return nil
}

const anyColumn = "*"

// withoutHash cuts off the part of a line of SHOW GRANTS that may contain a hash.
func withoutHash(line string) string {
	for _, word := range []string{" IDENTIFIED ", " USING ", " AS "} {
		line, _, _ = strings.Cut(line, word)
	}
	return line
}

func notUnderstood(op, what string) error {
	return fault.New(fault.DatabaseError, op+": Tumbler does not understand "+what,
		"A clone would lack this right, so nothing was changed. Revoke the right or report this to Tumbler")
}

// factorsFor returns an account's authentication with a new password: for all its plugins,
// since another one would still accept the old password.
func factorsFor(srv *server, a stored, o accountOptions, password redact.String) ([]factor, error) {
	present := []factor{{plugin: a.plugin}}
	if srv.mariadb && len(o.factors) > 0 {
		present = o.factors // mysql.user shows only one of them
	}
	var factors []factor
	for _, f := range present {
		if f.plugin == "unix_socket" || f.plugin == "gssapi" {
			factors = append(factors, f) // beside a password; it has none of its own
			continue
		}
		hash, known := hashFor(f.plugin, password, a.hash)
		if !known || !srv.mariadb && !srv.ownByAlter() && f.plugin != nativePassword {
			return nil, srv.unknownPlugin(a.account, f.plugin)
		}
		factors = append(factors, factor{plugin: f.plugin, hash: hash})
	}
	if !slices.ContainsFunc(factors, func(f factor) bool { return f.hash != "" && f.plugin != "unix_socket" && f.plugin != "gssapi" }) {
		return nil, srv.unknownPlugin(a.account, factors[0].plugin)
	}
	return factors, nil
}

// settable reports whether factorsFor supports the account's plugin.
func settable(srv *server, a stored) bool {
	_, known := hashFor(a.plugin, redact.New("any"), "")
	return known && (srv.mariadb || srv.ownByAlter() || a.plugin == nativePassword)
}

func (d dialect) unknownPlugin(a account, plugin string) error {
	to := "caching_sha2_password, or to mysql_native_password before MySQL 8.0"
	switch {
	case d.mariadb:
		to = "ed25519 or mysql_native_password"
	case !d.ownByAlter(): // its other plugin, sha256_password, takes no hash in any statement
		to = "mysql_native_password"
	}
	return fault.New(fault.DatabaseError, fmt.Sprintf("account %s authenticates by %q, which on %s has no password that Tumbler could set", a, plugin, d),
		"Change the account to "+to)
}
