package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Secret is what ListSecrets returns about a secret.
type Secret struct {
	ARN, Name         string
	Deleted           bool
	OwningService     string            // the AWS service that manages it, if any
	PrimaryRegion     string            // set on a secret that is or has replicas
	NativeRotationARN string            // rotation function, when native rotation is on
	Labels            map[string]string // staging label -> version id; up to five minutes old
	Tags              map[string]string
}

// Lister reads the secrets that a selection may include. It may return others too.
type Lister interface {
	List(ctx context.Context, s Selection, each func(Secret) error) error
}

// Executions reads the status of one execution; found is false when there is none.
type Executions interface {
	Status(ctx context.Context, executionARN string) (status Execution, found bool, err error)
}

// Execution is the status of an execution.
type Execution struct {
	Running, Succeeded bool
	Error              string // error name, if it failed
}

// Registry lists the secrets that Tumbler is configured to rotate.
type Registry interface {
	// Configured reads the list once and returns a predicate for any number of
	// secrets.
	Configured(ctx context.Context) (func(secretARN, secretName string) bool, error)
}

// order is the position of a secret in a fleet: 16 hexadecimal digits. It is a hash
// of the ARN, so that canaries are a cross-section and no database gets all its
// rotations at once.
func order(secretARN string) string {
	sum := sha256.Sum256([]byte(secretARN))
	return hex.EncodeToString(sum[:8])
}

var notInName = pattern.New(`[^A-Za-z0-9_-]+`)

// RotationName is the name of the execution that rotates a secret for a fleet.
// It is readable, always the same for the same fleet and secret, and fits into the
// 80 characters that Step Functions allows.
func RotationName(fleetARN string, secretARN, secretName string) string {
	fleet := sha256.Sum256([]byte(fleetARN))
	readable := notInName().ReplaceAllString(secretName, "-")
	readable = readable[:min(len(readable), 40)]
	return "fleet-" + hex.EncodeToString(fleet[:6]) + "-" + readable + "-" + order(secretARN)
}

// executionARN is the ARN of an execution of a state machine.
func executionARN(machineARN, name string) string {
	return strings.Replace(machineARN, ":stateMachine:", ":execution:", 1) + ":" + name
}

// rotatedBy reports whether the secret's current value, or the one before it,
// was written by a rotation of one of the fleets.
func (s Secret) rotatedBy(machineARN string, fleets []string) bool {
	for _, fleet := range fleets {
		id := rotation.VersionID(executionARN(machineARN, RotationName(fleet, s.ARN, s.Name)))
		if s.Labels[rotation.Current] == id || s.Labels[rotation.Previous] == id {
			return true
		}
	}
	return false
}
