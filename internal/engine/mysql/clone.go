package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// EnsureClone implements [engine.Session]. An existing clone gets its rights first and its
// password last, so that the new password is accepted only when the rights are equal. A
// missing clone is created with its password and without rights.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	c := &cloning{session: s, request: r}
	if err := s.inTurn(ctx, r.Clone, func() error { return c.run(ctx) }); err != nil {
		return engine.CloneResult{}, err
	}
	s.original = &original{user: r.Original, accounts: c.originals, descriptions: c.wanted}
	return c.result, nil
}

// original is a pair's original as EnsureClone has read it, for a ChangePassword that
// follows in the same session.
type original struct {
	user         string
	accounts     []stored
	descriptions map[string]description // by host
}

// known returns what EnsureClone has read about a user, or nil. Where accounts may have a
// second password it is read again, since one may have been set since.
func (s *session) known(user string) *original {
	if s.original != nil && s.original.user == user && !s.server.keepsTwo() {
		return s.original
	}
	return nil
}

func (s *session) knownAccounts(ctx context.Context, srv *server, user string) ([]stored, error) {
	if o := s.known(user); o != nil {
		return o.accounts, nil
	}
	return s.accounts(ctx, srv, user)
}

func (s *session) knownDescription(ctx context.Context, srv *server, a account) (description, error) {
	if o := s.known(a.user); o != nil {
		return o.descriptions[a.host], nil
	}
	return s.describe(ctx, srv, &a)
}

func (c *cloning) run(ctx context.Context) error {
	if err := c.find(ctx); err != nil {
		return err
	}
	if err := c.prove(); err != nil {
		return err // the caller may come again with a proof, and what is below is long
	}
	if err := c.look(ctx); err != nil {
		return err
	}
	if err := c.identify(); err != nil {
		return err
	}
	for _, original := range c.originals {
		if err := c.levelOne(ctx, original); err != nil {
			return err
		}
	}
	return c.dropOthers(ctx)
}

// cloning is one call of EnsureClone.
type cloning struct {
	*session
	request   engine.CloneRequest
	srv       *server
	originals []stored
	clones    []stored
	// rights and options of the originals and of the clones, by host
	wanted, have map[string]description
	// byHash: request.Known proves that the pair is the secret's
	byHash bool
	// how the clone logs in with its new password, by host
	factors map[string][]factor
	result  engine.CloneResult

	// dry: record what would be changed, and change nothing.
	dry bool
	// lacking collects the rights that the clone lacks.
	lacking rights
	// gone are the originals' rights on columns that no longer exist.
	gone rights
}

// find reads the accounts of both users.
func (c *cloning) find(ctx context.Context) error {
	srv, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	c.srv = srv
	both, err := c.accounts(ctx, c.srv, c.request.Original, c.request.Clone)
	if err != nil {
		return err
	}
	var others []stored // the server ignores spaces at the end of a name
	c.originals, others = split(both, func(a stored) bool { return a.user == c.request.Original })
	c.clones, _ = split(others, func(a stored) bool { return a.user == c.request.Clone })
	if len(c.originals) == 0 {
		return fault.New(fault.DatabaseError, fmt.Sprintf("there is no user %q on %s to clone", c.request.Original, c.target.Address()),
			"Correct the user name in the secret: the original is the name without _clone")
	}
	return nil
}

// look reads the rights and options of both users before anything is changed: a right that
// Tumbler does not understand must end the call first.
func (c *cloning) look(ctx context.Context) error {
	c.wanted = map[string]description{}
	var hosts []string
	var all []description
	for _, o := range c.originals {
		d, err := c.describe(ctx, c.srv, &o.account)
		if err != nil {
			return err
		}
		c.wanted[o.host] = d
		c.gone = append(c.gone, d.gone...)
		hosts, all = append(hosts, o.host), append(all, d)
	}
	c.result.Privileges = listing(hosts, all)
	if len(all) > 1 {
		for i, d := range all {
			c.result.Accounts = append(c.result.Accounts, listing(hosts[i:i+1], []description{d}))
		}
	}
	c.have = map[string]description{}
	for _, clone := range c.clones {
		if _, wanted := c.wanted[clone.host]; !wanted {
			continue // it is dropped
		}
		d, err := c.describe(ctx, c.srv, &clone.account)
		if err != nil {
			return err
		}
		c.have[clone.host] = d
	}
	return c.mayLogIn()
}

// prove returns AccountNotOurs if the clone may belong to somebody else: see the package
// comment.
func (c *cloning) prove() error {
	if c.request.Proven || c.knownByHash() {
		return nil
	}
	for _, a := range c.clones {
		if c.request.Mark != "" && a.mark == c.request.Mark {
			continue
		}
		if a.mark == "" && matches(a.plugin, a.hash, c.request.Password) {
			continue
		}
		return fault.New(fault.AccountNotOurs, fmt.Sprintf("account %s exists on %s, and nothing shows that it belongs to this secret", a.account, c.target.Address()),
			"If it is a leftover, drop it. If somebody uses it, give the secret's user another name: its clone is the user's name with _clone")
	}
	return nil
}

// knownByHash reports whether every account of the user that request.Known is about has
// one of its passwords.
func (c *cloning) knownByHash() bool {
	known := c.request.Known
	if c.srv.marks() || len(known.Passwords) == 0 {
		return false
	}
	list := c.clones
	if known.User == c.request.Original {
		list = c.originals
	} else if known.User != c.request.Clone {
		return false
	}
	has := func(a stored) bool { return a.accepts(known.Passwords...) }
	c.byHash = len(list) > 0 && !slices.ContainsFunc(list, func(a stored) bool { return !has(a) })
	return c.byHash
}

// mayLogIn returns AccountDisabled for locked accounts when the proof was a hash. A login
// would have shown it.
func (c *cloning) mayLogIn() error {
	if !c.byHash {
		return nil
	}
	all := c.have
	if c.request.Known.User == c.request.Original {
		all = c.wanted
	}
	for _, host := range slices.Sorted(maps.Keys(all)) {
		if all[host].options.locked {
			return fault.New(fault.AccountDisabled, fmt.Sprintf("account %s on %s is locked (ACCOUNT LOCK)", account{c.request.Known.User, host}, c.target.Address()), hintLocked)
		}
	}
	return nil
}

func (c *cloning) changed(format string, args ...any) {
	c.result.Changes = append(c.result.Changes, fmt.Sprintf(format, args...))
}

// levelOne creates one account of the clone, or makes its rights equal to the original's.
func (c *cloning) levelOne(ctx context.Context, original stored) error {
	want := c.wanted[original.host]
	a := account{c.request.Clone, original.host}
	i := slices.IndexFunc(c.clones, func(s stored) bool { return s.account == a })
	exists := i >= 0
	have := c.have[a.host]
	if exists {
		if c.srv.marks() && c.clones[i].mark != c.request.Mark {
			if err := c.do(ctx, step{sql: markSQL(a, c.request.Mark)}, a); err != nil {
				return err
			}
		}
	} else {
		if err := c.do(ctx, step{sql: c.srv.createSQL(a, c.factors[a.host], c.request.Mark), change: "created"}, a); err != nil {
			return err
		}
		c.result.Created = true
	}
	if err := c.levelRights(ctx, a, want, have); err != nil {
		return err
	}
	if exists && !c.request.Password.IsEmpty() {
		return c.setPassword(ctx, c.clones[i])
	}
	return nil
}

// setPassword sets the password of an existing account and discards its second one.
func (c *cloning) setPassword(ctx context.Context, a stored) error {
	err := c.do(ctx, step{sql: c.srv.passwordSQL(login{a.account, c.factors[a.host]})[0]}, a.account)
	if err != nil || a.second == "" {
		return err
	}
	return half(c.do(ctx, step{sql: discardSQL(a.account), change: "discarded its second password"}, a.account))
}

// identify decides how each account of the clone authenticates: like its original. It
// returns an error before anything has been changed if that is impossible.
func (c *cloning) identify() error {
	c.factors = map[string][]factor{}
	for _, original := range c.originals {
		exists := slices.ContainsFunc(c.clones, func(s stored) bool { return s.host == original.host })
		if exists && c.request.Password.IsEmpty() {
			continue
		}
		factors, err := c.factorsOf(original, c.wanted[original.host].options)
		if err != nil {
			return err
		}
		c.factors[original.host] = factors
	}
	return nil
}

func (c *cloning) factorsOf(original stored, o accountOptions) ([]factor, error) {
	if c.request.Password.IsEmpty() {
		return nil, fault.New(fault.DatabaseError, fmt.Sprintf("the clone %q does not exist for every host of %q", c.request.Clone, c.request.Original),
			"Rotate the secret once more: a rotation that gives the clone a password creates it")
	}
	return factorsFor(c.srv, original, o, c.request.Password)
}

// levelRights changes the clone until nothing differs. It takes a second round on servers
// on which a statement affects rights that another one has set.
func (c *cloning) levelRights(ctx context.Context, a account, want, have description) error {
	c.lacking = append(c.lacking, want.rights.without(have.rights)...)
	const rounds = 3
	for range rounds {
		steps := c.srv.level(a, want.rights, have.rights)
		if !slices.Equal(want.options.list(), have.options.list()) {
			if strings.HasPrefix(have.options.expire, "INTERVAL") && !strings.HasPrefix(want.options.expire, "INTERVAL") {
				steps = append(steps, step{sql: neverExpiresSQL(a)})
			}
			steps = append(steps, step{sql: c.srv.optionsSQL(a, want.options), change: "set " + optionsText(want.options)})
		}
		if len(steps) == 0 {
			return nil
		}
		for _, step := range steps {
			if err := c.do(ctx, step, a); err != nil {
				return err
			}
		}
		if c.dry {
			return nil // there is nothing new to be read
		}
		var err error
		if have, err = c.describe(ctx, c.srv, &a); err != nil {
			return err
		}
	}
	if slices.Equal(want.list(), have.list()) {
		return nil
	}
	return fault.New(fault.DatabaseError, fmt.Sprintf("clone %s does not get level with its original on %s: %s", a, c.target.Address(), difference(want.list(), have.list())),
		"Compare SHOW GRANTS of both accounts")
}

func optionsText(o accountOptions) string {
	if list := o.list(); len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return "account options to their defaults"
}

// difference describes the first difference of two lists.
func difference(want, have []string) string {
	for _, line := range want {
		if !slices.Contains(have, line) {
			return "it lacks " + line
		}
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			return "it keeps " + line
		}
	}
	return "the order differs"
}

// dropOthers drops the clone's accounts for hosts for which the original has none.
func (c *cloning) dropOthers(ctx context.Context) error {
	for _, a := range c.clones {
		if _, wanted := c.wanted[a.host]; wanted {
			continue
		}
		if err := c.do(ctx, step{sql: dropSQL(a.account), change: "dropped"}, a.account); err != nil {
			return err
		}
	}
	return nil
}

// do runs a step and notes what it changed.
func (c *cloning) do(ctx context.Context, s step, a account) error {
	if c.dry {
		if s.change != "" {
			c.changed("%s: %s", a, s.change)
		}
		return nil
	}
	err := c.exec(ctx, s.sql)
	if number(err) == errNoSuchTable && s.retry != nil {
		for _, sql := range s.retry {
			if err = c.exec(ctx, sql); err != nil {
				break
			}
		}
	}
	if strings.HasPrefix(s.sql, "REVOKE ") && noSuchGrant(number(err)) {
		return nil // it went with another one: MySQL 8 takes "all global privileges" as "all"
	}
	if strings.HasPrefix(s.sql, "CREATE USER ") && number(err) == 1396 {
		return fault.Wrap(err, fault.DatabaseUnavailable, fmt.Sprintf("somebody else made account %s on %s at this moment", a, c.target.Address()),
			"Usually an earlier attempt that was thought lost: the next one finds the account")
	}
	if err != nil {
		op := fmt.Sprintf("bringing clone %s level on %s", a, c.target.Address())
		if s.change != "" {
			op += ", which was to be " + s.change
		}
		return c.fault(err, op, changing)
	}
	if s.change != "" {
		c.changed("%s: %s", a, s.change)
	}
	return nil
}
