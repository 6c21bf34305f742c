package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// attributes are a role's own abilities, which members of the role do not inherit. Which
// of them a session may set differs between versions (CREATE ROLE, ALTER ROLE); the
// server decides.
var attributes = []struct {
	name   string
	of     func(*role) bool
	listed bool
}{
	{"LOGIN", func(r *role) bool { return r.Login }, true},
	{"SUPERUSER", func(r *role) bool { return r.Superuser }, true},
	{"CREATEDB", func(r *role) bool { return r.CreateDB }, true},
	{"CREATEROLE", func(r *role) bool { return r.CreateRole }, true},
	{"REPLICATION", func(r *role) bool { return r.Replication }, true},
	{"BYPASSRLS", func(r *role) bool { return r.BypassRLS }, true},
	// Its effects are visible in the list of memberships.
	{"INHERIT", func(r *role) bool { return r.Inherit }, false},
}

// leveling compares a clone with its original.
type leveling struct {
	*catalog
	original, clone string
	separate        bool // see [Engine.SeparateOwnership]
	steps           []pgwire.Step
	onObjects       bool // some of the steps are about objects of a database
	elsewhere       []elsewhere
}

// elsewhere holds the steps in another database than the session's.
type elsewhere struct {
	*session

	steps []pgwire.Step
}

// leave closes the sessions in other databases.
func (l *leveling) leave() {
	for _, e := range l.elsewhere {
		e.Close()
	}
}

// changes describes the steps for people.
func (l *leveling) changes() []string {
	var all []string
	for _, e := range l.elsewhere {
		all = append(all, pgwire.Done(e.steps)...)
	}
	return append(all, pgwire.Done(l.steps)...)
}

func (l *leveling) add(kind pgwire.Effect, sql, done, hint string) {
	l.steps = append(l.steps, pgwire.Step{SQL: sql, Done: done, Hint: hint, Kind: kind})
}

// level lists the steps. clone is the role's current state.
func (l *leveling) level(clone *role) {
	want := *l.role(l.original)
	if !l.separate {
		want.Inherit = true // for its membership in the original, as which it acts; the original's own memberships are not affected
	}
	l.levelAttributes(clone, &want)
	l.levelMemberships()
	l.levelSettings()
	if !l.separate {
		return
	}
	changes := pggrant.Level(l.original, l.clone, l.grants[l.original], l.grants[l.clone])
	l.onObjects = len(changes) > 0
	for _, change := range changes {
		l.add(pgwire.Levelling, change.SQL, change.Done,
			"The superuser of this secret has to own the object, be a member of its owner, or be allowed to pass the right on. Or have its owner do it for both accounts alike")
	}
}

// handOver makes the original the owner of what the clone owns. A clone created by AWS's
// own functions has worked in its own name, and the original, as which it acts from now
// on, could not even read the objects that it created. In other databases this happens
// before everything else, together with granting the membership that preserves the
// clone's rights.
func (l *leveling) handOver(ctx context.Context, s *session, op string) error {
	if l.separate {
		return l.keepQuiet(ctx, s, op)
	}
	owns := l.ownsIn(l.clone)
	if owns[""] {
		owns[l.Database] = true // objects of the whole server can be handed over from any database
	}
	delete(owns, "")
	for _, database := range sortedKeys(owns) {
		there := s
		if database != l.Database {
			var err error
			if there, err = s.enter(ctx, database); err != nil {
				return l.cannotEnter(err, op, database)
			}
			l.elsewhere = append(l.elsewhere, elsewhere{session: there})
		}
		steps, err := l.handOverIn(ctx, there, op, owns[database])
		if err != nil {
			return err
		}
		if database == l.Database {
			l.steps = slices.Concat(l.steps, steps)
			continue
		}
		l.elsewhere[len(l.elsewhere)-1].steps = steps
	}
	l.elsewhere = slices.DeleteFunc(l.elsewhere, func(e elsewhere) bool {
		if len(e.steps) == 0 {
			e.Close()
		}
		return len(e.steps) == 0
	})
	return nil
}

// handOverIn lists the steps in one database. The original becomes the owner of what the
// clone owns, if anything, and the clone's default privileges are copied to the original.
func (l *leveling) handOverIn(ctx context.Context, s *session, op string, owns bool) ([]pgwire.Step, error) {
	rows, err := s.Read(ctx, defaultsSQL(l.original, l.clone))
	if err != nil {
		return nil, s.StatementFault(err, op, pgwire.Reading)
	}
	var steps []pgwire.Step
	if owns {
		hint := "Have a superuser do it in database " + pgwire.Identifier(s.Target.Database) + ": " + reassignSQL(l.clone, l.original)
		if m := l.memberships(l.clone)[l.original]; !m.Inherit && s.Target.Database != l.Database {
			steps = append(steps, pgwire.Step{SQL: grantRoleSQL(l.original, l.clone, l.wanted()[l.original], l.inheritPerGrant()), Hint: l.grantAdmin(l.original), Kind: pgwire.Levelling})
		}
		steps = append(steps, pgwire.Step{
			SQL: reassignSQL(l.clone, l.original), Hint: hint, Kind: pgwire.Levelling,
			Done: "gave what the clone owned in database " + pgwire.Identifier(s.Target.Database) + " to the original",
		})
	}
	steps = append(steps, l.passDefaults(parseDefaults(rows[0]), s.Target.Database)...)
	if len(steps) == 0 {
		return nil, nil
	}
	quiet, err := l.quiet(ctx, s, op)
	if err != nil {
		return nil, err
	}
	lend, back := l.lend()
	return slices.Concat(quiet, lend, steps, back), nil
}

// lend returns the steps that give the session the rights of both roles during the
// transaction, and those that take them back.
func (l *leveling) lend() (lend, back []pgwire.Step) {
	for _, name := range []string{l.clone, l.original} {
		if l.canLend(name) {
			lend = append(lend, pgwire.Step{SQL: lendSQL(name, l.inheritPerGrant()), Hint: l.grantAdmin(name), Kind: pgwire.Levelling})
			back = append(back, pgwire.Step{SQL: returnSQL(name, l.inheritPerGrant()), Hint: l.grantAdmin(name), Kind: pgwire.Levelling})
		}
	}
	return lend, back
}

func (l *leveling) cannotEnter(err error, op, database string) error {
	if why := fault.From(err); !why.Code.Retryable() {
		return fault.Wrap(err, fault.PrivilegeMissing, fmt.Sprintf("%s: the clone owns objects in database %q, which cannot be entered: %s", op, database, why.Op),
			"Let the superuser connect to it, or do it there by hand: "+reassignSQL(l.clone, l.original))
	}
	return err
}

// keepQuiet inserts the steps that disable event triggers, if one of the later steps
// would fire them.
func (l *leveling) keepQuiet(ctx context.Context, s *session, op string) error {
	if !l.onObjects {
		return nil
	}
	quiet, err := l.quiet(ctx, s, op)
	l.steps = slices.Concat(quiet, l.steps)
	return err
}

// quiet makes sure that statements about database objects do not run code that others
// control: it disables event triggers, or refuses if one belongs to somebody other than
// the session's role or a superuser.
func (l *leveling) quiet(ctx context.Context, s *session, op string) ([]pgwire.Step, error) {
	results, err := s.Read(ctx, strangersSQL)
	if err != nil {
		return nil, s.StatementFault(err, op, pgwire.Reading)
	}
	const quietSince = 170000 // PostgreSQL 17 release notes: event_triggers
	switch {
	case len(results[0]) == 0:
		return nil, nil
	case l.Version >= quietSince && l.role(l.Session).Superuser:
		return []pgwire.Step{{SQL: noEventTriggersSQL, Kind: pgwire.Levelling}}, nil
	}
	trigger := results[0][0][0]
	return nil, fault.New(fault.DatabaseError, fmt.Sprintf("%s: event trigger %q of database %q would run somebody else's function as %q", op, trigger, s.Target.Database, l.Session),
		fmt.Sprintf("ALTER EVENT TRIGGER %s DISABLE, or give its function to a superuser or to %s. Nothing was changed", pgwire.Identifier(trigger), pgwire.Identifier(l.Session)))
}

// canLend reports whether the session lacks the role's rights and may grant them to
// itself for the transaction. An existing membership must not be lost when the grant is
// revoked.
func (l *leveling) canLend(name string) bool {
	if r := l.role(name); r == nil || r.Usable {
		return false
	}
	return !slices.ContainsFunc(l.Memberships, func(m membership) bool {
		return m.Member == l.Session && m.Role == name && (m.Grantor == l.Session || !l.inheritPerGrant())
	})
}

func (l *leveling) levelAttributes(have, want *role) {
	for _, a := range attributes {
		if a.of(have) == a.of(want) {
			continue
		}
		option := a.name
		if !a.of(want) {
			option = "NO" + option
		}
		may := "A superuser may do it, and from PostgreSQL 16 on a role with CREATEROLE that has " + a.name + " itself"
		if a.name == "SUPERUSER" {
			may = "Only a superuser may do it"
		}
		l.add(pgwire.Levelling, alterRoleSQL(l.clone, option), option, fmt.Sprintf(
			"%s. Name the secret of one that may, or alter %s to be without %s", may, pgwire.Identifier(l.original), a.name))
	}
	if have.ConnectionLimit != want.ConnectionLimit {
		option := fmt.Sprintf("CONNECTION LIMIT %d", want.ConnectionLimit)
		l.add(pgwire.Levelling, alterRoleSQL(l.clone, option), option, l.grantAdmin(l.clone))
	}
	if have.ValidUntil != want.ValidUntil {
		until := want.ValidUntil
		if until == "" {
			until = "infinity"
		}
		option := "VALID UNTIL " + pgwire.Literal(until)
		l.add(pgwire.Levelling, alterRoleSQL(l.clone, option), option, l.grantAdmin(l.clone))
	}
}

// wanted returns the roles of which the clone is to be a direct member: only the
// original, or the same roles as the original.
func (l *leveling) wanted() map[string]membership {
	if l.separate {
		return l.memberships(l.original)
	}
	return map[string]membership{l.original: {Role: l.original, Inherit: true, Set: true}}
}

func (l *leveling) levelMemberships() {
	want, have := l.wanted(), l.memberships(l.clone)
	if !l.inheritPerGrant() {
		for _, of := range []map[string]membership{want, have} { // depend on the attribute; these versions have no option
			for name, m := range of {
				m.Inherit, m.Set = true, true
				of[name] = m
			}
		}
	}
	for _, name := range sortedKeys(want) {
		w, h := want[name], have[name]
		_, member := have[name]
		if !member || w.Admin && !h.Admin || w.Inherit && !h.Inherit || w.Set && !h.Set {
			l.add(pgwire.Levelling, grantRoleSQL(name, l.clone, w, l.inheritPerGrant()),
				"granted "+pgwire.Identifier(name)+w.options(), l.grantAdmin(name))
		}
	}
	for _, name := range sortedKeys(have) {
		w, wanted := want[name]
		if !wanted {
			l.revoke("", name, func(membership) bool { return true })
			continue
		}
		h := have[name]
		if h.Admin && !w.Admin {
			l.revoke(optionFor("ADMIN"), name, func(m membership) bool { return m.Admin })
		}
		if h.Inherit && !w.Inherit {
			l.revoke(optionFor("INHERIT"), name, func(m membership) bool { return m.Inherit })
		}
		if h.Set && !w.Set {
			l.revoke(optionFor("SET"), name, func(m membership) bool { return m.Set })
		}
	}
}

// revoke revokes what each grantor has granted. Before PostgreSQL 16 the grantor does not
// matter.
func (l *leveling) revoke(option, role string, concerns func(membership) bool) {
	done := "revoked " + option + pgwire.Identifier(role)
	for _, m := range l.Memberships {
		if m.Member != l.clone || m.Role != role || !concerns(m) {
			continue
		}
		grantor, hint := "", l.grantAdmin(role)
		if l.inheritPerGrant() {
			grantor = m.Grantor
			hint += ", or have " + pgwire.Identifier(grantor) + ", who granted it, revoke it"
		}
		l.add(pgwire.Levelling, revokeRoleSQL(option, role, l.clone, grantor), done, hint)
		done = ""
	}
}

// levelSettings levels the settings for all databases and those for single databases.
func (l *leveling) levelSettings() {
	roles := l.actors()
	for _, database := range append([]string{""}, l.databases(l.original, l.clone, "")...) {
		want, have := l.settings(database, l.original), l.settings(database, l.clone)
		if as := roles[database]; as != "" {
			want[settingRole] = as
		}
		if as := l.ownRole(database, l.clone); as != "" {
			have[settingRole] = as
		}
		where := ""
		if database != "" {
			where = " in database " + pgwire.Identifier(database)
		}
		for _, name := range sortedKeys(want) {
			value, has := have[name]
			if has && pgwire.CanonicalSetting(name, value) == pgwire.CanonicalSetting(name, want[name]) {
				continue
			}
			l.add(pgwire.Levelling, setSQL(l.clone, database, name, want[name]), settingDone("SET", name, where), l.hintSetting(name))
		}
		for _, name := range sortedKeys(have) {
			if _, wanted := want[name]; !wanted {
				l.add(pgwire.Levelling, resetSQL(l.clone, database, name), settingDone("RESET", name, where), l.hintSetting(name))
			}
		}
	}
}

// actors returns the clone's setting "role", by database, which makes its sessions act as
// the same role as the original's. That role is the original, unless the original, its
// databases or all roles have such a setting.
func (l *leveling) actors() map[string]string {
	usual := l.runsAs("", l.original)
	want := map[string]string{"": usual}
	if l.separate {
		want[""] = l.ownRole("", l.original)
	}
	for _, database := range l.databases(l.original, "") {
		if l.separate {
			want[database] = l.ownRole(database, l.original)
			if want[database] == "" && l.ownRole(database, "") == l.original {
				want[database] = "none" // as the clone itself, like the original
			}
		} else if as := l.runsAs(database, l.original); as != usual {
			want[database] = as
		}
	}
	maps.DeleteFunc(want, func(_, as string) bool { return as == "" })
	return want
}

func (l *leveling) hintSetting(name string) string {
	return fmt.Sprintf("Allow it: GRANT SET ON PARAMETER %s TO %s (PostgreSQL 15 and later); or have a superuser set it alike on %s and %s. "+
		"From 16 on the session needs ADMIN OPTION, too: %s",
		pgwire.SettingName(name), pgwire.Identifier(l.Session), pgwire.Identifier(l.original), pgwire.Identifier(l.clone), l.grantAdmin(l.clone))
}

// grantAdmin returns the statement that lets the session administer the role.
func (l *leveling) grantAdmin(role string) string {
	return "As a role that may: " + grantAdminSQL(role, l.Session)
}

// missing finds the rights that the session lacks for the steps: from PostgreSQL 16 on,
// CREATEROLE alone is not enough. The hint names everything at once, so that a single
// correction is enough.
func (l *leveling) missing() (what, hint string) {
	session := l.role(l.Session)
	if session == nil || session.Superuser || len(l.steps) == 0 && len(l.elsewhere) == 0 {
		return "", ""
	}
	if !session.CreateRole {
		return "it has neither SUPERUSER nor CREATEROLE", fmt.Sprintf("ALTER ROLE %s CREATEROLE, or name another superuser's secret", pgwire.Identifier(l.Session))
	}
	if !l.inheritPerGrant() {
		return "", ""
	}
	var roles, grants []string
	for _, name := range l.administered() {
		if r := l.role(name); r != nil && !r.Administered {
			roles = append(roles, pgwire.Identifier(name))
			grants = append(grants, grantAdminSQL(name, l.Session))
		}
	}
	if len(grants) == 0 {
		return "", ""
	}
	return "it has no ADMIN OPTION on " + strings.Join(roles, ", "),
		"From PostgreSQL 16 on CREATEROLE is not enough for roles that another one created. As a role that may: " + strings.Join(grants, "; ")
}

// administered lists the roles for which the steps need ADMIN OPTION.
func (l *leveling) administered() []string {
	need := map[string]bool{l.clone: true}
	want, have := l.wanted(), l.memberships(l.clone)
	for _, name := range slices.Concat(sortedKeys(want), sortedKeys(have)) {
		if want[name].options() != have[name].options() {
			need[name] = true
		}
	}
	return sortedKeys(need)
}
