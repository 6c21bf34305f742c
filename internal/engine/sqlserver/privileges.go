package sqlserver

import (
	"bytes"
	"context"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// Privileges lists an account's settings, memberships, permissions and what it
// owns. Databases that the account may not open by a permission of its own are
// left out, because it could not list them itself, and so are those that the
// session may not open. Things go by their numbers, because an account does not
// see the names of all that it is denied.
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

// userPrivileges lists those of a user by its security identifier or, when that
// is nil, of a contained user by its name.
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

// describe lists a login's settings that decide where it lands.
func (l *login) describe() []string {
	return []string{
		"default database " + tsql.Name(l.settings.Database),
		"default language " + tsql.Name(l.settings.Language),
	}
}

// describe lists rights on the server or in a database, and what else there is
// to say about the account there.
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
