package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// markPrefix begins the comment on a clone that Tumbler made; the secret's ARN
// is the rest.
const markPrefix = "tumbler:"

// EnsureClone implements [engine.Session]. It takes two round trips: one reads the catalog,
// the other makes all changes in one transaction and reads it again. If nothing is to be
// changed, there is only the first.
//
// The clone is a member of the original and its sessions act as the original
// (ALTER ROLE clone SET role), so that whatever they create is the original's
// and whatever the original may do they may. Attributes, the connection limit
// and settings are copied, of the role and of its single databases. All of that
// is known to the whole server, so that the session need not be in the database
// that the user works in. See [Engine.SeparateOwnership] for the other way, which
// has to enter it.
//
// VALID UNTIL is copied, too: an account that expires must not stay usable through its
// clone. If the original's validity is over, or it may not log in, nothing is changed,
// because that would lock out the clone, with which applications may log in.
//
// The clone is provably the secret's when r.Proven says so, or by the comment
// that an earlier call left. A membership in the original proves nothing: see
// docs/decisions/0020. A comment that a person wrote stays.
//
// Objects that a clone owns, in any database, are reassigned to the original before its
// sessions begin to act as the original. Privileges that were granted to the clone by name
// stay, but have no effect for sessions that act as the original.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	s, leave, err := s.forRights(ctx, r)
	if err != nil {
		return engine.CloneResult{}, err
	}
	defer leave()
	l, op, err := s.prepare(ctx, r)
	if err != nil {
		return engine.CloneResult{}, err
	}
	defer l.leave()
	c := l.catalog
	result := engine.CloneResult{Created: c.role(r.Clone) == nil, Changes: l.changes()}
	for _, e := range l.elsewhere {
		if _, err := e.Do(ctx, op+", in database "+pgwire.Identifier(e.Target.Database), e.steps); err != nil {
			return engine.CloneResult{}, err
		}
	}
	if len(l.steps) > 0 || len(l.elsewhere) > 0 {
		if c, err = s.carryOut(ctx, op, l, r); err != nil {
			return engine.CloneResult{}, err
		}
	}
	if result.Privileges, err = c.equal(op, r); err != nil {
		return engine.CloneResult{}, err
	}
	return result, nil
}

// forRights returns the session in which the rights of both accounts show: that
// is any, unless they are on objects of a database.
func (s *session) forRights(ctx context.Context, r engine.CloneRequest) (_ *session, leave func(), err error) {
	if !s.engine.SeparateOwnership || r.Database == "" || r.Database == s.Target.Database {
		return s, func() {}, nil
	}
	other, err := s.enter(ctx, r.Database)
	if err != nil {
		return nil, nil, err
	}
	return other, other.Close, nil
}

// prepare reads the catalog and lists the changes. It changes nothing.
func (s *session) prepare(ctx context.Context, r engine.CloneRequest) (_ *leveling, op string, err error) {
	op = fmt.Sprintf("making role %q level with %q on %s", r.Clone, r.Original, s.Target)
	for _, name := range []string{r.Original, r.Clone} {
		if err := s.Target.CheckName("role", name); err != nil {
			return nil, op, err
		}
	}
	c, err := s.catalog(ctx, r.Original, r.Clone)
	if err != nil {
		return nil, op, s.StatementFault(err, op, pgwire.Reading)
	}
	if err := c.fit(op, r); err != nil {
		return nil, op, err
	}
	l := &leveling{catalog: c, original: r.Original, clone: r.Clone, separate: s.engine.SeparateOwnership}
	defer func() {
		if err != nil {
			l.leave()
		}
	}()
	if err := l.plan(s, op, r); err != nil {
		return nil, op, err
	}
	if err := l.handOver(ctx, s, op); err != nil {
		return nil, op, err
	}
	if what, hint := l.missing(); what != "" {
		return nil, op, fault.New(fault.PrivilegeMissing, fmt.Sprintf("%s: role %q may not: %s", op, c.Session, what), hint)
	}
	return l, op, nil
}

// fit checks that the accounts meet the requirements before anything is changed.
func (c *catalog) fit(op string, r engine.CloneRequest) error {
	original, clone := c.role(r.Original), c.role(r.Clone)
	switch {
	case original == nil:
		return noSuchRole(op, r.Original)
	case clone == nil && r.Password.IsEmpty():
		return noSuchRole(op, r.Clone)
	case clone != nil && !c.proven(r, clone):
		return notOurs(op, r, clone)
	case !original.Login:
		return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: %q may not log in, and a clone may not do more", op, r.Original),
			fmt.Sprintf("ALTER ROLE %s LOGIN, or stop rotating this secret. Nothing was changed", pgwire.Identifier(r.Original)))
	case original.Expired:
		return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: the validity of %q is over (VALID UNTIL %s), and a clone's is not to be longer", op, r.Original, original.ValidUntil),
			fmt.Sprintf("ALTER ROLE %s VALID UNTIL another time or 'infinity'. Nothing was changed", pgwire.Identifier(r.Original)))
	}
	return nil
}

// proven reports whether an existing clone is the secret's own. Being a member of
// the original does not tell: "x_clone" may be somebody's own login, and "x" the
// group that it is in.
func (c *catalog) proven(r engine.CloneRequest, clone *role) bool {
	return r.Proven || clone.Comment == markPrefix+r.Mark
}

func notOurs(op string, r engine.CloneRequest, clone *role) error {
	hint := fmt.Sprintf("If it is this secret's, say so: %s", commentSQL(r.Clone, markPrefix+r.Mark))
	what := "nothing proves that it is this secret's"
	if strings.HasPrefix(clone.Comment, markPrefix) {
		what = "its comment says that it is another secret's: " + clone.Comment
		hint = fmt.Sprintf("If that secret is gone: COMMENT ON ROLE %s IS NULL", pgwire.Identifier(r.Clone))
	}
	return fault.New(fault.AccountNotOurs, fmt.Sprintf("%s: a role %q exists, and %s", op, r.Clone, what),
		"Find out whose it is. Drop or rename it, or rotate a user of another name. "+hint+". Nothing was changed")
}

// plan lists the steps.
func (l *leveling) plan(s *session, op string, r engine.CloneRequest) error {
	clone := l.role(r.Clone)
	if !r.Password.IsEmpty() {
		method, err := pgwire.ParsePasswordMethod([]string{l.Encryption, l.Iterations})
		if err != nil {
			return s.StatementFault(err, op, pgwire.Reading)
		}
		v, err := method.Verifier(r.Clone, r.Password)
		if err != nil {
			return pgwire.VerifierFault(err, op)
		}
		if clone == nil {
			l.add(pgwire.Changing, createRoleSQL(r.Clone, v), "created role "+pgwire.Identifier(r.Clone), "It needs CREATEROLE")
			clone = &role{Name: r.Clone, Login: true, Inherit: true, ConnectionLimit: -1}
		} else {
			l.add(pgwire.Changing, alterPasswordSQL(r.Clone, v), "", l.grantAdmin(r.Clone))
		}
	}
	l.level(clone)
	if mark := markPrefix + r.Mark; clone.Comment == "" || strings.HasPrefix(clone.Comment, markPrefix) && clone.Comment != mark {
		l.add(pgwire.Levelling, commentSQL(r.Clone, mark), "", l.grantAdmin(r.Clone))
	}
	return nil
}

// carryOut runs the steps as one transaction and returns what they led to.
func (s *session) carryOut(ctx context.Context, op string, l *leveling, r engine.CloneRequest) (*catalog, error) {
	results, err := s.Do(ctx, op, l.steps, s.catalogSQL(r.Original, r.Clone)...)
	if err != nil {
		return nil, err
	}
	c, err := s.parseCatalog(results)
	if err != nil {
		return nil, s.StatementFault(err, op, pgwire.Levelling)
	}
	return c, nil
}

// equal returns the privileges of both roles. It is PrivilegesDiffer if they are not equal.
func (c *catalog) equal(op string, r engine.CloneRequest) ([]string, error) {
	if c.role(r.Original) == nil || c.role(r.Clone) == nil {
		return nil, fault.New(fault.DatabaseUnavailable, op+": a role has gone meanwhile", "Somebody may be changing roles at the same moment: try again")
	}
	original, clone := c.privileges(r.Original), c.privileges(r.Clone)
	if !slices.Equal(original, clone) {
		return nil, fault.New(fault.PrivilegesDiffer, op+": their rights still differ",
			"Somebody may be changing them at the same moment: rotate again. If it stays so compare their memberships and settings (psql: \\du, \\drds)")
	}
	return clone, nil
}

func noSuchRole(op, role string) error {
	return fault.New(fault.DatabaseError, fmt.Sprintf("%s: there is no role %q", op, role), "Correct the user name in the secret, or create the role")
}
