package secretsmanager

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Managed is what AWS, not the secret's owner, sets on a secret.
type Managed struct {
	// OwningService is the service that manages the secret, such as "rds".
	// Nobody else may then change or delete it.
	OwningService string
	// Tags are the managing service's own tags, whose keys begin with "aws:",
	// such as "aws:rds:primaryDBInstanceArn".
	Tags map[string]string
	// PrimaryRegion is the region of the primary. When it is not the
	// secret's own region, the secret is a replica and read-only.
	PrimaryRegion string
	// Replicas are the replicas of a primary.
	Replicas []Replica
}

// Replica is an entry of ReplicationStatus.
type Replica struct {
	Region        string
	KmsKeyID      string `json:"KmsKeyId,omitempty"`
	Status        string // "InSync", "Failed" or "InProgress"
	StatusMessage string `json:",omitempty"`
}

// SetManaged sets what no AWS call can. secretID is a name or an ARN.
func (s *Service) SetManaged(account, region, secretID string, m Managed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.storeAt(scope{account, region}).find(secretID)
	if err != nil {
		return fmt.Errorf("setting what manages %q: %w", secretID, err)
	}
	m.Tags, m.Replicas = maps.Clone(m.Tags), slices.Clone(m.Replicas)
	sec.managed = m
	return nil
}

func (m *Managed) tags() []tag {
	var tags []tag
	for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
		tags = append(tags, tag{key, m.Tags[key]})
	}
	return tags
}

func (m *Managed) refuseReplica(region string) *wire.Error {
	if m.PrimaryRegion == "" || m.PrimaryRegion == region {
		return nil
	}
	return errParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
}

// refuseWrite: "The secret is managed by another service, and you must use that
// service to update it" (API reference, InvalidRequestException).
func (m *Managed) refuseWrite(region string) *wire.Error {
	if err := m.refuseReplica(region); err != nil {
		return err
	}
	if m.OwningService != "" {
		return errRequest("The secret is managed by another service (%s), and you must use that service to update it.", m.OwningService)
	}
	return nil
}

// Identify returns the ARN of a secret, and that of its customer managed key or "",
// for whoever decides about a call. AWS authorises a call about a secret that is not
// there by the name that the caller gave.
func (s *Service) Identify(call wire.Call, secretID string) (arn, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	sec, err := st.find(secretID)
	switch {
	case err == nil:
		return sec.arn, sec.kmsKeyID
	case strings.HasPrefix(secretID, "arn:"):
		return secretID, ""
	}
	return st.arnPrefix() + secretID, ""
}
