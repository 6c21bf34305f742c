package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

var _ engine.Inspector = (*session)(nil)

// CanRotate implements [engine.Inspector]. It goes the way of SetPassword and of
// EnsureClone, and leaves their changes out. An account may always change its own
// password (SQL Server documentation, "ALTER LOGIN", "ALTER USER"). Of what changes an
// account's rights only the right to change accounts is looked at.
func (s *session) CanRotate(ctx context.Context, r engine.InspectRequest) (found engine.Inspection, err error) {
	if r.SetPassword != "" && r.SetPassword != s.target.User {
		if err := s.mayChange(ctx, r.SetPassword); err != nil {
			return found, err
		}
	}
	if r.Clone == nil {
		return found, nil
	}
	if err := s.mayChange(ctx, r.Clone.Original); err != nil {
		return found, err
	}
	original, err := s.find(ctx, r.Clone.Original)
	if err != nil {
		return found, err
	}
	c := &cloning{session: s, request: *r.Clone, dry: true}
	if err := c.run(ctx, original); err != nil {
		return found, err
	}
	return engine.Inspection{Changes: c.result.Changes, Notes: c.result.Notes}, nil
}

// mayChange is PrivilegeMissing unless the session may change another account.
func (s *session) mayChange(ctx context.Context, name string) error {
	a, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if a == nil {
		return s.noSuchAccount(name)
	}
	may, missing := s.seesLogins, tsql.AlterAnyLogin
	if a.database != "" {
		missing = tsql.AlterAnyUser + " in database " + tsql.Name(a.database)
		if err := s.use(ctx, a.database); err != nil {
			return err
		}
		var yes sql.NullInt64
		err := s.query(ctx, "asking what the session may do", func(rows *sql.Rows) error { return rows.Scan(&yes) }, tsql.MayAlterUsers)
		if err != nil {
			return err
		}
		may = yes.Int64 == 1
	}
	if may {
		return nil
	}
	return fault.New(fault.PrivilegeMissing, fmt.Sprintf("user %q has no %s on %s, which changing %q takes", s.target.User, missing, s.target.Address(), name),
		"Grant it, or name another superuser's secret")
}

// triggers tells beforehand of what a tenant can have run as the superuser.
func (c *cloning) triggers(ctx context.Context, database string) error {
	if !c.dry {
		return nil
	}
	var names []string
	err := c.query(ctx, "looking for triggers", func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, fmt.Sprintf("%q", name))
		return err
	}, tsql.Triggers)
	if len(names) > 0 {
		c.result.Notes = append(c.result.Notes, fmt.Sprintf("Database %q has DDL triggers (%s): what changes the clone there runs them as the superuser. Make sure that they are yours", database, strings.Join(names, ", ")))
	}
	return err
}
