package secretsmanager

import (
	"context"
	"slices"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type putInput struct {
	secretRef
	secretData
	ClientRequestToken *string
	VersionStages      []string
}

func (s *Service) putSecretValue(_ context.Context, call wire.Call, in *putInput) (*secretOutput, error) {
	id, err := in.id()
	val, valueErr := in.value()
	if err := firstError(err, valueErr, checkStages(in.VersionStages)); err != nil {
		return nil, err
	}
	if val == nil {
		return nil, errRequest("You must provide either SecretString or SecretBinary.")
	}
	if err := checkToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
		return nil, err
	}
	token := *in.ClientRequestToken

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.store(call).writable(id)
	if err != nil {
		return nil, err
	}
	out := &secretOutput{ARN: sec.arn, Name: sec.name, VersionID: token}
	if v := sec.version(token); v != nil && v.value != nil {
		if !v.value.equal(val) {
			return nil, errTokenInUse(token, sec.arn)
		}
		// The same again: nothing happens, not even to the labels.
		out.VersionStages = sec.labels.of(token)
		return out, nil
	}
	if err := s.storeValue(sec, token, val, in.VersionStages); err != nil {
		return nil, err
	}
	out.VersionStages = sec.labels.of(token)
	return out, nil
}

// storeValue stores a value as the version id, which does not exist or is empty,
// under the labels given or, without any, AWSCURRENT.
func (s *Service) storeValue(sec *secret, id string, val *value, stages []string) *wire.Error {
	stages = slices.Clone(stages)
	// The first version is always the current one (PutSecretValue).
	if len(stages) == 0 || len(sec.versions) == 0 && !slices.Contains(stages, current) {
		stages = append(stages, current)
	}
	union := sec.labels.of(id)
	for _, stage := range stages {
		if !slices.Contains(union, stage) {
			union = append(union, stage)
		}
	}
	if len(union) > maxLabels {
		return errTooManyLabels()
	}
	v := sec.version(id)
	if v == nil {
		var err *wire.Error
		if v, err = s.addVersion(sec, id, val); err != nil {
			return err
		}
	}
	v.value = val
	// AWSCURRENT last: that it moves decides where AWSPREVIOUS is, whatever
	// the request says.
	slices.SortStableFunc(stages, func(a, b string) int { return boolInt(a == current) - boolInt(b == current) })
	for _, stage := range stages {
		sec.labels.attach(stage, id)
	}
	sec.changed = s.cfg.Now()
	if slices.Contains(stages, current) {
		s.reschedule(sec, sec.changed)
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func checkStages(stages []string) *wire.Error {
	if stages != nil && len(stages) == 0 {
		return invalid("versionStages", "Member must have length greater than or equal to 1")
	}
	if len(stages) > maxLabels {
		return invalid("versionStages", "Member must have length less than or equal to %d", maxLabels)
	}
	for i := range stages {
		if err := length("versionStages", &stages[i], 1, maxLabelLength, required); err != nil {
			return err
		}
	}
	return nil
}

func errTooManyLabels() *wire.Error {
	return errLimit("A version can have at most %d staging labels.", maxLabels)
}

type updateInput struct {
	secretRef
	secretData
	ClientRequestToken *string
	Description        *string
	KmsKeyID           *string `json:"KmsKeyId"`
}

func (s *Service) updateSecret(_ context.Context, call wire.Call, in *updateInput) (*secretOutput, error) {
	id, err := in.id()
	val, valueErr := in.value()
	if err := firstError(
		err, valueErr,
		length("description", in.Description, 0, maxDescription, optional),
		length("kmsKeyId", in.KmsKeyID, 0, maxSecretID, optional),
	); err != nil {
		return nil, err
	}
	if val != nil {
		if err := checkToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
			return nil, err
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.store(call).writable(id)
	if err != nil {
		return nil, err
	}
	out := &secretOutput{ARN: sec.arn, Name: sec.name}
	if val != nil {
		out.VersionID = *in.ClientRequestToken
		// Unlike PutSecretValue, even the same value again is an error
		// (UpdateSecret: "the operation results in an error").
		if v := sec.version(out.VersionID); v != nil && v.value != nil {
			return nil, errTokenInUse(out.VersionID, sec.arn)
		}
		if err := s.storeValue(sec, out.VersionID, val, []string{current}); err != nil {
			return nil, err
		}
	}
	if in.Description != nil {
		sec.description = *in.Description
	}
	if in.KmsKeyID != nil {
		sec.kmsKeyID = *in.KmsKeyID
	}
	sec.changed = s.cfg.Now()
	return out, nil
}
