package redshift

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// EnsureClone implements [engine.Session]. It takes one round trip to read the current
// state, one to change it in a single transaction, and one to read it again. If nothing
// has to be changed, only the first is needed.
//
// Redshift users cannot act as one another. The clone is therefore added to the
// original's groups and given its roles, attributes and settings. In the session's
// database it also gets the original's direct rights on relations, columns, schemas,
// functions and languages, on the database itself, and its default privileges. Each user
// keeps the objects that it owns, and the other one is granted an owner's rights on them,
// except altering and dropping. Not covered: other databases, data shares, machine
// learning models, and rights on all objects of a schema or database (privilege_scope).
//
// VALID UNTIL is copied, too; see package postgres.
//
// Redshift cannot store a comment on a user or anything else that could serve as a mark
// (Redshift documentation, "COMMENT": on tables, columns, constraints, databases and
// views). A clone belongs to the secret if r.Proven says so, or if it accepts r.Password,
// which only this secret has. After a call that was interrupted once its transaction had
// committed, the next call can thus continue.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	if r.Database != "" && r.Database != s.Target.Database {
		doc := s.doc
		doc.DBName, r.Database = r.Database, ""
		other, err := s.engine.Connect(ctx, doc)
		if err != nil {
			return engine.CloneResult{}, err
		}
		defer other.Close()
		return other.EnsureClone(ctx, r)
	}
	op := fmt.Sprintf("making user %q level with %q on %s", r.Clone, r.Original, s.Target)
	for _, name := range []string{r.Original, r.Clone} {
		if err := s.dialect.CheckName("user", name); err != nil {
			return engine.CloneResult{}, err
		}
	}
	users, err := s.users(ctx, r.Original, r.Clone, s.Target.User)
	if err != nil {
		return engine.CloneResult{}, s.StatementFault(err, op, pgwire.Reading)
	}
	original, clone := users[r.Original], users[r.Clone]
	if err := s.fit(ctx, op, r, original, clone); err != nil {
		return engine.CloneResult{}, err
	}
	l := &leveling{views: s.views, original: original, clone: r.Clone}
	l.plan(r, clone)
	result := engine.CloneResult{Created: clone == nil}
	if len(l.steps) > 0 {
		if me := users[s.Target.User]; me != nil && !me.Superuser && clone == nil && len(me.Roles) == 0 {
			return engine.CloneResult{}, fault.New(fault.PrivilegeMissing, fmt.Sprintf("%s: user %q may not: it is no superuser", op, s.Target.User),
				"Name the secret of a superuser in superuserSecret or masterarn")
		}
		if _, err := s.Do(ctx, op, l.steps); err != nil {
			return engine.CloneResult{}, err
		}
		result.Changes = pgwire.Done(l.steps)
		if users, err = s.users(ctx, r.Original, r.Clone); err != nil {
			return engine.CloneResult{}, s.StatementFault(err, op+", which is done: reading the rights again", pgwire.Levelling)
		}
	}
	result.Privileges, err = equal(op, users[r.Original], users[r.Clone])
	if err != nil {
		return engine.CloneResult{}, err
	}
	return result, nil
}

// fit refuses unsuitable accounts before anything is changed.
func (s *session) fit(ctx context.Context, op string, r engine.CloneRequest, original, clone *user) error {
	switch {
	case original == nil:
		return noSuchUser(op, r.Original)
	case clone == nil && r.Password.IsEmpty():
		return noSuchUser(op, r.Clone)
	case original.expired(time.Now()):
		return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: the validity of %q is over (VALID UNTIL %s), and a clone's is not to be longer", op, r.Original, original.ValidUntil),
			fmt.Sprintf("ALTER USER %s VALID UNTIL another time or 'infinity'. Nothing was changed", pgwire.Identifier(r.Original)))
	case clone == nil || r.Proven:
		return nil
	}
	return s.prove(ctx, op, r)
}

// prove returns AccountNotOurs unless the clone already accepts the new password.
func (s *session) prove(ctx context.Context, op string, r engine.CloneRequest) error {
	err := error(fault.New(fault.LoginRefused, "", ""))
	if !r.Password.IsEmpty() {
		var conn *pgwire.Conn
		if conn, err = s.dialect.Connect(ctx, s.doc.WithUsername(r.Clone).WithPassword(r.Password)); err == nil {
			conn.Close()
			return nil
		}
	}
	if !fault.Is(err, fault.LoginRefused) {
		return err
	}
	return fault.New(fault.AccountNotOurs, fmt.Sprintf("%s: a user %q exists, and nothing proves that it is this secret's", op, r.Clone),
		"Find out whose it is. Drop or rename it, or rotate a user of another name. Nothing was changed")
}

// equal returns the privileges of both users, which must be the same.
func equal(op string, original, clone *user) ([]string, error) {
	if original == nil || clone == nil {
		return nil, fault.New(fault.DatabaseUnavailable, op+": a user has gone meanwhile", "Somebody may be changing users at the same moment: try again")
	}
	rights := clone.privileges()
	if !slices.Equal(original.privileges(), rights) {
		return nil, fault.New(fault.PrivilegesDiffer, op+": their rights still differ",
			"Somebody may be changing them at the same moment: rotate again. If it stays so compare them in svv_user_info, pg_group, svv_user_grants and svv_relation_privileges")
	}
	return rights, nil
}
