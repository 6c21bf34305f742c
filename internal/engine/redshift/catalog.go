package redshift

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// user is a user's entry in the server's catalogs.
type user struct {
	Name       string
	CreateDB   bool
	Superuser  bool
	ValidUntil string // empty: no expiry
	Limit      string // on connections
	Syslog     string // access to the system log; empty: unknown
	Timeout    string // of sessions, in seconds; 0: none
	Groups     map[string]bool
	Roles      map[string]bool // by name; whether the user may grant the role to others
	Settings   map[string]string
	Rights     pggrant.Rights
}

var errViews = errors.New("what the server says about its users was not understood")

// users reads users by name. The result leaves out those that do not exist.
func (s *session) users(ctx context.Context, names ...string) (map[string]*user, error) {
	asked := []string{usersSQL(names...), groupsSQL(names...), s.views.about(names...), s.views.roles(names...)}
	results, err := s.Read(ctx, slices.Concat(utcSQL, asked, s.views.rights(names...))...)
	if err != nil {
		return nil, err
	}
	first := len(utcSQL)
	if len(results) <= first+4 {
		return nil, errViews
	}
	found := map[string]*user{}
	for _, row := range results[first] {
		if len(row) != 5 {
			return nil, errViews
		}
		found[row[0]] = &user{
			Name: row[0], CreateDB: row[1] == "t", Superuser: row[2] == "t", ValidUntil: validity(row[3]), Settings: settings(row[4]),
			Groups: map[string]bool{}, Roles: map[string]bool{}, Timeout: "0",
		}
	}
	for _, row := range results[first+1] {
		if u := found[row[0]]; u != nil {
			u.Groups[row[1]] = true
		}
	}
	for _, row := range results[first+2] {
		if u := found[row[0]]; u != nil {
			u.Limit, u.Syslog, u.Timeout = strings.ToUpper(row[1]), row[2], cmp.Or(row[3], "0")
		}
	}
	for _, row := range results[first+3] {
		if u := found[row[0]]; u != nil {
			u.Roles[row[1]] = row[2] == "t"
		}
	}
	rights, err := pggrant.Parse(slices.Concat(results[first+4:]...))
	if err != nil {
		return nil, err
	}
	for name, u := range found {
		u.Rights = rights[name]
	}
	return found, nil
}

// validity returns "" for a password that never expires.
func validity(until string) string {
	if until == "infinity" {
		return ""
	}
	return until
}

// expired reports whether the user's password has expired. The time is in UTC. If it
// cannot be parsed, the server decides.
func (u *user) expired(now time.Time) bool {
	until, err := time.Parse("2006-01-02 15:04:05.999999-07", u.ValidUntil)
	return err == nil && until.Before(now)
}

// settings splits lines of name=value. A value may span several lines.
func settings(lines string) map[string]string {
	found := map[string]string{}
	last := ""
	for line := range strings.SplitSeq(lines, "\n") {
		name, value, ok := strings.Cut(line, "=")
		if ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") == "" {
			found[name], last = value, name
		} else if last != "" {
			found[last] += "\n" + line
		}
	}
	return found
}

// Privileges implements [engine.Session]. Rights on objects are those in the session's
// database; attributes, groups and roles apply to the whole cluster.
func (s *session) Privileges(ctx context.Context, name string) ([]string, error) {
	op := fmt.Sprintf("listing the rights of user %q on %s", name, s.Target)
	if err := s.dialect.CheckName("user", name); err != nil {
		return nil, err
	}
	users, err := s.users(ctx, name)
	if err != nil {
		return nil, s.StatementFault(err, op, pgwire.Reading)
	}
	if users[name] == nil {
		return nil, noSuchUser(op, name)
	}
	return users[name].privileges(), nil
}

func (u *user) privileges() []string {
	list := []string{"CONNECTION LIMIT " + u.Limit}
	for _, a := range []struct {
		name string
		has  bool
	}{
		{"CREATEDB", u.CreateDB},
		{"SUPERUSER", u.Superuser},
		{"SYSLOG ACCESS " + u.Syslog, u.Syslog != ""},
		{"SESSION TIMEOUT " + u.Timeout, u.Timeout != "0"},
		{"VALID UNTIL " + u.ValidUntil, u.ValidUntil != ""},
	} {
		if a.has {
			list = append(list, a.name)
		}
	}
	for name := range u.Groups {
		list = append(list, "in group "+pgwire.Identifier(name))
	}
	for name, admin := range u.Roles {
		line := "has role " + roleName(name)
		if admin {
			line += withAdmin
		}
		list = append(list, line)
	}
	for name, value := range u.Settings {
		list = append(list, settingDone("SET", name+" = "+pgwire.ListedSetting(name, value)))
	}
	list = append(list, u.Rights.List()...)
	slices.Sort(list)
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func noSuchUser(op, name string) error {
	return fault.New(fault.DatabaseError, fmt.Sprintf("%s: there is no user %q", op, name), "Correct the user name in the secret, or create the user")
}
