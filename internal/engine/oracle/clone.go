package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// cloneSuffix is the suffix that AWS's own rotation function gives to a clone's name.
const cloneSuffix = "_CLONE"

// Privileges implements [engine.Session]. It lists what was granted to the account
// directly: roles, system privileges, object privileges and quotas. It omits privileges
// on objects in the account's own schema and in the schema of its clone or original.
func (s *session) Privileges(ctx context.Context, user string) ([]string, error) {
	name, err := parseName("user", user)
	if err != nil {
		return nil, err
	}
	op := fmt.Sprintf("reading the privileges of user %q on %s", name, s.target)
	from := dba
	if name == s.user {
		from = own
	}
	r, err := s.rights(ctx, from, name)
	if err != nil {
		return nil, statementFault(err, op, reading)
	}
	if from == dba && len(r.privileges()) == 0 {
		if a, err := s.account(ctx, name); err != nil {
			return nil, statementFault(err, op, reading)
		} else if a == nil {
			return nil, noSuchUser(op, name)
		}
	}
	return r.without(name, name+cloneSuffix, identifier(strings.TrimSuffix(string(name), cloneSuffix))).privileges(), nil
}

// EnsureClone implements [engine.Session].
//
// Oracle cannot store a mark on a user. A clone belongs to the secret if r.Proven says
// so, or if it was created within the last day and accepts r.Password, which only this
// secret has. The latter recognises an interrupted creation. Older accounts are not
// tried, since a refused login counts towards their lockout.
//
// The clone gets the original's tablespaces, profile, quotas, roles (with admin option
// and default roles), system privileges and object privileges. It does not get access to
// the original's own objects: a name without a schema would mean a different object to
// the clone. An original that owns objects is therefore not cloned. If the clone exists
// already, it is used, and privileges on its original's objects that were granted by hand
// are left unchanged.
//
// The password is set last: if the rights cannot be brought level, the clone keeps its
// old password.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	c, err := s.cloning(r)
	if err != nil {
		return engine.CloneResult{}, err
	}
	if err := c.ensure(ctx); err != nil {
		return engine.CloneResult{}, err
	}
	return c.result, nil
}

func (s *session) cloning(r engine.CloneRequest) (*cloning, error) {
	original, err := parseName("user", r.Original)
	if err != nil {
		return nil, err
	}
	clone, err := parseName("user", r.Clone)
	if err != nil {
		return nil, err
	}
	return &cloning{
		session: s, original: original, clone: clone, request: r,
		op: fmt.Sprintf("making user %q level with %q on %s", clone, original, s.target),
	}, nil
}

// cloning is one call of EnsureClone.
type cloning struct {
	*session
	op              string
	original, clone identifier
	request         engine.CloneRequest
	result          engine.CloneResult

	dry bool // records what it would change, without changing it
}

// exec runs a statement that changes something. In a dry run it does nothing.
func (c *cloning) exec(ctx context.Context, sql string) error {
	if c.dry {
		return nil
	}
	return c.session.exec(ctx, sql)
}

func (c *cloning) ensure(ctx context.Context) error {
	original, err := c.account(ctx, c.original)
	if err != nil {
		return statementFault(err, c.op, reading)
	}
	if original == nil {
		return noSuchUser(c.op, c.original)
	}
	clone, err := c.account(ctx, c.clone)
	if err != nil {
		return statementFault(err, c.op, reading)
	}
	if clone != nil {
		if err := c.ours(ctx, *clone); err != nil {
			return err
		}
	}
	// Everything is read before the first change.
	want, have, err := c.both(ctx)
	if err != nil {
		return err
	}
	if clone == nil {
		err = c.create(ctx, *original)
	} else if sql, changes := attributesSQL(c.clone, *original, *clone); sql != "" {
		err = c.change(ctx, sql, changes...)
	}
	if err != nil {
		return err
	}
	if err := c.level(ctx, want, have); err != nil {
		return err
	}
	if clone == nil || c.request.Password.IsEmpty() {
		return nil
	}
	unlock := clone.locked() && !original.locked()
	if unlock {
		c.result.Changes = append(c.result.Changes, "unlocked the account")
	}
	if c.dry {
		return nil
	}
	return c.setPassword(ctx, c.op, c.clone, c.request.Password, option(unlock, unlockClause))
}

// create creates the clone.
func (c *cloning) create(ctx context.Context, original account) error {
	if c.request.Password.IsEmpty() {
		return noSuchUser(c.op, c.clone)
	}
	if err := checkPassword(c.op, c.request.Password); err != nil {
		return err
	}
	owns, err := c.query(ctx, ownsSQL, string(c.original))
	if err != nil {
		return statementFault(err, c.op, reading)
	}
	if len(owns) != 1 || owns[0][0] != "0" {
		return fault.New(fault.DatabaseError, fmt.Sprintf("%s: %q owns tables or other objects, which a clone would not find under their names", c.op, c.original),
			"Use the strategy single-user for it, or give the application a user that owns nothing and has privileges on the objects. Nothing was changed")
	}
	if err := c.exec(ctx, createSQL(c.clone, c.request.Password, original)); err != nil {
		return statementFault(err, c.op, changingPassword)
	}
	c.result.Created = true
	return nil
}

// ours returns AccountNotOurs unless the existing clone provably belongs to the secret.
func (c *cloning) ours(ctx context.Context, clone account) error {
	if c.request.Proven {
		return nil
	}
	if clone.young && !c.dry && !clone.locked() && quotable(c.request.Password) {
		proven, err := c.prove(ctx, c.clone, c.request.Password)
		if err != nil || proven {
			return err
		}
	}
	return fault.New(fault.AccountNotOurs,
		fmt.Sprintf("%s: a user %q exists that this secret did not create", c.op, c.clone),
		"Find out whose it is. Drop it, or give the secret's user another name. Nothing was changed")
}

// level brings the clone's rights level with the original's.
func (c *cloning) level(ctx context.Context, want, have rights) error {
	if err := c.levelQuotas(ctx, want.quotas, have.quotas); err != nil {
		return err
	}
	// Each kind is revoked before it is granted: a revoke may take away more than
	// intended, and the grants restore it.
	for _, step := range []func() error{
		func() error { return levelGrants(ctx, c, want.system, have.system) },
		func() error { return levelGrants(ctx, c, want.objects, have.objects) },
		func() error { return levelGrants(ctx, c, want.roles, have.roles) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	var err error
	if c.dry {
		have.roles = granted(want.roles, have.roles)
	} else if want, have, err = c.both(ctx); err != nil {
		return err
	}
	if defaults := defaultRoles(want.roles); !slices.Equal(defaults, defaultRoles(have.roles)) {
		told := "set the default roles to " + strings.Join(defaults, ", ")
		if len(defaults) == 0 {
			told = "set the default roles to none"
		}
		if err := c.change(ctx, defaultRolesSQL(c.clone, len(have.roles), defaults), told); err != nil {
			return err
		}
		if want, have, err = c.both(ctx); err != nil {
			return err
		}
	}
	if c.dry {
		return nil
	}
	c.result.Privileges = want.privileges()
	if !slices.Equal(c.result.Privileges, have.privileges()) {
		return fault.New(fault.DatabaseUnavailable, c.op+": their privileges still differ",
			"Somebody may be changing them at the same moment: try again")
	}
	return nil
}

// both reads the rights of the original and of the clone.
func (c *cloning) both(ctx context.Context) (original, clone rights, err error) {
	if original, err = c.rights(ctx, dba, c.original); err == nil {
		clone, err = c.rights(ctx, dba, c.clone)
	}
	if err != nil {
		return rights{}, rights{}, statementFault(err, c.op, reading)
	}
	return original.without(c.original, c.clone), clone.without(c.original, c.clone), nil
}

func (c *cloning) levelQuotas(ctx context.Context, want, have []quota) error {
	for _, q := range want {
		if !slices.Contains(have, q) {
			if err := c.change(ctx, quotaSQL(c.clone, q), "set "+q.String()); err != nil {
				return err
			}
		}
	}
	for _, q := range have {
		if !slices.ContainsFunc(want, func(w quota) bool { return w.tablespace == q.tablespace }) {
			if err := c.change(ctx, quotaSQL(c.clone, quota{q.tablespace, "0"}), "removed "+q.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// grant is something that can be granted to an account.
type grant interface {
	comparable
	fmt.Stringer

	// group identifies what a single revoke takes away together.
	group() string

	// covers reports whether this grant includes the other.
	covers(other any) bool

	grantSQL(to identifier) string
	revokeSQL(from identifier) string
}

// levelGrants revokes and grants the differences. An option cannot be revoked by itself:
// a grant with an option too many is revoked and granted again.
func levelGrants[G grant](ctx context.Context, c *cloning, want, have []G) error {
	kept := map[string]bool{} // groups that need no revoke
	for _, h := range have {
		covered := slices.ContainsFunc(want, func(w G) bool { return w.covers(h) })
		if before, seen := kept[h.group()]; !seen || before {
			kept[h.group()] = covered
		}
	}
	revoked := map[string]bool{}
	for _, h := range have {
		if kept[h.group()] || revoked[h.group()] {
			continue
		}
		revoked[h.group()] = true
		if err := c.grantOrRevoke(ctx, h, false); err != nil {
			return err
		}
	}
	for _, h := range have {
		if revoked[h.group()] && !slices.Contains(want, h) {
			c.result.Changes = append(c.result.Changes, "revoked "+h.String())
		}
	}
	for _, w := range want {
		has := slices.ContainsFunc(have, func(h G) bool { return h.covers(w) })
		if has && !revoked[w.group()] {
			continue
		}
		if err := c.grantOrRevoke(ctx, w, true); err != nil {
			return err
		}
		if !slices.Contains(have, w) {
			c.result.Changes = append(c.result.Changes, "granted "+w.String())
		}
	}
	return nil
}

// statements is the part of grant that does not depend on its type.
type statements interface {
	grantSQL(to identifier) string
	revokeSQL(from identifier) string
}

func (c *cloning) grantOrRevoke(ctx context.Context, g statements, granting bool) error {
	sql := g.revokeSQL(c.clone)
	if granting {
		sql = g.grantSQL(c.clone)
	}
	err := c.exec(ctx, sql)
	if p, ok := g.(objectGrant); ok && p.owner == "SYS" && p.kind != "DIRECTORY" && (codeIs(err, codePrivilege) || codeIs(err, codeNoTable)) {
		// On RDS this procedure is the only way. Elsewhere it does not exist, and the
		// first refusal is reported.
		sql = p.rdsRevokeSQL(c.clone)
		if granting {
			sql = p.rdsGrantSQL(c.clone)
		}
		if again := c.exec(ctx, sql); codeOf(again) == 0 {
			err = again
		}
	}
	if err != nil {
		return statementFault(err, c.op, changing)
	}
	return nil
}

// change runs a statement and records the changes.
func (c *cloning) change(ctx context.Context, sql string, told ...string) error {
	if err := c.exec(ctx, sql); err != nil {
		return statementFault(err, c.op, changing)
	}
	c.result.Changes = append(c.result.Changes, told...)
	return nil
}

func (r roleGrant) group() string { return r.role }

// covers ignores whether a role is default, which is not part of a grant.
func (r roleGrant) covers(other any) bool {
	o := other.(roleGrant)
	return r.role == o.role && (r.admin || !o.admin)
}

func (p systemGrant) group() string { return p.privilege }

func (p systemGrant) covers(other any) bool {
	o := other.(systemGrant)
	return p.privilege == o.privilege && (p.admin || !o.admin)
}

func (p objectGrant) group() string {
	return fmt.Sprintf("%q", []string{p.owner, p.object, p.privilege})
}

// plain is the grant without its options.
func (p objectGrant) plain() objectGrant {
	p.grantable, p.hierarchy = false, false
	return p
}

func (p objectGrant) covers(other any) bool {
	o := other.(objectGrant)
	return p.plain() == o.plain() && (p.grantable || !o.grantable) && (p.hierarchy || !o.hierarchy)
}

// granted returns the roles that an account will have once it has been granted those of
// another. New roles become default unless the account has a list of default roles.
func granted(want, have []roleGrant) []roleGrant {
	list := !slices.Equal(defaultRoles(have), defaultRoles(asDefault(have)))
	roles := asDefault(want)
	for i, w := range roles {
		had := slices.IndexFunc(have, func(h roleGrant) bool { return h.role == w.role })
		roles[i].isDefault = !list || had >= 0 && have[had].isDefault
	}
	return roles
}

func asDefault(roles []roleGrant) []roleGrant {
	roles = slices.Clone(roles)
	for i := range roles {
		roles[i].isDefault = true
	}
	return roles
}

// defaultRoles returns the names of the roles that are default, in order.
func defaultRoles(roles []roleGrant) []string {
	names := []string{}
	for _, r := range roles {
		if r.isDefault {
			names = append(names, r.role)
		}
	}
	slices.Sort(names)
	return names
}

// account returns an account, or nil if there is none.
func (s *session) account(ctx context.Context, user identifier) (*account, error) {
	rows, err := s.query(ctx, accountSQL, string(user))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	row := rows[0]
	if len(row) != 5 {
		return nil, errDictionary
	}
	return &account{row[0], row[1], row[2], row[3], yes(row[4])}, nil
}

// errDictionary means that a dictionary view contains an unexpected value.
var errDictionary = errors.New("the data dictionary was not understood")

func noSuchUser(op string, user identifier) error {
	return fault.New(fault.DatabaseError, fmt.Sprintf("%s: there is no user %q", op, user),
		"Correct the user name in the secret: in upper case, or in double quotes if it has small letters")
}
