package rotation

import (
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Planned is Plan's result and the input of every later step. It is part of the
// execution's state, so it holds no secret value.
type Planned struct {
	Decision          Decision          `json:"decision"`
	SecretARN         string            `json:"secretArn,omitempty"`
	SecretName        string            `json:"secretName,omitempty"`
	Headline          string            `json:"headline,omitempty"`     // subject and ...
	GiveUp            string            `json:"giveUp,omitempty"`       // ... text of the alert that the state machine sends itself when Restore fails
	Applications      string            `json:"applications,omitempty"` // ... and what it says of them
	Strategy          Strategy          `json:"strategy,omitempty"`
	VersionID         string            `json:"versionId,omitempty"`         // what this execution writes
	CurrentVersionID  string            `json:"currentVersionId,omitempty"`  // held AWSCURRENT when planned
	PendingVersionID  string            `json:"pendingVersionId,omitempty"`  // held AWSPENDING when planned
	PreviousVersionID string            `json:"previousVersionId,omitempty"` // held AWSPREVIOUS when planned
	Unfinished        map[string]string `json:"unfinished,omitempty"`        // Tumbler's labels of earlier rotations when planned: label -> version id
	Replicated        bool              `json:"replicated,omitempty"`        // has replicas in other Regions
	SuperuserSecretID string            `json:"superuserSecretId,omitempty"` // default: masterarn in the secret
	Username          string            `json:"username,omitempty"`          // whom the secret has to be for, as configured
	RecoverPassword   bool              `json:"recoverPassword,omitempty"`
	KeepPrevious      bool              `json:"keepPrevious,omitempty"`
	SeparateOwnership bool              `json:"separateOwnership,omitempty"`
	RotationFunction  string            `json:"rotationFunction,omitempty"` // runs the set and test steps
	Password          *PasswordOptions  `json:"password,omitempty"`
	AlsoUpdate        []string          `json:"alsoUpdate,omitempty"` // further keys that hold user and password
	Window            *Window           `json:"window,omitempty"`     // nil: rotate at any time
	NextWindow        *Window           `json:"nextWindow,omitempty"` // the first one after now; nil without a schedule
	Schedule          *Schedule         `json:"schedule,omitempty"`   // to name the next window when NextWindow is over, too
}

// Decision is what Plan decided.
type Decision string

// The decisions on which statemachine/rotation.asl.json branches. Refusals are errors.
const (
	Rotate Decision = "rotate"
	Wait   Decision = "wait"
)

// planFor makes a plan from the complete request and the secret's metadata. Nothing else
// makes one.
func planFor(request Request, secret Metadata, versionID string) Planned {
	return Planned{
		Decision:          Rotate,
		SecretARN:         secret.ARN,
		SecretName:        secret.Name,
		Headline:          subject(headlines[NeedsAttention], secret.Name),
		Applications:      atRisk,
		Strategy:          request.Strategy,
		VersionID:         versionID,
		CurrentVersionID:  secret.Labels[Current],
		PendingVersionID:  secret.Labels[Pending],
		PreviousVersionID: secret.Labels[Previous],
		Unfinished:        unfinished(secret.Labels, versionID),
		Replicated:        len(secret.Replicas) > 0,
		SuperuserSecretID: request.SuperuserSecretID,
		Username:          request.Username,
		RecoverPassword:   request.RecoverPassword,
		KeepPrevious:      request.KeepPrevious,
		SeparateOwnership: request.SeparateOwnership,
		RotationFunction:  request.RotationFunction,
		Password:          request.Password,
		AlsoUpdate:        request.AlsoUpdate,
		Schedule:          request.Schedule,
	}
}

// made clears the texts that the state machine puts in place of a plan before there is one.
func (p Planned) made() Planned {
	if p.Decision == "" {
		return Planned{}
	}
	return p
}

// leftPending is the version of an earlier rotation that has AWSPENDING, or "". AWS leaves
// AWSPENDING on AWSCURRENT after some rotations, which has no meaning.
func (p Planned) leftPending() string {
	if p.PendingVersionID == p.VersionID || p.PendingVersionID == p.CurrentVersionID {
		return ""
	}
	return p.PendingVersionID
}

// leftovers are the versions of earlier rotations whose password the database may have,
// found by Tumbler's labels or AWSPENDING. The one with AWSPENDING comes last: the last
// rotation has tried it, so this order tries each of several in turn.
func (p Planned) leftovers() (ids []string) {
	pending := p.leftPending()
	onHold := slices.DeleteFunc(held(p.Unfinished), func(id string) bool { return id == pending })
	for _, id := range append(onHold, pending) {
		if id != "" && id != p.CurrentVersionID && id != p.PreviousVersionID && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// labelled are the versions that still have labels of other rotations, including those
// that have become AWSCURRENT: such a rotation may still be running.
func (p Planned) labelled() []string {
	ids := held(p.Unfinished)
	if p.PendingVersionID != "" && p.PendingVersionID != p.VersionID {
		ids = append(ids, p.PendingVersionID)
	}
	return ids
}

// settles reports whether a success settles what an earlier rotation left. A label that is
// still on AWSCURRENT or AWSPREVIOUS belongs to a rotation that succeeded.
func (p Planned) settles() bool {
	for _, id := range p.Unfinished {
		if id != p.CurrentVersionID && id != p.PreviousVersionID {
			return true
		}
	}
	return p.leftPending() != ""
}

// Progress tells Restore whether the database may have been changed. The state machine
// writes it before that can happen, when Ready has succeeded.
type Progress struct {
	Database string `json:"database"`

	// Superuser is SuperuserNeeded once the superuser may have reset a password. A step
	// returns that error before the reset, which has the state machine record it: an
	// attempt that dies after the reset leaves no other trace, and people must be told.
	Superuser Failure `json:"superuser,omitzero"`
}

// reset reports whether the superuser may have reset a password.
func (p Progress) reset() bool { return p.Superuser.Error == string(fault.SuperuserNeeded) }

// The values of Progress.Database. Any value other than NotEntered, including "", means
// that the database may have been changed.
const (
	NotEntered = "not entered"
	MayHave    = "may have changed"
)
