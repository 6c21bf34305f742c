// Package rotation holds the steps of a rotation, one file each, in the order
// in which statemachine/rotation.asl.json runs them: plan, create, set, test,
// finish, and restore for when one of them fails.
//
// A step keeps nothing between calls. How far a rotation has come is read from
// the secret's staging labels and from the database, so every step may be
// retried, redriven, or run again by another execution.
package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Staging labels. The first three are Secrets Manager's own.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"

	// Own holds on to a version before it is AWSPENDING, because a version
	// without a label may be deleted. A label is on one version only, so it
	// never piles up.
	Own = "TUMBLER"
)

// Metadata is what DescribeSecret tells about a secret.
type Metadata struct {
	ARN               string
	Name              string
	Deleted           bool
	OwningService     string            // the AWS service that manages it, if any
	PrimaryRegion     string            // set on a secret that is or has replicas
	NativeRotationARN string            // rotation function, when native rotation is on
	Labels            map[string]string // staging label -> version id
	Tags              map[string]string
	Replicas          []Replica // in other Regions, of a primary
}

// Replica is a copy of a secret in another Region.
type Replica struct {
	Region string
	InSync bool
	Why    string // Secrets Manager's words when it is not
}

// behind lists the replicas that are not in sync.
func (m Metadata) behind() (replicas []Replica) {
	for _, r := range m.Replicas {
		if !r.InSync {
			replicas = append(replicas, r)
		}
	}
	return replicas
}

// Version names a version of a secret. If both are set the version must carry
// the label.
type Version struct{ ID, Label string }

// Describer reads a secret's metadata.
type Describer interface {
	Describe(ctx context.Context, secretID string) (Metadata, error)
}

// VersionDater tells when a version was made.
type VersionDater interface {
	CreatedAt(ctx context.Context, secretID, versionID string) (time.Time, error)
}

// ValueReader reads a version's value and tells which version it is. A version
// that cannot be found is VersionNotReady: it may have just been written.
type ValueReader interface {
	Value(ctx context.Context, secretID string, v Version) (value redact.String, versionID string, err error)
}

// VersionWriter makes new versions.
type VersionWriter interface {
	RandomPassword(ctx context.Context, policy PasswordPolicy) (redact.String, error)

	// PutVersion stores value as version id and attaches label. It does nothing
	// when the version already exists, whatever its value: an earlier attempt
	// made it.
	PutVersion(ctx context.Context, secretID, versionID, label string, value redact.String) error
}

// LabelMover moves a staging label as a compare-and-swap: from names the
// version that must hold the label ("" for none), to the version that gets it
// ("" to take it off). moved is false, without an error, when the label is
// elsewhere; then nothing has changed.
type LabelMover interface {
	MoveLabel(ctx context.Context, secretID, label, from, to string) (moved bool, err error)
}

// Executions lists the running executions of the state machine that the given
// execution belongs to.
type Executions interface {
	Running(ctx context.Context, executionARN string) (arns []string, err error)
}

// Registry knows the configured rotations.
type Registry interface {
	// Lookup returns the complete request that is configured for a secret.
	Lookup(ctx context.Context, secretARN, secretName string) (request json.RawMessage, found bool, err error)
}

// Databases finds the engine for a secret.
type Databases interface {
	For(doc secretdoc.Document) (engine.Engine, error)
}

// VersionID is the version that an execution writes: the SHA-256 of its ARN in
// hex. It is the same for every retry and redrive, and it tells who owns a
// version that is found pending.
func VersionID(executionARN string) string {
	sum := sha256.Sum256([]byte(executionARN))
	return hex.EncodeToString(sum[:])
}

// Planned is Plan's result and every later step's instructions. It travels
// through the execution's state, so it holds no secret.
type Planned struct {
	Decision          Decision         `json:"decision"`
	SecretARN         string           `json:"secretArn,omitempty"`
	SecretName        string           `json:"secretName,omitempty"`
	Strategy          Strategy         `json:"strategy,omitempty"`
	VersionID         string           `json:"versionId,omitempty"`         // what this execution writes
	CurrentVersionID  string           `json:"currentVersionId,omitempty"`  // held AWSCURRENT when planned
	PendingVersionID  string           `json:"pendingVersionId,omitempty"`  // held AWSPENDING when planned
	PreviousVersionID string           `json:"previousVersionId,omitempty"` // held AWSPREVIOUS when planned
	LastVersionID     string           `json:"lastVersionId,omitempty"`     // held TUMBLER when planned: what an earlier run wrote
	Replicated        bool             `json:"replicated,omitempty"`        // has replicas in other Regions
	Heals             bool             `json:"heals,omitempty"`             // a rotation before this one left something undone
	SuperuserSecretID string           `json:"superuserSecretId,omitempty"` // default: masterarn in the secret
	RecoverPassword   bool             `json:"recoverPassword,omitempty"`
	RotationFunction  string           `json:"rotationFunction,omitempty"` // runs the set and test steps
	Password          *PasswordOptions `json:"password,omitempty"`
	Window            *Window          `json:"window,omitempty"`     // nil: rotate at any time
	NextWindow        *Window          `json:"nextWindow,omitempty"` // the first one after now; nil without a schedule
	Schedule          *Schedule        `json:"schedule,omitempty"`   // to name the next window when NextWindow is over, too
	Ending            *Ending          `json:"ending,omitempty"`     // set when the decision is Reject
}

// Decision is what Plan decided.
type Decision string

// The decisions that statemachine/rotation.asl.json tells apart.
const (
	Rotate Decision = "rotate"
	Wait   Decision = "wait"
	Reject Decision = "reject"
)

// StepInput is the payload of the functions that run a step: the rotation
// contract of Secrets Manager (user guide, "How rotation works") and Tumbler's
// own fields.
type StepInput struct {
	Step               string    `json:"Step"`
	SecretID           string    `json:"SecretId"`
	ClientRequestToken string    `json:"ClientRequestToken"`
	Plan               Planned   `json:"plan"`
	Set                SetResult `json:"set"`       // for testSecret and finishSecret
	Request            Request   `json:"request"`   // for finishSecret
	Execution          Execution `json:"execution"` // for finishSecret
}

// Execution identifies the run.
type Execution struct {
	ARN       string    `json:"arn"`
	StartedAt time.Time `json:"startedAt"`
}
