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

// EnsureClone implements [engine.Session]. It takes a round trip to read what
// there is, one to change it in one transaction, and one to read it again; only
// the first when nothing is to be changed.
//
// Users of Redshift cannot act as one another. The clone is put into the
// original's groups and given its roles, attributes and settings and, in the
// session's database, its own rights on relations, columns, schemas, functions
// and languages, on the database itself, and default privileges. What one of the
// two owns it keeps, and the other is granted what an owner may do, short of
// altering and dropping it. Not covered: other databases, data shares, machine
// learning models, and rights on all objects of a schema or database
// (privilege_scope).
//
// VALID UNTIL is copied, too; see package postgres.
//
// Redshift keeps no comment on a user, nor anything else that could serve as a
// mark. (Redshift documentation, "COMMENT": on tables, columns, constraints,
// databases and views.) A clone is the secret's own when r.Proven says so, or
// when it takes r.Password, which nobody but this secret knows: so a call that
// was cut off after its transaction is made good by the next one.
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

// fit checks that the accounts are what they have to be before anything is
// changed.
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

// prove returns AccountNotOurs unless the clone takes the new password already.
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

// equal returns what both users may do, which has to be the same.
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
