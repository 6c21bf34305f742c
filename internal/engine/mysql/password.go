package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var _ engine.PasswordChanger = (*session)(nil)

// Namesakes implements [engine.PasswordChanger]: an account is a name and a host.
func (s *session) Namesakes() bool { return true }

// SetPassword implements [engine.Session]. Another user's password is changed in
// all accounts of that name.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	_, err := s.ChangePassword(ctx, engine.PasswordChange{User: user, Password: password})
	return err
}

// ChangePassword implements [engine.PasswordChanger].
func (s *session) ChangePassword(ctx context.Context, c engine.PasswordChange) (accounts int, err error) {
	op := fmt.Sprintf("setting the password of user %q on %s", c.User, s.target.Address())
	if c.Password.IsEmpty() {
		return 0, fault.New(fault.PasswordRejected, op+": the new password is empty", "Store a version with a password")
	}
	srv := s.server
	err = s.inTurn(ctx, c.User, func() error {
		w, err := s.way(ctx, srv, op, c)
		if err != nil {
			return err
		}
		accounts = len(w.accounts)
		if w.own {
			return s.setOwn(ctx, srv, op, w, c)
		}
		return s.setAll(ctx, srv, op, w.accounts, w.statements)
	})
	return accounts, err
}

// way is the plan of a password change.
type way struct {
	accounts   []stored // whose password is
	others     []stored // of the same name, and somebody else's
	own        bool     // by the session's user itself, without a privilege
	plugin     string   // of its account, where it matters
	statements []string // otherwise

	// unseen: the session may not read mysql.user.
	unseen bool
}

// way plans a password change. Its errors are returned before anything has been changed.
func (s *session) way(ctx context.Context, srv *server, op string, c engine.PasswordChange) (way, error) {
	if c.KeepPrevious && !srv.keepsTwo() {
		return way{}, fault.New(fault.InvalidRequest, fmt.Sprintf("%s: %s keeps one password for an account, and keepPrevious wants two", op, srv),
			"Leave keepPrevious out, or use MySQL 8.0.14 or later; alternating users have no gap on any version")
	}
	if c.User == s.target.User {
		return s.ownWay(ctx, srv, op, c)
	}
	list, err := s.knownAccounts(ctx, srv, c.User)
	if err != nil {
		return way{}, err
	}
	if len(list) == 0 {
		return way{}, fault.New(fault.DatabaseError, op+": there is no such user", "Correct the user name in the secret")
	}
	w := way{accounts: list}
	if own, ok := c.OwnSession.(*session); ok {
		self := func(a stored) bool { return a.account == own.server.self }
		if i := slices.IndexFunc(list, self); i < 0 || !settable(srv, list[i]) {
			return way{}, nil // another server's, or no password that hashes are known of
		}
		known := append(slices.Clone(c.Known), own.password, c.Password)
		w.accounts, w.others = split(list, func(a stored) bool { return self(a) || a.accepts(known...) })
	}
	w.statements, err = s.passwordStatements(ctx, srv, w.accounts, c.Password, c.KeepPrevious)
	return w, err
}

// ownWay plans the change for the session's own user. If the session may read and change
// other accounts, all accounts with its password are changed; otherwise, which is the usual
// case, only its own.
func (s *session) ownWay(ctx context.Context, srv *server, op string, c engine.PasswordChange) (way, error) {
	if srv.self.user != c.User {
		return way{}, wrongAccount(op, srv)
	}
	list, err := s.accounts(ctx, srv, c.User)
	if err != nil && !fault.Is(err, fault.PrivilegeMissing) {
		return way{}, err
	}
	self := func(a stored) bool { return a.account == srv.self }
	w := way{own: true, accounts: []stored{{account: srv.self}}, unseen: err != nil}
	if len(list) > 0 {
		w.accounts, w.others = split(list, func(a stored) bool { return self(a) || a.accepts(s.password, c.Password) })
	}
	if len(w.accounts) > 1 {
		w.own = false
		w.statements, err = s.passwordStatements(ctx, srv, w.accounts, c.Password, c.KeepPrevious)
		return w, err
	}
	if srv.ownByAlter() {
		return w, s.mayBeRead()
	}
	if w.plugin = nativePassword; srv.showsCreateUser() {
		d, err := s.describe(ctx, srv, nil)
		if err != nil {
			return way{}, err
		}
		if w.plugin, err = srv.onlyPlugin(d.options.factors); err != nil {
			return way{}, err
		}
	}
	if _, known := hashFor(w.plugin, c.Password, ""); !known {
		return way{}, srv.unknownPlugin(srv.self, w.plugin)
	}
	return w, nil
}

func wrongAccount(op string, srv *server) error {
	return fault.New(fault.DatabaseError, fmt.Sprintf("%s: the server logged us in as %s instead", op, srv.self),
		"An anonymous account comes before the user's for this host: drop it, or create the user's account for this host")
}

// setOwn changes the password of the session's account, which needs no privilege.
func (s *session) setOwn(ctx context.Context, srv *server, op string, w way, c engine.PasswordChange) error {
	if srv.ownByAlter() {
		return s.setOwnByAlter(ctx, srv, op, c)
	}
	hash, _ := hashFor(w.plugin, c.Password, "") // as ownWay has made sure
	err := s.exec(ctx, ownHashSQL(hash))
	if srv.mariadb && s.plaintext && err != nil && fault.Is(s.changed(err, op), fault.PasswordRejected) {
		if err := s.mayBeRead(); err != nil {
			return err
		}
		_ = s.exec(ctx, quietSQL) // as far as the session may
		err = s.exec(ctx, ownPlainOldSQL(c.Password.Reveal()))
	}
	return s.changed(err, op)
}

func (s *session) setOwnByAlter(ctx context.Context, srv *server, op string, c engine.PasswordChange) error {
	if c.KeepPrevious {
		return s.changed(s.retainOwn(ctx, c.Password), op)
	}
	err := s.setPlain(ctx, srv, c.Password, s.password)
	if err != nil || !srv.keepsTwo() {
		return s.changed(err, op)
	}
	// Most users may not discard a second password, nor see whether there is one: preflight
	// reports it.
	if err = s.exec(ctx, ownDiscardSQL); number(err) == errNotAllowed {
		return nil
	}
	return half(s.changed(err, op+", and discarding the second one"))
}

// setPlain sets the session's own password. It leaves a second password unchanged.
func (s *session) setPlain(ctx context.Context, srv *server, password, present redact.String) error {
	err := s.exec(ctx, ownPlainSQL(password.Reveal(), "", false))
	if number(err) == errMissingCurrentPassword && srv.replaces() {
		err = s.exec(ctx, ownPlainSQL(password.Reveal(), present.Reveal(), false))
	}
	return err
}

// retainOwn keeps the password that logged in as the second password. After an attempt
// whose answer was lost it already is the second one: then REPLACE is refused, and
// retaining the first one would lose it.
func (s *session) retainOwn(ctx context.Context, password redact.String) error {
	err := s.exec(ctx, ownPlainSQL(password.Reveal(), s.password.Reveal(), !password.Equal(s.password)))
	if number(err) == errWrongCurrentPassword {
		return s.setPlain(ctx, s.server, password, password)
	}
	return err
}

// half returns the error for when a statement has succeeded and a further one failed.
func half(err error) error {
	if err == nil || fault.Is(err, fault.OutcomeUnknown) {
		return err
	}
	f := fault.From(err)
	return fault.Wrap(err, fault.OutcomeUnknown, f.Op, f.Hint)
}

// mayBeRead returns an error if a password in a statement could be read on its way.
func (s *session) mayBeRead() error {
	if !s.readable {
		return nil
	}
	return s.target.ReadableFault(errReadable, "the new password")
}

// onlyPlugin returns the plugin that SET PASSWORD changes. If there are two, the
// other one would still accept the old password.
func (srv *server) onlyPlugin(factors []factor) (string, error) {
	passwords := slices.DeleteFunc(slices.Clone(factors), func(f factor) bool { return f.plugin == "unix_socket" || f.plugin == "gssapi" })
	switch len(passwords) {
	case 0:
		return "", srv.unknownPlugin(srv.self, "unix_socket")
	case 1:
		return passwords[0].plugin, nil
	}
	return "", fault.New(fault.DatabaseError, fmt.Sprintf("account %s has %d passwords, of which it may change only the first by itself", srv.self, len(passwords)),
		"Give the account one way to log in (ALTER USER ... IDENTIFIED VIA), or name a superuser's secret")
}

// setAll changes the password of accounts, as a privileged user.
func (s *session) setAll(ctx context.Context, srv *server, op string, list []stored, statements []string) error {
	for i, statement := range statements {
		err := s.changed(s.exec(ctx, statement), op)
		if err != nil && i > 0 {
			return half(err)
		}
		if fault.Is(err, fault.PrivilegeMissing) && len(list) > 1 && list[0].user == srv.self.user {
			return fault.Wrap(err, fault.PrivilegeMissing, fmt.Sprintf("%s: it has %d accounts with this password, and may not change all of them", op, len(list)),
				"Name a superuser's secret (superuserSecret, and recoverPassword), or drop the accounts that nobody uses: SELECT User, Host FROM mysql.user")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// passwordStatements returns the statements that set the password of accounts. Without
// keep, second passwords are discarded last. With keep, the present password becomes the
// second one.
func (s *session) passwordStatements(ctx context.Context, srv *server, list []stored, password redact.String, keep bool) ([]string, error) {
	var plain, retaining []login
	var two []account
	for _, a := range list {
		var d description
		if srv.mariadb {
			var err error
			if d, err = s.knownDescription(ctx, srv, a.account); err != nil {
				return nil, err
			}
		}
		factors, err := factorsFor(srv, a, d.options, password)
		if err != nil {
			return nil, err
		}
		l := login{a.account, factors}
		if keep && !matches(a.plugin, a.hash, password) {
			retaining = append(retaining, l)
			continue
		}
		plain = append(plain, l)
		if !keep && a.second != "" {
			two = append(two, a.account)
		}
	}
	var statements []string
	if len(retaining) > 0 {
		statements = append(statements, srv.retainSQL(retaining...))
	}
	if len(plain) > 0 {
		statements = append(statements, srv.passwordSQL(plain...)...)
	}
	if len(two) > 0 {
		statements = append(statements, discardSQL(two...))
	}
	return statements, nil
}

// changed classifies the result of a statement that changes a password.
func (s *session) changed(err error, op string) error {
	if err == nil {
		return nil
	}
	return s.fault(err, op, changing)
}

// Privileges implements [engine.Session]. A user with several accounts has a
// list for each, every line beginning with the host; other users' lists need
// SELECT on the schema mysql.
func (s *session) Privileges(ctx context.Context, user string) ([]string, error) {
	srv, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if user == s.target.User {
		d, err := s.describe(ctx, srv, nil)
		if err != nil {
			return nil, err
		}
		return listing([]string{srv.self.host}, []description{d}), nil
	}
	list, err := s.accounts(ctx, srv, user)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.DatabaseError, fmt.Sprintf("there is no user %q on %s", user, s.target.Address()), "Correct the user name in the secret")
	}
	var hosts []string
	var all []description
	for _, a := range list {
		d, err := s.describe(ctx, srv, &a.account)
		if err != nil {
			return nil, err
		}
		hosts, all = append(hosts, a.host), append(all, d)
	}
	return listing(hosts, all), nil
}

// listing joins the lists of a user's accounts. It includes the hosts, since they are
// part of what an account may do.
func listing(hosts []string, all []description) []string {
	var lines []string
	for i, d := range all {
		at := "AT " + hosts[i]
		lines = append(lines, at)
		for _, line := range d.list() {
			if len(all) > 1 {
				line = strings.Join([]string{at, line}, ": ")
			}
			lines = append(lines, line)
		}
	}
	return lines
}
