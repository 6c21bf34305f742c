package sqlserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// noPassword stands for the old password where a superuser need not give one.
var noPassword redact.String

// contained creates the clone of a contained user or brings it level. Such a user has its
// password and all its rights in one database.
func (c *cloning) contained(ctx context.Context, database string) error {
	if err := c.use(ctx, database); err != nil {
		return err
	}
	if err := c.triggers(ctx, database); err != nil {
		return err
	}
	p, err := c.containedPlace(ctx, database)
	if err != nil {
		return err
	}
	if p.original == nil {
		return c.noSuchAccount(c.request.Original)
	}
	in, err := c.inDatabase(ctx)
	switch {
	case err != nil:
		return err
	case !in.changes:
		return c.missing(tsql.AlterAnyUser, database, fmt.Sprintf("which making and changing %q takes", c.request.Clone))
	case !in.sees:
		return c.missing(tsql.ViewDefinition, database, "without which it does not see all that the original may do")
	}
	fresh := p.clone == nil
	if !fresh && (p.clone.authentication != authContained || !c.request.Proven && p.clone.mark != c.request.Mark) {
		return c.notOurs(fmt.Sprintf("a user of database %q", database))
	}
	if fresh {
		if p, err = c.createContained(ctx, p); err != nil {
			return err
		}
	}
	var changes []string
	if p.clone.schema != p.original.schema {
		changes = append(changes, tsql.AlterUserSchema(p.clone.name, p.original.schema))
	}
	if p.clone.language != p.original.language {
		changes = append(changes, tsql.AlterUserLanguage(p.clone.name, p.original.language))
	}
	if err := c.change(ctx, database, changes); err != nil {
		return err
	}
	if err := c.levelUsers(ctx, p); err != nil {
		return err
	}
	slices.Sort(c.result.Privileges)
	if fresh || c.dry || c.request.Password.IsEmpty() {
		return nil
	}
	return c.setPassword(ctx, account{name: p.clone.name, database: database}, c.request.Password, noPassword)
}

func (c *cloning) createContained(ctx context.Context, p place) (place, error) {
	name := c.request.Clone
	if c.request.Password.IsEmpty() {
		return p, fault.New(fault.DatabaseError, fmt.Sprintf("there is no user %q in database %q", name, p.database),
			"Rotate the secret once: that makes it")
	}
	err := c.commit(ctx, fmt.Sprintf("creating user %q in database %q", name, p.database),
		tsql.CreateContainedUser(name, c.request.Password, p.original.schema, p.original.language, c.request.Mark).Reveal())
	if err != nil {
		return p, err
	}
	c.result.Created = true
	c.changed(p.database, tsql.UserCreated(name))
	if c.dry {
		p.clone = &user{id: planned, name: name, schema: p.original.schema, language: p.original.language}
		return p, nil
	}
	p, err = c.containedPlace(ctx, p.database)
	if err == nil && (p.original == nil || p.clone == nil) {
		err = c.noSuchAccount(name)
	}
	return p, err
}

// containedPlace finds both users by name.
func (c *cloning) containedPlace(ctx context.Context, database string) (place, error) {
	p := place{database: database}
	users, err := c.users(ctx, nil, nil, c.request.Original, c.request.Clone)
	for _, u := range users {
		if strings.EqualFold(u.name, c.request.Clone) { // most servers ignore case in names
			p.clone = u
		} else {
			p.original = u
		}
	}
	return p, err
}
