package secretsmanager

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type createInput struct {
	Name *string
	secretData
	Description        *string
	KmsKeyID           *string `json:"KmsKeyId"`
	ClientRequestToken *string
	Tags               []tag
	AddReplicaRegions  []struct{ Region *string }
}

// Resource names the secret for the endpoint's hooks.
func (in *createInput) Resource() string { return deref(in.Name) }

// secretOutput is the answer of the operations that return a secret's
// identity.
type secretOutput struct {
	ARN           string
	Name          string
	VersionID     string   `json:"VersionId,omitempty"`
	VersionStages []string `json:",omitempty"`
}

func (s *Service) createSecret(_ context.Context, call wire.Call, in *createInput) (*secretOutput, error) {
	val, err := in.value()
	if err := firstError(
		checkName(in.Name),
		err,
		length("description", in.Description, 0, maxDescription, optional),
		length("kmsKeyId", in.KmsKeyID, 0, maxSecretID, optional),
		checkTags(in.Tags),
	); err != nil {
		return nil, err
	}
	if val != nil || in.ClientRequestToken != nil {
		if err := checkToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
			return nil, err
		}
	}
	if len(in.AddReplicaRegions) > 0 {
		return nil, errParameter("The sandbox does not replicate secrets.")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	if existing, ok := st.secrets[*in.Name]; ok {
		return createAgain(existing, deref(in.ClientRequestToken), val)
	}
	now := s.cfg.Now()
	sec := &secret{
		arn: st.newARN(*in.Name), name: *in.Name,
		description: deref(in.Description), kmsKeyID: deref(in.KmsKeyID),
		tags: in.Tags, created: now, changed: now, labels: labels{},
	}
	st.secrets[sec.name] = sec
	out := &secretOutput{ARN: sec.arn, Name: sec.name}
	if val != nil {
		out.VersionID = *in.ClientRequestToken
		sec.versions = []*version{{id: out.VersionID, created: now, value: val}}
		sec.labels.attach(current, out.VersionID)
	}
	return out, nil
}

// createAgain is CreateSecret for a name in use. A repetition of the call that
// made the secret succeeds (CreateSecret, ClientRequestToken).
func createAgain(sec *secret, token string, val *value) (*secretOutput, error) {
	if !sec.deletion.IsZero() {
		return nil, errRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	v := sec.version(token)
	switch {
	case v == nil || val == nil:
		return nil, wire.Errorf("ResourceExistsException", "The operation failed because the secret %s already exists.", sec.name)
	case v.value == nil || !v.value.equal(val):
		return nil, errTokenInUse(token, sec.arn)
	}
	return &secretOutput{ARN: sec.arn, Name: sec.name, VersionID: token}, nil
}
