package redshift

import (
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// leveling lists the steps that bring a clone level with its original.
type leveling struct {
	*views
	original *user
	clone    string
	steps    []pgwire.Step
}

const hintSuperuser = "Name the secret of a superuser in superuserSecret or masterarn: others cannot give all that an original may have"

func (l *leveling) add(sql, done string) {
	l.steps = append(l.steps, pgwire.Step{SQL: sql, Done: done, Hint: hintSuperuser, Kind: pgwire.Levelling})
}

func (l *leveling) alter(option string) { l.add(alterUserSQL(l.clone, option), option) }

// plan lists the steps. clone is nil if it does not exist.
func (l *leveling) plan(r engine.CloneRequest, clone *user) {
	if !r.Password.IsEmpty() {
		step := pgwire.Step{SQL: setPasswordSQL(r.Clone, pgwire.MD5(r.Clone, r.Password)), Hint: hintSuperuser, Kind: pgwire.Changing}
		if clone == nil {
			step.SQL = createUserSQL(r.Clone, pgwire.MD5(r.Clone, r.Password))
			step.Done = "created user " + pgwire.Identifier(r.Clone)
			clone = &user{Name: r.Clone, Limit: l.unlimited, Syslog: l.original.Syslog, Timeout: "0"}
			if l.original.Syslog != "" {
				clone.Syslog = "RESTRICTED" // the default. Source: "CREATE USER"
			}
		}
		l.steps = append(l.steps, step)
	}
	l.attributes(clone)
	l.groups(clone)
	l.roles(clone)
	l.settings(clone)
	for _, change := range pggrant.Level(l.original.Name, l.clone, l.original.Rights, clone.Rights) {
		l.add(change.SQL, change.Done)
	}
}

func (l *leveling) attributes(have *user) {
	want := l.original
	for _, a := range []struct {
		name      string
		want, has bool
	}{{"CREATEDB", want.CreateDB, have.CreateDB}, {l.superuser, want.Superuser, have.Superuser}} {
		switch {
		case a.want && !a.has:
			l.alter(a.name)
		case a.has && !a.want:
			l.alter("NO" + a.name)
		}
	}
	if want.Limit != have.Limit {
		l.alter("CONNECTION LIMIT " + want.Limit)
	}
	if want.Syslog != have.Syslog {
		l.alter("SYSLOG ACCESS " + want.Syslog)
	}
	switch {
	case want.Timeout == have.Timeout:
	case want.Timeout == "0":
		l.alter(resetTimeout)
	default:
		l.alter("SESSION TIMEOUT " + want.Timeout)
	}
	if want.ValidUntil != have.ValidUntil {
		until := want.ValidUntil
		if until == "" {
			until = "infinity"
		}
		l.alter("VALID UNTIL " + pgwire.Literal(until))
	}
}

func (l *leveling) groups(have *user) {
	for _, group := range sortedKeys(l.original.Groups) {
		if !have.Groups[group] {
			l.add(groupSQL(group, "ADD", l.clone), "added to group "+pgwire.Identifier(group))
		}
	}
	for _, group := range sortedKeys(have.Groups) {
		if !l.original.Groups[group] {
			l.add(groupSQL(group, "DROP", l.clone), "dropped from group "+pgwire.Identifier(group))
		}
	}
}

func (l *leveling) roles(have *user) {
	for _, role := range sortedKeys(l.original.Roles) {
		admin := l.original.Roles[role]
		if had, has := have.Roles[role]; !has || admin && !had {
			l.add(grantRoleSQL(role, l.clone, admin), "granted role "+roleName(role))
		}
	}
	for _, role := range sortedKeys(have.Roles) {
		admin, wanted := l.original.Roles[role]
		switch {
		case !wanted:
			l.add(revokeRoleSQL("", role, l.clone), "revoked role "+roleName(role))
		case have.Roles[role] && !admin:
			l.add(revokeRoleSQL("ADMIN OPTION FOR ", role, l.clone), "revoked ADMIN OPTION FOR role "+roleName(role))
		}
	}
}

func (l *leveling) settings(have *user) {
	for _, name := range sortedKeys(l.original.Settings) {
		want := l.original.Settings[name]
		if had, has := have.Settings[name]; !has || pgwire.CanonicalSetting(name, had) != pgwire.CanonicalSetting(name, want) {
			l.add(setSQL(l.clone, name, want), settingDone("SET", name))
		}
	}
	for _, name := range sortedKeys(have.Settings) {
		if _, wanted := l.original.Settings[name]; !wanted {
			l.add(resetSQL(l.clone, name), settingDone("RESET", name))
		}
	}
}
