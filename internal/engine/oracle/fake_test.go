package oracle

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// fakeDB stands for a database below the session: it keeps users and what was
// granted to them, and understands the statements that we send and no others. It
// is strict about what Oracle is strict about, as far as its manual says.
type fakeDB struct {
	t        testing.TB
	users    map[string]*fakeUser
	executed []string // statements that are no queries
	failures map[*regexp.Regexp]error
	owned    map[string]bool // users that own objects
	clear    bool            // statements are sent so that others can read them
	rds      bool            // there is rdsadmin, and nobody else grants what SYS owns
	logins   int
	who      string // whose session asks
}

// fakeConn is a session's connection: no change may wait without an end.
type fakeConn struct {
	*fakeDB
	who     string
	bounded bool
}

func (f *fakeConn) exec(ctx context.Context, sql string) error {
	if sql == lockTimeoutSQL {
		f.bounded = true
		return nil
	}
	if !f.bounded {
		f.t.Errorf("the server may wait without an end: %s", sql)
	}
	f.fakeDB.who = f.who
	return f.fakeDB.exec(ctx, sql)
}

// query answers what depends on who asks.
func (f *fakeConn) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	f.fakeDB.who = f.who
	if sql != ownRolloverSQL && sql != privilegesSQL {
		return f.fakeDB.query(ctx, sql, args...)
	}
	for pattern, err := range f.failures {
		if pattern.MatchString(sql) {
			return nil, err
		}
	}
	u := f.users[f.who]
	if sql == ownRolloverSQL {
		return [][]string{{u.now(), u.days}}, nil
	}
	var rows [][]string
	for _, g := range u.system {
		if g.privilege == "ALTER USER" || g.privilege == "CREATE USER" {
			rows = append(rows, []string{g.privilege})
		}
	}
	return rows, nil
}

type fakeUser struct {
	account
	password string
	replace  bool   // the password cannot be changed without the old one
	days     string // the profile's PASSWORD_ROLLOVER_TIME
	first    string // the password before the first change in a rollover period that has not ended
	rights
	allDefault bool // roles granted from now on are default
}

func newFake(t testing.TB) *fakeDB {
	return &fakeDB{t: t, users: map[string]*fakeUser{}, failures: map[*regexp.Regexp]error{}, owned: map[string]bool{}}
}

func (f *fakeDB) add(name, password string) *fakeUser {
	u := &fakeUser{password: password, allDefault: true}
	u.account = account{"OPEN", "USERS", "TEMP", "DEFAULT", false}
	f.users[name] = u
	return u
}

func (f *fakeDB) fail(pattern string, err error) { f.failures[regexp.MustCompile(pattern)] = err }

// session is a session of a user.
func (f *fakeDB) session(user string) *session {
	s := &session{
		db: &fakeConn{fakeDB: f, who: user}, user: identifier(user), target: newTarget(secretdoc.Document{Host: "db.example", Port: 1521, Username: user, DBName: "ORCL"}),
		password: redact.New(f.users[user].password),
	}
	s.prove = func(_ context.Context, user identifier, password redact.String) (bool, error) {
		f.logins++
		return f.users[string(user)].accepts(password.Reveal()), nil
	}
	return s
}

func (f *fakeDB) readable() bool { return f.clear }

func (f *fakeDB) close(context.Context) {}

func (f *fakeDB) query(_ context.Context, sql string, args ...string) ([][]string, error) {
	if strings.Count(sql, ":1") != len(args) {
		f.t.Errorf("%d arguments for %s", len(args), sql)
	}
	for pattern, err := range f.failures {
		if pattern.MatchString(sql) {
			return nil, err
		}
	}
	if sql == probeSQL {
		return [][]string{{"1"}}, nil
	}
	if sql == ownsSQL {
		if f.owned[args[0]] {
			return [][]string{{"3"}}, nil
		}
		return [][]string{{"0"}}, nil
	}
	u := f.users[args[0]]
	if u == nil {
		return nil, nil
	}
	var rows [][]string
	switch sql {
	case rolloverSQL:
		rows = append(rows, []string{u.now(), u.days})
	case accountSQL:
		rows = append(rows, []string{u.status, u.defaultTablespace, u.temporaryTablespace, u.profile, yesNo(u.young)})
	case dba.roles, own.roles:
		for _, g := range u.roles {
			rows = append(rows, []string{g.role, yesNo(g.admin), yesNo(g.isDefault)})
		}
	case dba.system, own.system:
		for _, g := range u.system {
			rows = append(rows, []string{g.privilege, yesNo(g.admin)})
		}
	case dba.objects, own.objects:
		for _, g := range u.objects {
			if g.column == "" {
				rows = append(rows, []string{g.owner, g.object, g.kind, g.privilege, yesNo(g.grantable), yesNo(g.hierarchy)})
			}
		}
	case dba.columns, own.columns:
		for _, g := range u.objects {
			if g.column != "" {
				rows = append(rows, []string{g.owner, g.object, g.column, g.privilege, yesNo(g.grantable)})
			}
		}
	case dba.quotas, own.quotas:
		for _, q := range u.quotas {
			rows = append(rows, []string{q.tablespace, q.bytes})
		}
	default:
		f.t.Errorf("not a query of ours: %s", sql)
	}
	return rows, nil
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// The statements that the fake knows.
var (
	reCreate  = regexp.MustCompile(`^CREATE USER "([^"]+)" IDENTIFIED BY "([^"]+)" DEFAULT TABLESPACE "([^"]+)" TEMPORARY TABLESPACE "([^"]+)" PROFILE "([^"]+)"$`)
	rePass    = regexp.MustCompile(`^ALTER USER "([^"]+)" IDENTIFIED BY "([^"]+)"(?: REPLACE "([^"]+)")?( ACCOUNT UNLOCK)?$`)
	reEnd     = regexp.MustCompile(`^ALTER USER "([^"]+)" EXPIRE PASSWORD ROLLOVER PERIOD$`)
	reAttr    = regexp.MustCompile(`^ALTER USER "([^"]+)"(?: DEFAULT TABLESPACE "([^"]+)")?(?: TEMPORARY TABLESPACE "([^"]+)")?(?: PROFILE "([^"]+)")?$`)
	reQuota   = regexp.MustCompile(`^ALTER USER "([^"]+)" QUOTA (\d+|UNLIMITED) ON "([^"]+)"$`)
	reDefault = regexp.MustCompile(`^ALTER USER "([^"]+)" DEFAULT ROLE (.+)$`)
	reRole    = regexp.MustCompile(`^(GRANT|REVOKE) "([^"]+)" (?:TO|FROM) "([^"]+)"( WITH ADMIN OPTION)?$`)
	reSystem  = regexp.MustCompile(`^(GRANT|REVOKE) ([A-Z ]+) (?:TO|FROM) "([^"]+)"( WITH ADMIN OPTION)?$`)
	reObject  = regexp.MustCompile(`^(GRANT|REVOKE) ([A-Z ]+?)(?: \("([^"]+)"\))? ON (?:(DIRECTORY|EDITION|USER) )?(?:"([^"]+)"\.)?"([^"]+)" (?:TO|FROM) "([^"]+)"( WITH HIERARCHY OPTION)?( WITH GRANT OPTION)?$`)
	reRDS     = regexp.MustCompile(`^BEGIN rdsadmin\.rdsadmin_util\.(grant|revoke)_sys_object\(p_obj_name => '([^']+)', p_(?:grantee|revokee) => '([^']+)', p_privilege => '([^']+)'(, p_grant_option => true)?\); END;$`)
)

func (f *fakeDB) exec(_ context.Context, sql string) error {
	f.executed = append(f.executed, sql)
	for pattern, err := range f.failures {
		if pattern.MatchString(sql) {
			return err
		}
	}
	user := func(name string) *fakeUser {
		if f.users[name] == nil {
			f.t.Errorf("no user %q: %s", name, sql)
			return &fakeUser{}
		}
		return f.users[name]
	}
	if m := reCreate.FindStringSubmatch(sql); m != nil {
		u := f.add(m[1], m[2])
		u.account = account{"OPEN", m[3], m[4], m[5], true}
	} else if m := rePass.FindStringSubmatch(sql); m != nil {
		u := f.users[m[1]]
		switch {
		case u == nil:
			return refusal{1918}
		case u.replace && m[3] == "":
			return refusal{28221}
		case m[1] == f.who && m[3] != "" && !u.accepts(m[3]): // of others it is not checked
			return refusal{28008}
		case len(m[2]) < 8:
			return refusal{28003}
		}
		if u.days != "" && u.days != "0" && u.first == "" {
			u.first = u.password // and it stays so until the period ends
		}
		u.password = m[2]
		if m[4] != "" {
			u.status = "OPEN"
		}
	} else if m := reEnd.FindStringSubmatch(sql); m != nil {
		if !slices.Contains(f.users[f.who].system, systemGrant{"ALTER USER", false}) {
			return refusal{1031}
		}
		user(m[1]).first = ""
	} else if m := reQuota.FindStringSubmatch(sql); m != nil {
		u := user(m[1])
		u.quotas = slices.DeleteFunc(u.quotas, func(q quota) bool { return q.tablespace == m[3] })
		switch m[2] {
		case "0":
		case "UNLIMITED":
			u.quotas = append(u.quotas, quota{m[3], unlimited})
		default:
			u.quotas = append(u.quotas, quota{m[3], m[2]})
		}
	} else if m := reDefault.FindStringSubmatch(sql); m != nil {
		u := user(m[1])
		u.allDefault = m[2] == "ALL"
		for i, g := range u.roles {
			u.roles[i].isDefault = m[2] == "ALL" || slices.Contains(strings.Split(m[2], ", "), `"`+g.role+`"`)
		}
	} else if m := reAttr.FindStringSubmatch(sql); m != nil {
		u := user(m[1])
		for i, to := range []*string{&u.defaultTablespace, &u.temporaryTablespace, &u.profile} {
			if m[i+2] != "" {
				*to = m[i+2]
			}
		}
	} else if m := reRole.FindStringSubmatch(sql); m != nil {
		u := user(m[3])
		i := slices.IndexFunc(u.roles, func(g roleGrant) bool { return g.role == m[2] })
		switch {
		case m[1] == "REVOKE" && i < 0:
			return refusal{1951}
		case m[1] == "REVOKE":
			u.roles = slices.Delete(u.roles, i, i+1)
		case i >= 0:
			u.roles[i].admin = u.roles[i].admin || m[4] != ""
		default:
			u.roles = append(u.roles, roleGrant{m[2], m[4] != "", u.allDefault})
		}
	} else if m := reObject.FindStringSubmatch(sql); m != nil {
		g := objectGrant{owner: m[5], object: m[6], kind: m[4], column: m[3], privilege: m[2], hierarchy: m[8] != "", grantable: m[9] != ""}
		if g.owner == "" {
			g.owner = "SYS"
		}
		if g.kind == "" {
			g.kind = "TABLE"
			if f.rds && g.owner == "SYS" {
				return refusal{1031}
			}
		}
		return user(m[7]).object(g, m[1] == "GRANT")
	} else if m := reRDS.FindStringSubmatch(sql); m != nil && f.rds {
		return user(m[3]).object(objectGrant{owner: "SYS", object: m[2], kind: "TABLE", privilege: m[4], grantable: m[5] != ""}, m[1] == "grant")
	} else if m != nil {
		return refusal{6550} // rdsadmin must be declared
	} else if m := reSystem.FindStringSubmatch(sql); m != nil {
		u := user(m[3])
		i := slices.IndexFunc(u.system, func(g systemGrant) bool { return g.privilege == m[2] })
		switch {
		case m[1] == "REVOKE" && i < 0:
			return refusal{1952}
		case m[1] == "REVOKE":
			u.system = slices.Delete(u.system, i, i+1)
		case i >= 0:
			u.system[i].admin = u.system[i].admin || m[4] != ""
		default:
			u.system = append(u.system, systemGrant{m[2], m[4] != ""})
		}
	} else {
		f.t.Errorf("not a statement of ours: %s", sql)
		return refusal{900}
	}
	return nil
}

// accepts reports whether a login with the password would succeed.
func (u *fakeUser) accepts(password string) bool {
	return password == u.password || u.first != "" && password == u.first
}

// now is ACCOUNT_STATUS.
func (u *fakeUser) now() string {
	if u.first != "" {
		return u.status + " & IN ROLLOVER"
	}
	return u.status
}

// object grants or revokes a privilege on an object.
func (u *fakeUser) object(g objectGrant, granting bool) error {
	if !granting {
		if g.column != "" {
			return refusal{905}
		}
		before := len(u.objects)
		u.objects = slices.DeleteFunc(u.objects, func(h objectGrant) bool { return h.group() == g.group() })
		if len(u.objects) == before {
			return refusal{1927}
		}
		return nil
	}
	for i, h := range u.objects {
		if h.plain() == g.plain() {
			u.objects[i].grantable, u.objects[i].hierarchy = h.grantable || g.grantable, h.hierarchy || g.hierarchy
			return nil
		}
	}
	u.objects = append(u.objects, g)
	return nil
}

// take returns the statements since the last take, with passwords masked.
func (f *fakeDB) take() string {
	text := strings.Join(f.executed, "\n")
	f.executed = nil
	return regexp.MustCompile(`(IDENTIFIED BY|REPLACE) "[^"]+"`).ReplaceAllString(text, `$1 "..."`)
}

func (u *fakeUser) String() string { return fmt.Sprint(u.account, u.privileges()) }
