package sqlserver

import (
	"bytes"
	"context"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// Privileges lists an account's settings, memberships and permissions, and what it owns.
// It leaves out databases that the session cannot open, and those that the account cannot
// open by a permission of its own, because the account itself could not list them.
// Objects are listed by ID, because an account may not see the names of objects that it
// is denied.
func (s *session) Privileges(ctx context.Context, name string) ([]string, error) {
	a, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, s.noSuchAccount(name)
	}
	if a.database != "" {
		return s.userPrivileges(ctx, a.database, nil, name)
	}
	l, err := s.login(ctx, name)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, s.noSuchAccount(name)
	}
	onServer, _, err := s.rights(ctx, tsql.ServerRights(), l.id, l.id)
	if err != nil {
		return nil, err
	}
	list := append(l.describe(), describe("", onServer, nil)...)
	databases, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range databases {
		more, err := s.userPrivileges(ctx, d.name, l.sid, name)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.Sort(list)
	return list, nil
}

// userPrivileges lists the privileges of a user, found by its security identifier. If
// that is nil it finds a contained user by name.
func (s *session) userPrivileges(ctx context.Context, database string, sid []byte, name string) ([]string, error) {
	if err := s.use(ctx, database); err != nil {
		return nil, err
	}
	users, err := s.users(ctx, sid, sid, name, name)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if sid != nil && !bytes.Equal(u.sid, sid) || sid == nil && u.authentication != authContained {
			continue
		}
		rs, _, err := s.rights(ctx, tsql.DatabaseRights(), u.id, u.id)
		if err != nil {
			return nil, err
		}
		if u.isOwner() {
			rs = rs.ofOwner()
		}
		return describe(database, rs, []string{"default schema " + tsql.Name(u.schema)}), nil
	}
	return nil, nil
}

// describe lists the settings of a login that affect where it connects to.
func (l *login) describe() []string {
	return []string{
		"default database " + tsql.Name(l.settings.Database),
		"default language " + tsql.Name(l.settings.Language),
	}
}

// describe lists rights on the server or in a database, and other facts about the account
// there.
func describe(database string, rs rights, about []string) []string {
	if database == "" {
		return rs.list("server: ")
	}
	if !rs.mayConnect() {
		return nil
	}
	list := rs.list(prefix(database))
	for _, text := range about {
		list = append(list, prefix(database)+text)
	}
	slices.Sort(list)
	return list
}
