package secretsmanager

import (
	"maps"
	"slices"
)

// The staging labels that Secrets Manager itself gives a meaning (user guide:
// "What's in a Secrets Manager secret?", Version).
const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

// labels says on which version each label is. That a label is on one version
// only is so by construction.
type labels map[string]string

// attach puts a label on a version, taking it off the one that had it. Whenever
// AWSCURRENT moves, AWSPREVIOUS moves to the version it left
// (UpdateSecretVersionStage).
func (l labels) attach(label, versionID string) {
	left, had := l[label]
	l[label] = versionID
	if label == current && had && left != versionID {
		l[previous] = left
	}
}

// of lists a version's labels in alphabetical order, as AWS does.
func (l labels) of(versionID string) []string {
	var list []string
	for _, label := range slices.Sorted(maps.Keys(l)) {
		if l[label] == versionID {
			list = append(list, label)
		}
	}
	return list
}

// byVersion is the VersionIdsToStages of a secret: labelled versions only.
func (l labels) byVersion() map[string][]string {
	m := map[string][]string{}
	for _, label := range slices.Sorted(maps.Keys(l)) {
		m[l[label]] = append(m[l[label]], label)
	}
	return m
}

// rotating reports whether AWSPENDING is on another version than AWSCURRENT:
// then a rotation is under way, or its remains are (RotateSecret).
func (l labels) rotating() bool {
	p, ok := l[pending]
	return ok && p != l[current]
}
