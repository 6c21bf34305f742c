package engine

import "context"

// Inspector is implemented by sessions that can tell beforehand whether a
// rotation would be refused. Those that cannot are not asked: what nobody has
// looked at must not pass for checked.
type Inspector interface {
	// CanRotate returns the error that SetPassword or EnsureClone would end with,
	// as far as the server's catalog tells, and otherwise what they would change.
	// It only reads: not even a statement that would be rolled back is run.
	//
	// Codes: those of [Session].SetPassword and [Session].EnsureClone.
	// PrivilegeMissing names all that is missing, so that it takes one correction.
	CanRotate(ctx context.Context, r InspectRequest) (Inspection, error)
}

// InspectRequest is what the session would be asked to do.
type InspectRequest struct {
	// SetPassword is the user whose password would be changed, which may be the
	// session's own. Empty: nobody's.
	SetPassword string

	// OwnSession and KeepPrevious are those of the [PasswordChange]. Optional.
	OwnSession   Session
	KeepPrevious bool

	// Clone is what EnsureClone would be called with; its password goes nowhere.
	// Nil: it would not be called.
	Clone *CloneRequest
}

// Inspection tells what would change.
type Inspection struct {
	Changes []string // as in [CloneResult]
	Notes   []string // what the catalog does not tell, for people
}
