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

// CanRotate implements [engine.Inspector]. It follows the steps of SetPassword and
// EnsureClone without making their changes. An account may always change its own password
// (SQL Server documentation, "ALTER LOGIN", "ALTER USER"). Whether the session may grant
// each right is only known once it tries.
func (s *session) CanRotate(ctx context.Context, r engine.InspectRequest) (found engine.Inspection, err error) {
	if r.SetPassword != "" && r.SetPassword != s.target.User {
		if err := s.mayChange(ctx, r.SetPassword); err != nil {
			return found, err
		}
	}
	if r.Clone == nil {
		return found, nil
	}
	original, err := s.find(ctx, r.Clone.Original)
	if err != nil {
		return found, err
	}
	if original == nil {
		return found, s.noSuchAccount(r.Clone.Original)
	}
	c := &cloning{session: s, request: *r.Clone, dry: true}
	if err := c.run(ctx, original); err != nil {
		return found, err
	}
	return engine.Inspection{Changes: c.result.Changes, Notes: c.result.Notes}, nil
}

// mayChange returns PrivilegeMissing unless the session may change another account.
func (s *session) mayChange(ctx context.Context, name string) error {
	a, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if a == nil {
		return s.noSuchAccount(name)
	}
	if a.database == "" {
		return s.mayAlterLogin(ctx, name)
	}
	if err := s.use(ctx, a.database); err != nil {
		return err
	}
	in, err := s.inDatabase(ctx)
	if err == nil && !in.changes {
		err = s.missing(tsql.AlterAnyUser, a.database, fmt.Sprintf("which changing %q takes", name))
	}
	return err
}

// mayAlterLogin returns PrivilegeMissing unless the session may change another login.
func (s *session) mayAlterLogin(ctx context.Context, login string) error {
	var alters, powerful, controls sql.NullInt64
	err := s.query(ctx, "asking what the session may do", func(rows *sql.Rows) error {
		return rows.Scan(&alters, &powerful, &controls)
	}, tsql.MayAlterLogin, login)
	switch {
	case err != nil:
		return err
	case alters.Int64 != 1:
		return s.missing(tsql.AlterAnyLogin, "", fmt.Sprintf("or ALTER on that login, which changing %q takes", login))
	case powerful.Int64 == 1 && controls.Int64 != 1:
		return s.missing(tsql.ControlServer, "", fmt.Sprintf("which changing %q takes: it is in sysadmin or has %s itself", login, tsql.ControlServer))
	}
	return nil
}

// mayCreateLogin returns PrivilegeMissing unless the session may create logins.
func (s *session) mayCreateLogin(login string) error {
	if s.seesLogins {
		return nil
	}
	return s.missing(tsql.AlterAnyLogin, "", fmt.Sprintf("which making %q takes", login))
}

// seesServer returns PrivilegeMissing unless the session sees which server roles other
// logins are in. Without that right, the original would seem to be in none.
func (s *session) seesServer(ctx context.Context) error {
	var sees sql.NullInt64
	err := s.query(ctx, "asking what the session may see", func(rows *sql.Rows) error { return rows.Scan(&sees) }, tsql.SeesServer)
	if err == nil && sees.Int64 != 1 {
		err = s.missing(tsql.ViewAnyDefinition, "", "without which it does not see all that the original may do")
	}
	return err
}

// permitted is what the session may do with other users of a database.
type permitted struct{ changes, sees bool }

// inDatabase asks for the permissions in the current database.
func (s *session) inDatabase(ctx context.Context) (permitted, error) {
	var changes, sees sql.NullInt64
	err := s.query(ctx, "asking what the session may do", func(rows *sql.Rows) error { return rows.Scan(&changes, &sees) }, tsql.InDatabase)
	return permitted{changes.Int64 == 1, sees.Int64 == 1}, err
}

// mayLevel returns PrivilegeMissing unless the session sees the rights of others in the
// current database and, if the clone's user has to be created, changed or dropped, may do
// so.
func (c *cloning) mayLevel(ctx context.Context, p place) error {
	in, err := c.inDatabase(ctx)
	changes := p.original == nil || p.clone == nil || p.clone.schema != p.original.schema
	switch {
	case err != nil:
		return err
	case !in.sees:
		return c.missing(tsql.ViewDefinition, p.database, "without which it does not see all that the original may do")
	case changes && !in.changes:
		return c.missing(tsql.AlterAnyUser, p.database, fmt.Sprintf("which making, changing or dropping user %q takes", c.request.Clone))
	}
	return nil
}

func (s *session) missing(permission, database, why string) error {
	where := s.target.Address()
	if database != "" {
		where = fmt.Sprintf("database %q of %s", database, where)
	}
	return fault.New(fault.PrivilegeMissing, fmt.Sprintf("user %q has no %s on %s, %s", s.target.User, permission, where, why),
		"Grant it, or name another superuser's secret")
}

// triggers warns of DDL triggers, which a tenant can make run with the superuser's
// rights.
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
