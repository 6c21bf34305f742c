package secretsmanager

import (
	"context"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// The recovery window in days (DeleteSecret).
const (
	minRecovery     = 7
	maxRecovery     = 30
	defaultRecovery = 30
)

type deleteInput struct {
	secretRef
	RecoveryWindowInDays       *int64
	ForceDeleteWithoutRecovery *bool
}

type deleteOutput struct {
	ARN          string
	Name         string
	DeletionDate *wire.Time
}

func (s *Service) deleteSecret(_ context.Context, call wire.Call, in *deleteInput) (*deleteOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	force, days := deref(in.ForceDeleteWithoutRecovery), int64(defaultRecovery)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if force {
			return nil, errParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < minRecovery || days > maxRecovery {
		return nil, errParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	now := s.cfg.Now()
	sec, err := st.find(id)
	if err != nil {
		if force {
			return forgotten(st, id, now), nil
		}
		return nil, err
	}
	if len(sec.managed.Replicas) > 0 {
		return nil, errParameter("You can't delete secret %s that still has replica regions.", sec.name)
	}
	if err := sec.managed.refuseWrite(st.scope.region); err != nil {
		return nil, err
	}
	if force {
		delete(st.secrets, sec.name)
		sec.stopRotation()
		return &deleteOutput{sec.arn, sec.name, wire.NewTime(now)}, nil
	}
	if !sec.deletion.IsZero() {
		return nil, errRequest("You can't perform this operation on the secret because it was already scheduled for deletion.")
	}
	sec.deletion = now.AddDate(0, 0, int(days))
	sec.stopRotation()
	return &deleteOutput{sec.arn, sec.name, wire.NewTime(sec.deletion)}, nil
}

// forgotten is the answer to forcing the deletion of a secret that is not
// there, so that a repeated call succeeds (DeleteSecret,
// ForceDeleteWithoutRecovery).
func forgotten(st *store, id string, now time.Time) *deleteOutput {
	name := strings.TrimPrefix(id, st.arnPrefix())
	arn := id
	if name == id {
		arn = st.newARN(name)
	} else {
		name = suffixed.ReplaceAllString(name, "")
	}
	return &deleteOutput{arn, name, wire.NewTime(now)}
}

func (s *Service) restoreSecret(_ context.Context, call wire.Call, in *secretRef) (*secretOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	sec, err := st.find(id)
	if err != nil {
		return nil, err
	}
	if err := sec.managed.refuseReplica(st.scope.region); err != nil {
		return nil, err
	}
	sec.deletion = time.Time{}
	sec.changed = s.cfg.Now()
	return &secretOutput{ARN: sec.arn, Name: sec.name}, nil
}
