// Package rotation holds the steps of a rotation, one file each, in the order
// in which statemachine/rotation.asl.json runs them: plan, create, set, test,
// finish, and restore for when one of them fails.
//
// A step keeps no state between calls. It reads the progress of a rotation from the
// secret's staging labels and from the database, so every step may be retried, redriven,
// or run again by another execution.
package rotation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Metadata is what DescribeSecret returns about a secret.
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
	Why    string // Secrets Manager's message if it is not
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

// Version names a version of a secret. If both are set, the version must have the label.
type Version struct{ ID, Label string }

// Describer reads a secret's metadata.
type Describer interface {
	Describe(ctx context.Context, secretID string) (Metadata, error)
}

// VersionDater returns when a version was created.
type VersionDater interface {
	CreatedAt(ctx context.Context, secretID, versionID string) (time.Time, error)
}

// VersionLister lists every existing version of a secret, including those without a label.
type VersionLister interface {
	Versions(ctx context.Context, secretID string) (ids []string, err error)
}

// SecretReader reads what the steps that connect to the database need.
type SecretReader interface {
	Describer
	ValueReader
	VersionLister
}

// ValueReader reads a version's value and id. A version that cannot be found is
// VersionNotReady: it may have just been written.
type ValueReader interface {
	Value(ctx context.Context, secretID string, v Version) (value redact.String, versionID string, err error)
}

// ReadDocument reads a version of a secret. Codes: InvalidSecret and those of awsfault.
func ReadDocument(ctx context.Context, secrets ValueReader, secretID string, v Version) (secretdoc.Document, error) {
	value, _, err := secrets.Value(ctx, secretID, v)
	if err != nil {
		return secretdoc.Document{}, err
	}
	return secretdoc.Parse(value)
}

// VersionWriter makes new versions.
type VersionWriter interface {
	// PutVersion stores value as version id and attaches label. It does nothing if the
	// version already exists, whatever its value: then an earlier attempt stored it.
	PutVersion(ctx context.Context, secretID, versionID, label string, value redact.String) error
}

// LabelMover moves a staging label as a compare-and-swap: from is the version that must
// have the label ("" for none), to the version that gets it ("" to take it off). If the
// label is elsewhere, nothing changes, and moved is false without an error.
type LabelMover interface {
	MoveLabel(ctx context.Context, secretID, label, from, to string) (moved bool, err error)
}

// Executions lists the running executions of the state machine that the given
// execution belongs to.
type Executions interface {
	Running(ctx context.Context, executionARN string) (arns []string, err error)
}

// Registry has the configured rotations.
type Registry interface {
	// Lookup returns the complete request that is configured for a secret.
	Lookup(ctx context.Context, secretARN, secretName string) (request json.RawMessage, found bool, err error)
}

// Databases finds the engine for a secret.
type Databases interface {
	For(doc secretdoc.Document) (engine.Engine, error)
}

// StepInput is the payload of the functions that run a step: the rotation
// contract of Secrets Manager (user guide, "How rotation works") and Tumbler's
// own fields.
type StepInput struct {
	Step               string    `json:"Step"`
	SecretID           string    `json:"SecretId"`
	ClientRequestToken string    `json:"ClientRequestToken"`
	Plan               Planned   `json:"plan"`
	Create             Created   `json:"create"`    // for createSecret and finishSecret
	Progress           Progress  `json:"progress"`  // for setSecret
	Set                SetResult `json:"set"`       // for testSecret and finishSecret
	Request            Request   `json:"request"`   // for finishSecret
	Context            Context   `json:"context"`   // for finishSecret
	Execution          Execution `json:"execution"` // for createSecret and finishSecret
}

// Context is the state machine's context object. It is passed as a whole, because a path to
// a missing member would fail the rotation.
type Context struct {
	RedriveCount int `json:"RedriveCount"`
}

// Execution identifies the execution.
type Execution struct {
	ARN       string    `json:"arn"`
	StartedAt time.Time `json:"startedAt"`
}
