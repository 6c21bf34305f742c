package engine

import "context"

// Inspector is implemented by sessions that can find out beforehand whether a rotation would
// be refused. For others the check is reported as skipped, not as passed.
type Inspector interface {
	// CanRotate returns the error that SetPassword or EnsureClone would return, as far as
	// the server's catalog shows, and otherwise what they would change. It only reads, and
	// runs no statements that would have to be rolled back.
	//
	// Codes: those of [Session].SetPassword and [Session].EnsureClone. PrivilegeMissing
	// names all missing privileges, so that one correction is enough.
	CanRotate(ctx context.Context, r InspectRequest) (Inspection, error)
}

// InspectRequest describes the changes of a rotation.
type InspectRequest struct {
	// SetPassword is the user whose password would be changed, which may be the
	// session's own; "" if none.
	SetPassword string

	// OwnSession and KeepPrevious are those of the [PasswordChange]. Optional.
	OwnSession   Session
	KeepPrevious bool

	// Clone is the argument of EnsureClone; its password is not set. Nil if EnsureClone
	// would not be called.
	Clone *CloneRequest
}

// Inspection is what would change.
type Inspection struct {
	Changes []string // as in [CloneResult]
	Notes   []string // what the catalog does not show, for people
}
