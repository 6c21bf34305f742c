package secretsmanager

import (
	"context"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Config configures the service. The zero value is ready to use.
type Config struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Invoker runs rotation functions. Without one RotateSecret answers that
	// it may not invoke the function.
	Invoker Invoker
	// RotationAttempts is how often a rotation is tried before it is left as
	// it is. AWS says "multiple times" (DescribeSecret, NextRotationDate).
	// Default 3.
	RotationAttempts int
	// RotationBackoff is the wait before attempt n (from 2 on). Default n
	// seconds.
	RotationBackoff func(attempt int) time.Duration
	// OnRotation is told how native rotations go, as CloudTrail would be. It
	// is called from the rotation's goroutine. Optional.
	OnRotation func(RotationEvent)
	// NextRotation computes NextRotationDate from the rules and the last
	// rotation, and judges the schedule expression when one is set: its error
	// becomes an InvalidParameterException. The default knows
	// AutomaticallyAfterDays and rate() and takes any cron() without computing
	// a date for it (zero time).
	NextRotation func(rules RotationRules, last time.Time) (time.Time, error)
	// RetainUnlabelled is how long a version without labels is safe from
	// being pruned. AWS keeps it for 24 hours. Default 0, so that a sandbox
	// that rotates every few seconds does not run out of versions.
	RetainUnlabelled time.Duration
}

// Service implements wire.Service. It is safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.Mutex
	scopes map[scope]*store

	// Rotations run under ctx and are counted by running.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	closed  bool // guarded by mu
}

var _ wire.Service = (*Service)(nil)

// New makes an empty service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RotationAttempts == 0 {
		cfg.RotationAttempts = 3
	}
	if cfg.RotationBackoff == nil {
		cfg.RotationBackoff = func(attempt int) time.Duration { return time.Duration(attempt) * time.Second }
	}
	if cfg.NextRotation == nil {
		cfg.NextRotation = simpleNextRotation
	}
	s := &Service{cfg: cfg, scopes: map[scope]*store{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Wait returns when no native rotation is under way any more.
func (s *Service) Wait() { s.running.Wait() }

// Close cancels the native rotations under way, waits for them and refuses new
// ones. The rest keeps answering.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}

// Spec says how the service is reached.
func (s *Service) Spec() wire.Spec {
	return wire.Spec{
		Name: "secretsmanager", Protocol: wire.JSON11,
		TargetPrefix: "secretsmanager", MessageKey: "Message",
	}
}

// Operations is the table of what is supported.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{
		"BatchGetSecretValue":      wire.Op(s.batchGetSecretValue),
		"CancelRotateSecret":       wire.Op(s.cancelRotateSecret),
		"CreateSecret":             wire.Op(s.createSecret),
		"DeleteSecret":             wire.Op(s.deleteSecret),
		"DescribeSecret":           wire.Op(s.describeSecret),
		"GetRandomPassword":        wire.Op(s.getRandomPassword),
		"GetSecretValue":           wire.Op(s.getSecretValue),
		"ListSecretVersionIds":     wire.Op(s.listSecretVersionIDs),
		"ListSecrets":              wire.Op(s.listSecrets),
		"PutSecretValue":           wire.Op(s.putSecretValue),
		"RestoreSecret":            wire.Op(s.restoreSecret),
		"RotateSecret":             wire.Op(s.rotateSecret),
		"TagResource":              wire.Op(s.tagResource),
		"UntagResource":            wire.Op(s.untagResource),
		"UpdateSecret":             wire.Op(s.updateSecret),
		"UpdateSecretVersionStage": wire.Op(s.updateSecretVersionStage),
	}
}
