package sqlserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// cloneSID is the security identifier of a secret's clone. A login cannot store a note,
// but its identifier can be chosen on creation and not changed afterwards. This
// identifier shows that Tumbler created the login for this secret.
func cloneSID(mark, clone string) []byte {
	sum := sha256.Sum256([]byte("tumbler clone\x00" + mark + "\x00" + clone))
	return sum[:16] // a SID has the 16 bytes of a GUID; source: "CREATE LOGIN"
}

// EnsureClone creates a clone or brings it level; see the package comment. It refuses
// what cannot be done before the first change. A new login is created with its password.
// The password of an existing login is changed last, so that applications using the old
// password lose it only once the clone has all its rights.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	if err := fitPassword(r.Clone, r.Password); err != nil {
		return engine.CloneResult{}, err
	}
	original, err := s.find(ctx, r.Original)
	if err != nil {
		return engine.CloneResult{}, err
	}
	if original == nil {
		return engine.CloneResult{}, s.noSuchAccount(r.Original)
	}
	c := &cloning{session: s, request: r}
	err = c.run(ctx, original)
	return c.result, err
}

func (c *cloning) run(ctx context.Context, original *account) error {
	if original.database != "" {
		return c.contained(ctx, original.database)
	}
	return c.login(ctx)
}

// cloning is one call of EnsureClone.
type cloning struct {
	*session
	request engine.CloneRequest
	result  engine.CloneResult

	dry bool // records what it would change, without changing it
}

// place is a database in which the original or its clone has a user.
type place struct {
	database        string
	original, clone *user
}

func (c *cloning) login(ctx context.Context) error {
	original, err := c.session.login(ctx, c.request.Original)
	if err != nil {
		return err
	}
	if original == nil || !original.password {
		return fault.New(fault.DatabaseError, fmt.Sprintf("%q is not a login with a password", c.request.Original),
			"Only such logins, and users of contained databases, can alternate")
	}
	clone, err := c.session.login(ctx, c.request.Clone)
	if err != nil {
		return err
	}
	sid := cloneSID(c.request.Mark, c.request.Clone)
	if clone != nil {
		if !clone.password || !c.request.Proven && !bytes.Equal(clone.sid, sid) {
			return c.notOurs("a login")
		}
		sid = clone.sid
	}
	if err := c.mayLogin(ctx, original, clone); err != nil {
		return err
	}
	places, err := c.places(ctx, original.sid, sid)
	if err != nil {
		return err
	}
	if c.result.Notes, err = c.closed(ctx); err != nil {
		return err
	}
	if err := c.use(ctx, tsql.Master); err != nil { // away from the last tenant's database
		return err
	}
	fresh := clone == nil
	if clone, err = c.ensureLogin(ctx, original, clone, sid); err != nil {
		return err
	}
	err = c.level(ctx, leveling{server: true, original: c.request.Original, clone: c.request.Clone}, "", func(ctx context.Context) (rights, rights, error) {
		have, lack, err := c.rights(ctx, tsql.ServerRights(), original.id, clone.id)
		return have, lack.withInitial(clone.id, right{class: classServer, permission: "CONNECT SQL"}), err
	})
	if err != nil {
		return err
	}
	c.result.Privileges = append(c.result.Privileges, clone.describe()...)
	for _, p := range places {
		if err := c.levelPlace(ctx, p, original.sid, sid); err != nil {
			return err
		}
	}
	slices.Sort(c.result.Privileges)
	if fresh || c.dry || c.request.Password.IsEmpty() {
		return nil
	}
	return c.setPassword(ctx, account{name: c.request.Clone}, c.request.Password, noPassword)
}

// mayLogin returns PrivilegeMissing unless the session may change or create the clone's
// login as needed and sees the server roles that the clone is to have.
func (c *cloning) mayLogin(ctx context.Context, original, clone *login) error {
	var err error
	switch {
	case clone == nil:
		err = c.mayCreateLogin(c.request.Clone)
	case !c.request.Password.IsEmpty() || clone.settings != original.settings || clone.disabled && !original.disabled:
		err = c.mayAlterLogin(ctx, c.request.Clone)
	}
	if err != nil {
		return err
	}
	return c.seesServer(ctx)
}

// places finds all users of the two logins. It refuses a user that has the clone's name
// but belongs to another login.
func (c *cloning) places(ctx context.Context, original, clone []byte) ([]place, error) {
	databases, err := c.databases(ctx)
	if err != nil {
		return nil, err
	}
	var places []place
	for _, d := range databases {
		if err := c.use(ctx, d.name); err != nil {
			return nil, err
		}
		p, err := c.place(ctx, d.name, original, clone)
		if err != nil {
			return nil, err
		}
		if p.original == nil && p.clone == nil {
			continue
		}
		if err := c.mayLevel(ctx, p); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, nil
}

// place finds the users in the current database.
func (c *cloning) place(ctx context.Context, database string, original, clone []byte) (place, error) {
	p := place{database: database}
	users, err := c.users(ctx, original, clone, c.request.Clone, c.request.Clone)
	if err != nil {
		return p, err
	}
	stranger := false
	for _, u := range users {
		switch {
		case bytes.Equal(u.sid, original):
			p.original = u
		case bytes.Equal(u.sid, clone):
			p.clone = u
		default:
			stranger = true
		}
	}
	switch {
	case stranger && p.original != nil && p.clone == nil:
		return p, c.notOurs(fmt.Sprintf("a user of database %q", database))
	case p.clone != nil && p.clone.isOwner():
		return p, fault.New(fault.DatabaseError, fmt.Sprintf("the clone %q owns database %q", c.request.Clone, database),
			"Give the database back with ALTER AUTHORIZATION ON DATABASE::... TO the original or an administrator")
	}
	return p, nil
}

// ensureLogin creates the login or brings its settings level.
func (c *cloning) ensureLogin(ctx context.Context, original, clone *login, sid []byte) (*login, error) {
	name := c.request.Clone
	if clone == nil {
		if c.request.Password.IsEmpty() {
			return nil, fault.New(fault.DatabaseError, fmt.Sprintf("there is no login %q", name), "Rotate the secret once: that makes it")
		}
		err := c.commit(ctx, fmt.Sprintf("creating login %q", name),
			tsql.CreateLogin(name, c.request.Password, sid, original.settings).Reveal())
		if err != nil {
			return nil, err
		}
		c.result.Created = true
		c.changed("", tsql.LoginCreated(name))
	} else {
		var changes []string
		if clone.settings != original.settings {
			changes = append(changes, tsql.AlterLogin(name, original.settings))
		}
		if clone.disabled && !original.disabled {
			changes = append(changes, tsql.EnableLogin(name))
		}
		if err := c.change(ctx, "", changes); err != nil || len(changes) == 0 {
			return clone, err
		}
	}
	if c.dry {
		return &login{id: planned, sid: sid, settings: original.settings}, nil
	}
	clone, err := c.session.login(ctx, name)
	if err == nil && clone == nil {
		err = c.noSuchAccount(name)
	}
	return clone, err
}

// levelPlace brings the clone's user in one database level.
func (c *cloning) levelPlace(ctx context.Context, p place, originalSID, cloneSID []byte) error {
	if err := c.use(ctx, p.database); err != nil {
		return err
	}
	if err := c.triggers(ctx, p.database); err != nil {
		return err
	}
	name := c.request.Clone
	switch {
	case p.original == nil:
		return c.change(ctx, p.database, []string{tsql.DropUser(p.clone.name)})
	case p.clone == nil:
		if err := c.change(ctx, p.database, []string{tsql.CreateUser(name, name, p.original.schema)}); err != nil {
			return err
		}
		if c.dry {
			p.clone = &user{id: planned, name: name}
			break
		}
		again, err := c.place(ctx, p.database, originalSID, cloneSID)
		if err != nil {
			return err
		}
		if p = again; p.original == nil || p.clone == nil {
			return c.noSuchAccount(name)
		}
	case p.clone.schema != p.original.schema:
		if err := c.change(ctx, p.database, []string{tsql.AlterUserSchema(p.clone.name, p.original.schema)}); err != nil {
			return err
		}
	}
	return c.levelUsers(ctx, p)
}

// levelUsers brings memberships and permissions level.
func (c *cloning) levelUsers(ctx context.Context, p place) error {
	l := leveling{original: p.original.name, clone: p.clone.name}
	return c.level(ctx, l, p.database, func(ctx context.Context) (rights, rights, error) {
		original, clone, err := c.rights(ctx, tsql.DatabaseRights(), p.original.id, p.clone.id)
		if p.original.isOwner() {
			original = original.ofOwner()
		}
		return original, clone.withInitial(p.clone.id, right{class: classDatabase, permission: "CONNECT"}), err
	}, "default schema "+tsql.Name(p.original.schema))
}

// level compares, makes changes, and compares again, to notice a statement that the
// server accepted without effect.
func (c *cloning) level(ctx context.Context, l leveling, database string, read func(context.Context) (rights, rights, error), about ...string) error {
	original, clone, err := read(ctx)
	if err != nil {
		return err
	}
	steps, missing := l.steps(original, clone)
	if len(missing) > 0 {
		return fault.New(fault.DatabaseError,
			fmt.Sprintf("%sthe original and its clone differ in permissions of class %s, which Tumbler does not copy",
				prefix(database), strings.Join(slices.Compact(missing), ", ")),
			"Grant or revoke them by hand, for both alike; a role that has them and both as its members is the best way")
	}
	if len(steps) > 0 {
		texts := make([]string, 0, len(steps))
		for _, step := range steps {
			texts = append(texts, step.text)
		}
		if err := c.change(ctx, database, texts); err != nil || c.dry {
			return err
		}
		if original, clone, err = read(ctx); err != nil {
			return err
		}
		if steps, _ = l.steps(original, clone); len(steps) > 0 {
			return fault.New(fault.DatabaseError,
				fmt.Sprintf("%sthe clone's rights still differ from the original's after %q", prefix(database), steps[0].text),
				"Somebody else has granted it: let him revoke it, or grant it to both")
		}
	}
	c.result.Privileges = append(c.result.Privileges, describe(database, clone, about)...)
	return nil
}

// change sends statements that contain no secret, and records them.
func (c *cloning) change(ctx context.Context, database string, statements []string) error {
	for _, text := range statements {
		if err := c.commit(ctx, fmt.Sprintf("bringing the clone's rights level (%s%s)", prefix(database), text), text); err != nil {
			return err
		}
		c.changed(database, text)
	}
	return nil
}

// planned stands for the ID of an account that a dry run would create.
const planned = -1

// withInitial adds the right that the server grants to every new account, if the account
// is only planned.
func (rs rights) withInitial(id int64, r right) rights {
	if id == planned {
		r.state = tsql.Grant
		rs.add(r)
	}
	return rs
}

// commit sends a statement that changes something, except in a dry run.
func (c *cloning) commit(ctx context.Context, op, text string) error {
	if c.dry {
		return nil
	}
	return c.exec(ctx, op, text)
}

func (c *cloning) changed(database, what string) {
	c.result.Changes = append(c.result.Changes, prefix(database)+what)
}

func (c *cloning) notOurs(what string) error {
	return fault.New(fault.AccountNotOurs,
		fmt.Sprintf("there is %s named %q, and nothing says that it is this secret's", what, c.request.Clone),
		"Drop or rename it if nobody needs it, or rename the secret's user: its clone needs that name. Nothing was changed")
}

func prefix(database string) string {
	if database == "" {
		return ""
	}
	return tsql.Name(database) + ": "
}
