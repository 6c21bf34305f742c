package mysql

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var _ engine.Inspector = (*session)(nil)

// CanRotate implements [engine.Inspector]. It runs EnsureClone without
// its statements and compares the session's rights with what those need. A right is
// reported as missing only if the server's answers leave no doubt.
func (s *session) CanRotate(ctx context.Context, r engine.InspectRequest) (engine.Inspection, error) {
	found := engine.Inspection{}
	srv, err := s.prepare(ctx)
	if err != nil {
		return found, err
	}
	own, err := s.effective(ctx, srv)
	if err != nil {
		return found, err
	}
	if err := s.writable(ctx, own); err != nil {
		return found, err
	}
	if r.SetPassword != "" {
		if found.Notes, err = s.maySetPassword(ctx, srv, own, r); err != nil {
			return found, err
		}
	}
	if r.Clone == nil {
		return found, nil
	}
	c := &cloning{session: s, request: *r.Clone, dry: true}
	if err := c.run(ctx); err != nil {
		return found, err
	}
	if missing := own.missing(c.lacking); len(missing) > 0 {
		return found, s.lacks(fmt.Sprintf("bringing clone %q level on %s", r.Clone.Clone, s.target.Address()), missing)
	}
	found.Changes = c.result.Changes
	for _, r := range c.gone {
		found.Notes = append(found.Notes, fmt.Sprintf("%s is left out: it is a right on columns, and there are none of that name any more", r))
	}
	return found, nil
}

// powers are what a session may do and pass on: its own rights and those of its
// active roles.
type powers struct {
	rights
	// vague: because of roles it is uncertain which rights are missing.
	vague bool
	// passing: it is certain which roles it may grant, those that it has WITH ADMIN OPTION
	// (MariaDB, without an active role).
	passing bool
}

// effective reads the session's powers. MySQL shows the rights of active roles as the account's
// own, MariaDB beside them, with the role as the grantee.
func (s *session) effective(ctx context.Context, srv *server) (powers, error) {
	op := "reading the rights of " + srv.self.String() + " on " + s.target.Address()
	rows, err := s.query(ctx, effectiveSQL)
	if err != nil {
		return powers{}, s.fault(err, op, reading)
	}
	own := powers{passing: srv.mariadb}
	for _, row := range rows {
		rs, _, ours, err := parseGrant(row[0], srv.self)
		if err != nil || !ours {
			own.vague, own.passing = true, false
			continue
		}
		own.rights = append(own.rights, rs...)
	}
	// On MySQL the list already includes the rights of roles.
	if srv.mariadb && slices.ContainsFunc(own.rights, func(r right) bool { return r.kind == role }) {
		own.vague = true
	}
	return own, nil
}

// holds reports whether the session has a privilege everywhere.
func (p powers) holds(names ...string) bool {
	return slices.ContainsFunc(p.rights, func(r right) bool {
		return r.on == "*.*" && (r.name == allPrivileges || slices.Contains(names, r.name))
	})
}

// onTables reports whether it may write to the system's tables, which is as good
// as CREATE USER: INSERT to make accounts, UPDATE to change them. Source: MySQL
// reference manual, "CREATE USER Statement" and "ALTER USER Statement".
func (p powers) onTables() bool {
	return slices.ContainsFunc(p.rights, func(r right) bool {
		return (r.on == "*.*" || strings.HasPrefix(r.on, "`mysql`.")) && slices.Contains([]string{"INSERT", "UPDATE", allPrivileges}, r.name)
	})
}

// missing lists what the session lacks to create accounts and to grant these rights. To
// grant a privilege it needs that privilege and GRANT OPTION, in the same scope or a wider
// one.
func (p powers) missing(grant rights) []string {
	var missing []string
	for _, r := range grant {
		admin := right{kind: roleAdmin, on: r.on}
		if p.passing && (r.kind == role || r.kind == roleAdmin) && !p.has(admin) {
			missing = append(missing, admin.String())
		}
	}
	if p.vague {
		return slices.Compact(missing)
	}
	if !p.holds(createUser) && !p.onTables() {
		missing = append(missing, createUser+" ON *.*")
	}
	for _, r := range grant {
		if r.kind != privilege || strings.Contains(r.name, "(") || r.name == allPrivileges {
			continue // columns, roles and the like: the rules differ between versions
		}
		names := []string{r.name, grantOption}
		for _, name := range slices.Compact(names) {
			if !p.covers(name, r.on) {
				missing = append(missing, name+" ON "+r.on)
			}
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// covers reports whether the session has a privilege in a scope or a wider one.
func (p powers) covers(name, on string) bool {
	schema := schemaOf(on)
	return slices.ContainsFunc(p.rights, func(r right) bool {
		if r.kind != privilege || r.name != name && (r.name != allPrivileges || name == grantOption) {
			return false
		}
		wildcard := strings.HasSuffix(r.on, ".*") && strings.ContainsAny(r.on, "%_")
		return r.on == "*.*" || r.on == on || r.on == schema+".*" || wildcard
	})
}

// schemaOf returns the schema, quoted, that a table or a routine is in.
func schemaOf(on string) string {
	start := max(strings.IndexByte(on, '`'), 0) // behind PROCEDURE and the like
	s := &scanner{rest: on[start:]}
	name, _ := s.quoted('`')
	return identifier(name)
}

// writable returns DatabaseReadOnly if the server refuses this session's changes.
func (s *session) writable(ctx context.Context, own powers) error {
	rows, err := s.query(ctx, readOnlySQL)
	if err != nil {
		return nil // MySQL 5.6 does not know both, and says so when it comes to it
	}
	off := func(value string) bool { return value == "0" || value == "OFF" }
	exempt := own.vague || own.holds("SUPER", "CONNECTION_ADMIN", "READ_ONLY ADMIN", "READ ONLY ADMIN")
	if !off(rows[0][1]) || !off(rows[0][0]) && !exempt {
		return fault.New(fault.DatabaseReadOnly, s.target.String()+": the server is read-only", `Put the writer's endpoint into "host" of the secret`)
	}
	return nil
}

// maySetPassword plans the change as ChangePassword does. It returns notes for people.
func (s *session) maySetPassword(ctx context.Context, srv *server, own powers, r engine.InspectRequest) ([]string, error) {
	op := fmt.Sprintf("looking whether the password of user %q may be set on %s", r.SetPassword, s.target.Address())
	// The password is not sent.
	w, err := s.way(ctx, srv, op, engine.PasswordChange{User: r.SetPassword, Password: redact.New(rand.Text()), OwnSession: r.OwnSession, KeepPrevious: r.KeepPrevious})
	if err != nil {
		return nil, err
	}
	if missing := own.missing(nil); !w.own && len(missing) > 0 {
		return nil, s.lacks(op, missing)
	}
	const second = "APPLICATION_PASSWORD_ADMIN"
	maySecond := own.vague || own.holds(second, createUser)
	if w.own && r.KeepPrevious && !maySecond {
		return nil, s.lacks(op, []string{second + " ON *.*, which keepPrevious takes"})
	}
	return s.notes(srv, w, r.SetPassword, maySecond), nil
}

// notes describes the accounts that are not changed, and second passwords.
func (s *session) notes(srv *server, w way, user string, maySecond bool) (notes []string) {
	const remedy = "with superuserSecret and recoverPassword the superuser sees to it"
	for _, a := range w.others {
		notes = append(notes, fmt.Sprintf("Account %s has another password, so that it is left alone", a.account))
	}
	if w.own && w.unseen {
		notes = append(notes, fmt.Sprintf("Only %s is changed, and whether user %q has accounts for other hosts it may not see itself: %s", srv.self, user, remedy))
	}
	if w.own && srv.keepsTwo() && !maySecond {
		notes = append(notes, "A second password that the account has kept (RETAIN CURRENT PASSWORD) would go on being accepted: "+remedy)
	}
	for _, a := range w.accounts {
		if a.second != "" {
			notes = append(notes, fmt.Sprintf("Account %s has a second password, which is discarded", a.account))
		}
	}
	return notes
}

func (s *session) lacks(op string, missing []string) error {
	return fault.New(fault.PrivilegeMissing,
		fmt.Sprintf("%s: user %q has no %s", op, s.target.User, strings.Join(missing, ", no ")),
		"Grant it as a user that may (GRANT OPTION is granted by WITH GRANT OPTION), or name another superuser's secret")
}
