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

var _ engine.Inspector = (*session)(nil)

// CanRotate implements [engine.Inspector]. It makes the same plan as EnsureClone, and
// applies the checks that the server makes for ALTER ROLE.
//
// In the user's database it also looks for row-level security policies that would hide
// rows from the clone.
func (s *session) CanRotate(ctx context.Context, r engine.InspectRequest) (engine.Inspection, error) {
	found := engine.Inspection{}
	state, err := s.writable(ctx)
	if err != nil {
		return found, err
	}
	if r.SetPassword != "" {
		if err := s.maySetPassword(ctx, r.SetPassword, state); err != nil {
			return found, err
		}
	}
	if r.Clone == nil {
		return found, nil
	}
	s, leave, err := s.forRights(ctx, *r.Clone)
	if err != nil {
		return found, err
	}
	defer leave()
	l, _, err := s.prepare(ctx, *r.Clone)
	if err != nil {
		return found, err
	}
	defer l.leave()
	if err := l.refusals(fmt.Sprintf("making role %q level with %q on %s", r.Clone.Clone, r.Clone.Original, s.Target)); err != nil {
		return found, err
	}
	found.Changes = l.changes()
	if !l.role(l.Session).Superuser && slices.ContainsFunc(found.Changes, setsSomething) {
		found.Notes = append(found.Notes, "Whether the superuser may SET these for the clone was not checked")
	}
	if s.engine.SeparateOwnership && !l.role(l.Session).Superuser && len(found.Changes) > 0 {
		found.Notes = append(found.Notes, "Whether the superuser may grant rights on every object was not checked")
	}
	if !s.engine.SeparateOwnership {
		found.Notes = append(found.Notes, s.policies(ctx, *r.Clone)...)
	}
	return found, nil
}

// policies lists tables that may hide rows from the clone, because their policies use
// session_user: that is the clone even while it acts as the original.
func (s *session) policies(ctx context.Context, r engine.CloneRequest) []string {
	there := s
	if r.Database != "" && r.Database != s.Target.Database {
		var err error
		if there, err = s.enter(ctx, r.Database); err != nil {
			return []string{"Whether policies ask for session_user was not checked: the superuser cannot enter the database"}
		}
		defer there.Close()
	}
	row, err := there.Row(ctx, policiesSQL)
	switch {
	case err != nil || len(row) != 1:
		return []string{"Whether policies ask for session_user was not checked"}
	case row[0] == "":
		return nil
	}
	return []string{fmt.Sprintf("Policies on %s ask for session_user, which is %q in every second rotation: rows that are %q's will not show. Have them ask for current_user, "+
		"which stays %[3]q", row[0], r.Clone, r.Original)}
}

// setsSomething reports whether a change sets a parameter that only superusers may be
// allowed to set. The setting "role" is not one of these.
func setsSomething(change string) bool {
	return strings.HasPrefix(change, settingDone("SET", "", "")) && !strings.HasPrefix(change, settingDone("SET", settingRole, ""))
}

// refusals finds refusals that missing does not find and that EnsureClone leaves to the
// server. Sources: CreateRole(), AlterRole() and AddRoleMems() in PostgreSQL's user.c;
// PostgreSQL 16 release notes.
func (l *leveling) refusals(op string) error {
	if slices.ContainsFunc(l.reachable(l.original), func(m membership) bool { return m.Role == l.clone }) {
		return fault.New(fault.DatabaseError, op+": the original is a member of its clone", "REVOKE the clone from the original")
	}
	session, clone := l.role(l.Session), l.role(l.clone)
	if session.Superuser {
		return nil
	}
	if clone == nil {
		clone = &role{}
	}
	for _, a := range attributes {
		if a.name == "LOGIN" || a.name == "INHERIT" || a.of(clone) == a.of(l.role(l.original)) {
			continue
		}
		may := a.name != "SUPERUSER" && l.inheritPerGrant() && a.of(session)
		switch a.name {
		case "CREATEROLE":
			may = true // missing has checked this
		case "CREATEDB":
			may = !l.inheritPerGrant() || a.of(session)
		}
		if !may {
			return fault.New(fault.PrivilegeMissing, fmt.Sprintf("%s: role %q may not: %s", op, l.Session, a.name),
				fmt.Sprintf("Only a superuser may, or, except for SUPERUSER, from PostgreSQL 16 on a role with CREATEROLE that has %s itself. "+
					"Name the secret of one that may, or alter %s to be without it", a.name, pgwire.Identifier(l.original)))
		}
	}
	return nil
}

// restriction is what RDS adds to ALTER ROLE.
type restriction struct{ restricted, exempt bool }

// writable returns a fault if the server does not take changes.
func (s *session) writable(ctx context.Context) (restriction, error) {
	op := "asking " + s.Target.String() + " whether it takes changes"
	row, err := s.Row(ctx, stateSQL)
	if err != nil {
		return restriction{}, s.StatementFault(err, op, pgwire.Reading)
	}
	if len(row) != 3 {
		return restriction{}, fault.New(fault.DatabaseError, op+": the answer was not understood", "Please report this to Tumbler")
	}
	if row[0] == "t" {
		return restriction{}, fault.New(fault.DatabaseReadOnly, s.Target.String()+": the server is a replica", hints.ReadOnly)
	}
	return restriction{restricted: row[1] == "on", exempt: row[2] == "t"}, nil
}

// maySetPassword follows the rules of AlterRole() in PostgreSQL's user.c and of the
// Amazon RDS user guide, "Restricting password management".
func (s *session) maySetPassword(ctx context.Context, user string, rds restriction) error {
	op := fmt.Sprintf("looking whether the password of role %q may be set on %s", user, s.Target)
	if err := s.Target.CheckName("role", user); err != nil {
		return err
	}
	c, err := s.catalog(ctx, user)
	if err != nil {
		return s.StatementFault(err, op, pgwire.Reading)
	}
	if _, err := pgwire.ParsePasswordMethod([]string{c.Encryption, c.Iterations}); err != nil {
		return s.StatementFault(err, op, pgwire.Reading)
	}
	role, session := c.role(user), c.role(c.Session)
	missing := func(what, hint string) error {
		return fault.New(fault.PrivilegeMissing, fmt.Sprintf("%s: role %q may not: %s", op, c.Session, what), hint)
	}
	switch {
	case role == nil:
		return noSuchRole(op, user)
	case user != s.Target.User && (!role.Login || role.Expired):
		return accountDisabled(op, user, !role.Login)
	case session == nil || session.Superuser:
		return nil
	case rds.restricted && !rds.exempt:
		return missing("RDS restricts who may set passwords (rds.restrict_password_commands)", grantRoleSQL("rds_password", c.Session, membership{}, false))
	case c.Session == user:
		return nil
	case role.Superuser:
		return missing("only a superuser may change one", "Name the secret of a superuser, or rotate this one by itself")
	case !session.CreateRole:
		return missing("it has neither SUPERUSER nor CREATEROLE", fmt.Sprintf("ALTER ROLE %s CREATEROLE, or name another superuser's secret", pgwire.Identifier(c.Session)))
	case c.inheritPerGrant() && !role.Administered:
		return missing("it has no ADMIN OPTION on "+pgwire.Identifier(user),
			"As a role that may: "+grantAdminSQL(user, c.Session))
	}
	return nil
}
