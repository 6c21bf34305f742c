package secretsmanager

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type stageInput struct {
	secretRef
	VersionStage        *string
	RemoveFromVersionID *string `json:"RemoveFromVersionId"`
	MoveToVersionID     *string `json:"MoveToVersionId"`
}

// updateSecretVersionStage is a compare-and-swap: a label that is on another
// version moves only when RemoveFromVersionId names that version.
func (s *Service) updateSecretVersionStage(_ context.Context, call wire.Call, in *stageInput) (*secretOutput, error) {
	id, err := in.id()
	if err := firstError(
		err,
		length("versionStage", in.VersionStage, 1, maxLabelLength, required),
		length("removeFromVersionId", in.RemoveFromVersionID, minTokenLength, maxTokenLength, optional),
		length("moveToVersionId", in.MoveToVersionID, minTokenLength, maxTokenLength, optional),
	); err != nil {
		return nil, err
	}
	if in.MoveToVersionID == nil && in.RemoveFromVersionID == nil {
		return nil, errParameter("You must provide RemoveFromVersionId, MoveToVersionId, or both.")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.store(call).writable(id)
	if err != nil {
		return nil, err
	}
	if err := sec.moveLabel(*in.VersionStage, in.RemoveFromVersionID, in.MoveToVersionID); err != nil {
		return nil, err
	}
	sec.changed = s.cfg.Now()
	return &secretOutput{ARN: sec.arn, Name: sec.name}, nil
}

// moveLabel applies the rules of UpdateSecretVersionStage.
func (sec *secret) moveLabel(label string, from, to *string) *wire.Error {
	holder, attached := sec.labels[label]
	switch {
	case from != nil && (!attached || *from != holder):
		return errParameter("When you move staging label %s, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label %s.", label, label)
	case to == nil && label == current:
		return errParameter("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case to == nil:
		delete(sec.labels, label)
		return nil
	}
	// Derived: a version that RotateSecret registered and nobody filled does
	// not exist yet ("Secrets Manager creates an AWSPENDING version ID before
	// creating the new secret version", DescribeSecret).
	target := sec.version(*to)
	if target == nil || target.value == nil {
		return errNoVersion(*to)
	}
	if attached && holder == *to {
		return nil // it is there already
	}
	if attached && from == nil {
		return errParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", label, holder)
	}
	if len(sec.labels.of(*to)) >= maxLabels {
		return errTooManyLabels()
	}
	sec.labels.attach(label, *to)
	return nil
}
