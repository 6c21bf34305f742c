package secretsmanager

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// details is what DescribeSecret and ListSecrets have in common. Members
// without a value are left out.
type details struct {
	ARN               string
	Name              string
	Description       string         `json:",omitempty"`
	KmsKeyID          string         `json:"KmsKeyId,omitempty"`
	RotationEnabled   *bool          `json:",omitempty"`
	RotationLambdaARN string         `json:",omitempty"`
	RotationRules     *RotationRules `json:",omitempty"`
	LastRotatedDate   *wire.Time     `json:",omitempty"`
	LastChangedDate   *wire.Time     `json:",omitempty"`
	LastAccessedDate  *wire.Time     `json:",omitempty"`
	DeletedDate       *wire.Time     `json:",omitempty"`
	NextRotationDate  *wire.Time     `json:",omitempty"`
	// Tags is empty, not absent, once a secret has been tagged and untagged.
	Tags          *[]tag     `json:",omitempty"`
	OwningService string     `json:",omitempty"`
	CreatedDate   *wire.Time `json:",omitempty"`
	PrimaryRegion string     `json:",omitempty"`
}

type describeOutput struct {
	details
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
	ReplicationStatus  []Replica           `json:",omitempty"`
}

func (sec *secret) details() details {
	d := details{
		ARN: sec.arn, Name: sec.name, Description: sec.description, KmsKeyID: sec.kmsKeyID,
		LastChangedDate: wire.NewTime(sec.changed), LastAccessedDate: wire.NewTime(sec.accessed),
		DeletedDate: wire.NewTime(sec.deletion), CreatedDate: wire.NewTime(sec.created),
		OwningService: sec.managed.OwningService, PrimaryRegion: sec.managed.PrimaryRegion,
	}
	if tags := sec.allTags(); tags != nil {
		d.Tags = &tags
	}
	if sec.rotation.configured {
		r := sec.rotation
		d.RotationEnabled, d.RotationLambdaARN, d.RotationRules = &r.enabled, r.lambdaARN, r.rules
		d.LastRotatedDate = wire.NewTime(r.last)
		if r.enabled {
			d.NextRotationDate = wire.NewTime(r.next)
		}
	}
	return d
}

func (s *Service) describeSecret(_ context.Context, call wire.Call, in *secretRef) (*describeOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.store(call).find(id)
	if err != nil {
		return nil, err
	}
	return &describeOutput{
		details:            sec.details(),
		VersionIDsToStages: sec.labels.byVersion(),
		ReplicationStatus:  sec.managed.Replicas,
	}, nil
}
