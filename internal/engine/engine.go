// Package engine is the seam between the rotation steps and the databases.
//
// Each database has a package of its own below this one; package all lists
// them. Every error an Engine or a Session returns is a *[fault.Error] whose
// code tells network, login, privilege and certificate apart, and whose text
// never quotes a statement or a password.
package engine

import (
	"context"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// ConnectTimeout bounds name resolution, TCP, TLS and login together, as in
// AWS's own rotation functions.
const ConnectTimeout = 5 * time.Second

// How long a statement may take effect after its client has gone.
//
// A server continues a statement whose client has gone. So every statement that changes an
// account is sent with a timeout that the server itself enforces, even if the connection
// is cut and the client is dead: it may wait for locks for
// [LockTimeout]. [LateBound] later than the last moment at which a statement can
// have been sent, it has taken effect or never will.
//
// Until then a login proves nothing for good, not even after another change: of two
// statements that wait for the same lock the later one may be carried out first (on
// PostgreSQL where the lock is on all roles; seen once in some hundred runs), and
// one that was held up on its way may be behind one that was not.
const (
	LockTimeout = 5 * time.Second
	LateBound   = 2 * LockTimeout
)

// Engine logs in to one kind of database.
type Engine interface {
	// Connect logs in with the document's credentials, once. TLS follows the
	// document's ssl key: true requires a verified connection, false uses none,
	// absent tries TLS first and continues without it only when the server itself says
	// that it has none (never after a certificate error). On such a connection no password
	// is sent, now or later, that others could read: then the error is TLSUnavailable.
	//
	// Codes: InvalidSecret (a name that is invalid for the engine),
	// DatabaseUnreachable, DatabaseUnavailable, CertificateRejected,
	// TLSUnavailable, LoginRefused, AccountDisabled, PasswordExpired,
	// PrivilegeMissing (the user may not connect to the database), DatabaseError.
	Connect(ctx context.Context, doc secretdoc.Document) (Session, error)

	// Reach resolves the server's name and opens a connection without logging in, and
	// prepares what a later Connect in this process needs. It checks neither TLS nor
	// credentials.
	//
	// Codes: DatabaseUnreachable, DatabaseUnavailable.
	Reach(ctx context.Context, doc secretdoc.Document) error
}

// Session is one logged-in connection. It is not safe for concurrent use.
type Session interface {
	// Probe runs a harmless query.
	Probe(ctx context.Context) error

	// SetPassword changes user's password, which may be the session's own user.
	// When it returns nil every new login has to use the new password; when it
	// returns OutcomeUnknown the change may or may not have been made.
	//
	// Another's password is left alone when that account may not log in whatever
	// its password: AccountDisabled, where the engine can tell.
	//
	// Codes: InvalidSecret, TLSUnavailable, PrivilegeMissing, PasswordRejected,
	// AccountDisabled, DatabaseReadOnly, DatabaseUnavailable, OutcomeUnknown,
	// DatabaseError.
	SetPassword(ctx context.Context, user string, password redact.String) error

	// EnsureClone creates the clone of an account and makes its privileges equal to the
	// original's: it grants those that the clone lacks and revokes all others. The
	// session's user is a superuser. The call may be repeated, and completes one that was
	// interrupted.
	//
	// The clone is only touched when it is provably the secret's own: r.Proven,
	// r.Known, or a mark that an earlier call left on it. Otherwise it is AccountNotOurs, and
	// nothing has changed. A membership is no proof: docs/decisions/0020.
	//
	// Codes: InvalidSecret, TLSUnavailable, AccountNotOurs, AccountDisabled (the
	// original may not log in), PrivilegeMissing, PrivilegesDiffer (the statements
	// were accepted, and the rights are not equal), PasswordRejected,
	// DatabaseReadOnly, DatabaseUnavailable, OutcomeUnknown, DatabaseError.
	EnsureClone(ctx context.Context, r CloneRequest) (CloneResult, error)

	// Privileges lists an account's privileges, for comparing it with its clone: in a
	// canonical order and form that does not contain the account's own name, so that equal
	// lists mean equal privileges. An account may always list its own. Nothing in it is
	// secret.
	Privileges(ctx context.Context, user string) ([]string, error)

	// Close ends the connection, waiting at most a moment for the server.
	Close()
}

// Encrypted is implemented by sessions that know whether they are encrypted.
type Encrypted interface {
	// Encrypted reports whether the session has TLS with a verified certificate.
	Encrypted() bool
}

// CloneRequest names an account and its clone on the session's server.
type CloneRequest struct {
	Original string        // Required; it has to exist.
	Clone    string        // Required.
	Password redact.String // the clone's new password; empty: leave it, the clone exists
	Mark     string        // the secret's ARN, left on the clone where the engine can. Required.
	Proven   bool          // a version of this secret has logged in as the clone: the pair is the secret's

	// Known proves the pair without a login where the session is a [HashProver].
	// Optional: then a pair without a mark is AccountNotOurs until Proven.
	Known Known

	// Database is the one that the user works in. A session in another one enters
	// it only where rights are kept by database: it is the tenant's, and so may be
	// whatever is found there. Optional: by default the session's.
	Database string
}

// Known says which passwords versions of this secret have for one user of a pair: the
// one that the rotation changes, and nobody else's proof would do.
type Known struct {
	User      string
	Passwords []redact.String
}

// HashProver is implemented by sessions that can tell from what the server stores whether
// a password is an account's.
type HashProver interface {
	// ProvesByHash reports whether EnsureClone uses [CloneRequest].Known on this
	// server: it has no place for a mark.
	ProvesByHash() bool
}

// CloneResult is what EnsureClone did.
type CloneResult struct {
	Created bool

	// Changes lists the privileges granted and revoked, for people: it contains no
	// password and no hash. Empty if the clone was already equal.
	Changes []string

	// Notes say, for people, what the call could not compare.
	Notes []string

	// Privileges is what [Session.Privileges] lists for both accounts now.
	Privileges []string

	// Accounts is what it lists for a session of each of the accounts that the
	// clone consists of, where those are several (MySQL has one for each host).
	Accounts [][]string
}
