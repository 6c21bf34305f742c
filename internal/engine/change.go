package engine

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// PasswordChanger is implemented by sessions of servers on which one name may be
// several accounts (MySQL), or an account may have two passwords (MySQL, Oracle).
type PasswordChanger interface {
	// Namesakes reports whether one name may be several accounts, of which a session of
	// the user sees and changes one.
	Namesakes() bool

	// ChangePassword is [Session].SetPassword with more options. It returns how many
	// accounts it has changed: none if c.OwnSession is given and its account's password
	// cannot be set by another user. Codes: those of SetPassword.
	ChangePassword(ctx context.Context, c PasswordChange) (accounts int, err error)
}

// PasswordChange says which password to change, and whether the old one stays valid.
type PasswordChange struct {
	User     string        // Required.
	Password redact.String // Required.

	// OwnSession is a session of the user, given to the superuser: only the account that it
	// has logged in to is changed, and the accounts of the name that accept the
	// same password, or one of Known. Others of that name are somebody else's.
	// Optional: by default all accounts of the name are.
	OwnSession Session
	Known      []redact.String

	// KeepPrevious has the server accept the password that is replaced until the next
	// change. Otherwise the server accepts the new one only, also when the account
	// has kept a second one before, as far as the session may see to that.
	// InvalidRequest where the server keeps only one.
	KeepPrevious bool
}

// Separating is implemented by engines whose clones by default act as their originals, but
// can own what they create; and by wrappers of engines.
type Separating interface {
	// Separate returns the engine whose clones own what they create; false if there is none.
	Separate() (Engine, bool)
}

// Separate returns the engine whose clones own what they create, if e is [Separating].
func Separate(e Engine) (Engine, bool) {
	if separating, ok := e.(Separating); ok {
		return separating.Separate()
	}
	return e, false
}
