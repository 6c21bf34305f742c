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

// Engine logs in to one kind of database.
type Engine interface {
	// Connect logs in with the document's credentials, once. TLS follows the
	// document's ssl key: true requires a verified connection, false uses none,
	// absent tries TLS first and goes on without it only when the server itself
	// says that it has none (never after a certificate error).
	//
	// Codes: DatabaseUnreachable, DatabaseUnavailable, CertificateRejected,
	// TLSUnavailable, LoginRefused, DatabaseError.
	Connect(ctx context.Context, doc secretdoc.Document) (Session, error)
}

// Session is one logged-in connection. It is not safe for concurrent use.
type Session interface {
	// Probe runs a harmless query.
	Probe(ctx context.Context) error

	// SetPassword changes user's password, which may be the session's own user.
	// When it returns nil every new login has to use the new password; when it
	// returns OutcomeUnknown the change may or may not have been made.
	//
	// Codes: PrivilegeMissing, PasswordRejected, DatabaseReadOnly,
	// OutcomeUnknown, DatabaseError.
	SetPassword(ctx context.Context, user string, password redact.String) error

	// Close ends the connection, waiting at most a moment for the server.
	Close()
}
