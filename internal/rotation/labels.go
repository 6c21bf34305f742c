package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Secrets Manager's own staging labels.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

// Tumbler's labels are its log: after a crash, they and the database show what may have
// been done. docs/decisions/0006 has the protocol.
const (
	// GivenUp is on the version of the last rotation that failed and was undone. A login
	// has shown that its password does not work. The next success takes the label off and
	// tells people that the earlier alert is settled.
	GivenUp = "TUMBLER"

	holdPrefix = GivenUp + "-"
)

// Hold is the label under which a rotation stores its version. It means that the database
// may accept the version's password, and is taken off when a login has proven another
// password. Each version has a label of its own, so that no rotation can take one from
// another version.
func Hold(versionID string) string {
	return holdPrefix + versionID[:min(len(versionID), 12)]
}

// VersionID is the id of the version that an execution writes: the SHA-256 of its ARN in
// hex. It is the same for every retry and redrive, and identifies the execution to which a
// pending version belongs.
func VersionID(executionARN string) string {
	sum := sha256.Sum256([]byte(executionARN))
	return hex.EncodeToString(sum[:])
}

// MadeByRotation reports whether a version's id has the form of [VersionID]. The console,
// SDKs and Secrets Manager make UUIDs.
func MadeByRotation(versionID string) bool {
	return len(versionID) == 2*sha256.Size && strings.Trim(versionID, "0123456789abcdef") == ""
}

// unfinished returns the hold labels and GivenUp of other rotations.
func unfinished(labels map[string]string, own string) map[string]string {
	left := map[string]string{}
	for label, id := range labels {
		if (label == GivenUp || strings.HasPrefix(label, holdPrefix)) && id != own {
			left[label] = id
		}
	}
	return left
}

// Unfinished are Tumbler's labels on versions that never became AWSCURRENT: those of
// rotations that failed or are running.
func (m Metadata) Unfinished() map[string]string {
	left := unfinished(m.Labels, m.Labels[Current])
	maps.DeleteFunc(left, func(_, id string) bool { return id == m.Labels[Previous] })
	return left
}

// held lists the versions that rotations have left on hold, in a fixed order.
func held(labels map[string]string) (ids []string) {
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(label, holdPrefix) {
			ids = append(ids, labels[label])
		}
	}
	return ids
}

// labelMove is one call of [LabelMover].
type labelMove struct{ label, from, to string }

// settled are the labels that a success takes off: those of this execution and of earlier
// rotations.
func (p Planned) settled() []labelMove {
	moves := []labelMove{{Pending, p.VersionID, ""}, {Hold(p.VersionID), p.VersionID, ""}}
	if id := p.leftPending(); id != "" && p.Unfinished[Hold(id)] == "" { // CreateSecret may have attached it
		moves = append(moves, labelMove{Hold(id), id, ""})
	}
	for _, label := range slices.Sorted(maps.Keys(p.Unfinished)) {
		moves = append(moves, labelMove{label, p.Unfinished[label], ""})
	}
	return moves
}
