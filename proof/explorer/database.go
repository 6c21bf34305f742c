package explorer

import (
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// server is a database server with its accounts.
type server struct {
	address  string // host:port
	accounts []account
	late     []late // in the order in which they were sent
	caches   bool   // accepts an old password until the new one is used once
	marks    bool   // has a place for the mark of a clone
}

type account struct {
	name, password string
	superuser      bool
	disabled       bool   // may not log in, whatever the password
	cached         string // an old password that is accepted until the new one is used
	mark           string // the secret whose clone it is
	level          bool   // a clone: has the rights of the original
}

// late is a statement whose connection was cut while it waited for a lock. It may
// be carried out until it expires.
type late struct {
	by, user, password string
	expires            time.Time
}

const cloneSuffix = "_clone"

func (s server) clone() server {
	s.accounts, s.late = slices.Clone(s.accounts), slices.Clone(s.late)
	return s
}

func (s *server) account(name string) *account {
	for i := range s.accounts {
		if s.accounts[i].name == name {
			return &s.accounts[i]
		}
	}
	return nil
}

func (s *server) create(a account) {
	s.accounts = append(s.accounts, a)
	slices.SortFunc(s.accounts, func(a, b account) int { return strings.Compare(a.name, b.name) })
}

// accepts reports whether a login would succeed. It changes nothing.
func (s *server) accepts(user, password string) bool {
	a := s.account(user)
	return a != nil && !a.disabled && (a.password == password || a.cached != "" && a.cached == password)
}

// logIn is a login.
func (s *server) logIn(user, password string) fault.Code {
	a := s.account(user)
	switch {
	case a != nil && a.disabled:
		return fault.AccountDisabled
	case !s.accepts(user, password):
		return fault.LoginRefused
	}
	if a.password == password {
		a.cached = ""
	}
	return ""
}

// set changes a password.
func (s *server) set(user, password string) {
	a := s.account(user)
	if a == nil {
		return
	}
	if s.caches && a.password != password {
		a.cached = a.password
	}
	if a.cached == password {
		a.cached = ""
	}
	a.password = password
}

// behind is the late statement that waits for a lock on the account, or -1.
func (s *server) behind(user string) int {
	return slices.IndexFunc(s.late, func(l late) bool { return l.user == user })
}

// expire drops the statements that are too late.
func (s *server) expire(now time.Time) {
	s.late = slices.DeleteFunc(s.late, func(l late) bool { return !now.Before(l.expires) })
}

func (s *server) hash(d digest) digest {
	d = d.add(s.address)
	for _, a := range s.accounts {
		d = d.add(a.name, a.password, a.cached, a.mark).flag(a.disabled, a.level)
	}
	for _, l := range s.late {
		d = d.add("late", l.by, l.user, l.password).number(uint64(l.expires.UnixNano()))
	}
	return d
}
