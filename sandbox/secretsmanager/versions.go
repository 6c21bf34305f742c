package secretsmanager

import (
	"context"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// addVersion adds a version, making room first. It fails when a secret is full
// of versions that must be kept.
func (s *Service) addVersion(sec *secret, id string, val *value) (*version, *wire.Error) {
	if !s.prune(sec) {
		return nil, errLimit("The secret %s has the maximum number of versions (%d), and none of them can be removed.", sec.name, maxVersions)
	}
	v := &version{id: id, created: s.cfg.Now(), value: val}
	sec.versions = append(sec.versions, v)
	return v, nil
}

// prune removes the oldest versions without labels until there is room for one
// more, and reports whether there is (PutSecretValue: "Secrets Manager keeps
// 100 of the most recent versions, but it keeps all secret versions created in
// the last 24 hours"; a labelled version is never removed).
func (s *Service) prune(sec *secret) bool {
	labelled := sec.labels.byVersion()
	oldest := s.cfg.Now().Add(-s.cfg.RetainUnlabelled)
	surplus := len(sec.versions) - maxVersions + 1
	kept := sec.versions[:0:0]
	for _, v := range sec.versions {
		if surplus > 0 && len(labelled[v.id]) == 0 && !v.created.After(oldest) {
			surplus--
			continue
		}
		kept = append(kept, v)
	}
	sec.versions = kept
	return surplus <= 0
}

type listVersionsInput struct {
	secretRef
	IncludeDeprecated *bool
	MaxResults        *int64
	NextToken         *string
}

type listVersionsOutput struct {
	ARN       string
	Name      string
	Versions  []versionEntry
	NextToken string `json:",omitempty"`
}

type versionEntry struct {
	VersionID        string     `json:"VersionId"`
	VersionStages    []string   `json:",omitempty"`
	CreatedDate      *wire.Time `json:",omitempty"`
	LastAccessedDate *wire.Time `json:",omitempty"`
	KmsKeyIDs        []string   `json:"KmsKeyIds"`
}

func (s *Service) listSecretVersionIDs(_ context.Context, call wire.Call, in *listVersionsInput) (*listVersionsOutput, error) {
	id, err := in.id()
	if err := firstError(err, within("maxResults", in.MaxResults, 1, maxListResults)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A deleted secret still lists its versions: the page does not name
	// InvalidRequestException among the errors.
	sec, err := s.store(call).find(id)
	if err != nil {
		return nil, err
	}
	var entries []versionEntry
	for _, v := range sec.versions {
		stages := sec.labels.of(v.id)
		if len(stages) == 0 && !deref(in.IncludeDeprecated) {
			continue
		}
		entries = append(entries, versionEntry{
			VersionID: v.id, VersionStages: stages,
			CreatedDate: wire.NewTime(v.created), LastAccessedDate: wire.NewTime(v.accessed),
			KmsKeyIDs: []string{keyOf(sec)},
		})
	}
	page, next, err := paginate(entries, in.MaxResults, in.NextToken, maxListResults)
	if err != nil {
		return nil, err
	}
	return &listVersionsOutput{ARN: sec.arn, Name: sec.name, Versions: page, NextToken: next}, nil
}

// keyOf is the key of a version: "DefaultEncryptionKey" stands for the AWS
// managed key.
func keyOf(sec *secret) string {
	if sec.kmsKeyID == "" {
		return "DefaultEncryptionKey"
	}
	return sec.kmsKeyID
}

// day is the precision of LastAccessedDate.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
