package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// SetPassword implements [engine.Session]. Another user's password is changed in
// all accounts of that name.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	op := fmt.Sprintf("setting the password of user %q on %s", user, s.target.Address())
	if password.IsEmpty() {
		return fault.New(fault.PasswordRejected, op+": the new password is empty", "Store a version with a password")
	}
	srv, err := s.know(ctx)
	if err != nil {
		return err
	}
	if user == s.target.User && srv.self.user != user {
		return wrongAccount(op, srv)
	}
	return s.inTurn(ctx, user, func() error {
		if user == s.target.User {
			return s.setOwn(ctx, srv, op, password)
		}
		return s.setOther(ctx, srv, op, user, password)
	})
}

func wrongAccount(op string, srv *server) error {
	return fault.New(fault.DatabaseError, fmt.Sprintf("%s: the server logged us in as %s instead", op, srv.self),
		"An anonymous account comes before the user's for this host: drop it, or create the user's account for this host")
}

// setOwn changes the password of the session's account, for which it needs no
// privilege.
func (s *session) setOwn(ctx context.Context, srv *server, op string, password redact.String) error {
	if srv.ownByAlter() {
		if err := s.mayBeRead(); err != nil {
			return err
		}
		err := s.exec(ctx, ownPlainSQL(password.Reveal(), ""))
		if number(err) == errMissingCurrentPassword && srv.replaces() {
			err = s.exec(ctx, ownPlainSQL(password.Reveal(), s.password.Reveal()))
		}
		return s.changed(err, op)
	}
	plugin := nativePassword
	if srv.showsCreateUser() {
		d, err := s.describe(ctx, srv, nil)
		if err != nil {
			return err
		}
		if plugin, err = onlyPlugin(srv.self, d.options.factors); err != nil {
			return err
		}
	}
	hash, known := hashFor(plugin, password, "")
	if !known {
		return unknownPlugin(srv.self, plugin)
	}
	err := s.exec(ctx, ownHashSQL(hash))
	if srv.mariadb && s.plaintext && err != nil && fault.Is(s.changed(err, op), fault.PasswordRejected) {
		if err := s.mayBeRead(); err != nil {
			return err
		}
		_ = s.exec(ctx, quietSQL) // as far as the session may
		err = s.exec(ctx, ownPlainOldSQL(password.Reveal()))
	}
	return s.changed(err, op)
}

// mayBeRead refuses to send a password in a statement that others can read.
func (s *session) mayBeRead() error {
	if !s.readable {
		return nil
	}
	return s.target.ReadableFault(errReadable, "the new password")
}

// onlyPlugin returns the plugin that SET PASSWORD changes. With two of them the
// other would go on accepting the old password.
func onlyPlugin(a account, factors []factor) (string, error) {
	passwords := slices.DeleteFunc(slices.Clone(factors), func(f factor) bool { return f.plugin == "unix_socket" || f.plugin == "gssapi" })
	switch len(passwords) {
	case 0:
		return "", unknownPlugin(a, "unix_socket")
	case 1:
		return passwords[0].plugin, nil
	}
	return "", fault.New(fault.DatabaseError, fmt.Sprintf("account %s has %d passwords, of which it may change only the first by itself", a, len(passwords)),
		"Give the account one way to log in (ALTER USER ... IDENTIFIED VIA), or name a superuser's secret")
}

// setOther changes the password of all accounts of a user, as a superuser.
func (s *session) setOther(ctx context.Context, srv *server, op, user string, password redact.String) error {
	list, err := s.accounts(ctx, srv, user)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.DatabaseError, op+": there is no such user", "Correct the user name in the secret")
	}
	statements, err := s.passwordStatements(ctx, srv, list, password)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := s.changed(s.exec(ctx, statement), op); err != nil {
			return err
		}
	}
	return nil
}

// passwordStatements returns what sets the password of accounts. Whatever it
// refuses it refuses before anything has been changed.
func (s *session) passwordStatements(ctx context.Context, srv *server, list []stored, password redact.String) ([]string, error) {
	var logins []login
	for _, a := range list {
		var d description
		if srv.mariadb {
			var err error
			if d, err = s.describe(ctx, srv, &a.account); err != nil {
				return nil, err
			}
		}
		factors, err := factorsFor(srv, a, d.options, password)
		if err != nil {
			return nil, err
		}
		logins = append(logins, login{a.account, factors})
	}
	return srv.passwordSQL(logins...), nil
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
	srv, err := s.know(ctx)
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

// listing joins the lists of a user's accounts. The hosts belong to it: an
// account that may log in from elsewhere has other rights.
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
