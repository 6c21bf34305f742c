package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The steps of a rotation in their order (user guide: "How rotation works").
var (
	allSteps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}
	testOnly = []string{"testSecret"}
)

// RotationEvent says how a native rotation goes.
type RotationEvent struct {
	// Kind is one of the event names that CloudTrail records: RotationStarted,
	// RotationSucceeded, RotationFailed (an attempt), RotationAbandoned (no
	// attempts left, or canceled); for a mere test of the configuration
	// TestRotationStarted, TestRotationSucceeded, TestRotationFailed.
	Kind      string
	SecretARN string
	VersionID string
	// Step is the step that failed, for RotationFailed and TestRotationFailed.
	Step string
	// Attempt counts from 1.
	Attempt int
}

// rotationEvent is a rotation function's input.
type rotationEvent struct {
	Step               string
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
}

// job is one rotation under way.
type job struct {
	sec      *secret
	arn      string
	function string
	token    string
	steps    []string
	cancel   context.CancelFunc
}

func (j *job) testing() bool { return len(j.steps) == 1 }

// startRotation starts the goroutine, unless there is one. Called with the lock
// held.
func (s *Service) startRotation(sec *secret, steps []string) {
	if sec.rotation.job != nil || s.closed {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	j := &job{
		sec: sec, arn: sec.arn, function: sec.rotation.lambdaARN,
		token: sec.rotation.token, steps: steps, cancel: cancel,
	}
	sec.rotation.job = j
	s.running.Go(func() {
		defer cancel()
		s.runRotation(ctx, j)
	})
}

// stopRotation ends the goroutine, if there is one, and does not wait for it.
// Called with the lock held.
func (sec *secret) stopRotation() {
	if sec.rotation.job != nil {
		sec.rotation.job.cancel()
		sec.rotation.job = nil
	}
}

// runRotation tries the rotation until it succeeds, is canceled or has been
// tried often enough: "Secrets Manager retries the entire rotation process
// multiple times" (DescribeSecret, NextRotationDate). A test is tried once.
func (s *Service) runRotation(ctx context.Context, j *job) {
	prefix, attempts := "", s.cfg.RotationAttempts
	if j.testing() {
		prefix, attempts = "Test", 1
	}
	tell := func(kind, step string, attempt int) {
		if s.cfg.OnRotation != nil {
			s.cfg.OnRotation(RotationEvent{prefix + kind, j.arn, j.token, step, attempt})
		}
	}
	tell("RotationStarted", "", 1)
	for attempt := 1; attempt <= attempts; attempt++ {
		if attempt > 1 && !sleep(ctx, s.cfg.RotationBackoff(attempt)) {
			break
		}
		step, err := s.runSteps(ctx, j)
		if err == nil {
			s.endRotation(j, true)
			tell("RotationSucceeded", "", attempt)
			return
		}
		tell("RotationFailed", step, attempt)
		if ctx.Err() != nil {
			break
		}
	}
	s.endRotation(j, false)
	if !j.testing() {
		tell("RotationAbandoned", "", attempts)
	}
}

// runSteps runs the steps and says which one failed.
func (s *Service) runSteps(ctx context.Context, j *job) (string, error) {
	for _, step := range j.steps {
		payload, err := json.Marshal(rotationEvent{Step: step, SecretID: j.arn, ClientRequestToken: j.token})
		if err != nil {
			return step, fmt.Errorf("encoding the rotation event: %w", err)
		}
		_, functionError, err := s.cfg.Invoker.Invoke(ctx, j.function, payload)
		if err != nil {
			return step, fmt.Errorf("invoking the rotation function: %w", err)
		}
		if functionError != "" {
			return step, errors.New("the rotation function failed: " + functionError)
		}
		if ctx.Err() != nil {
			return step, ctx.Err()
		}
	}
	if !j.testing() && !s.isCurrent(j) {
		// Derived: a function that says it finished but moved no label has not
		// rotated anything, and its pending value must stay.
		return "finishSecret", errors.New("AWSCURRENT is not on the new version")
	}
	return "", nil
}

func (s *Service) isCurrent(j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.sec.labels[current] == j.token
}

// endRotation takes the rotation's label off and notes its success. After a
// failure AWSPENDING stays ("When rotation is unsuccessful, the AWSPENDING
// staging label might be attached to an empty secret version", RotateSecret).
func (s *Service) endRotation(j *job, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, now := j.sec, s.cfg.Now()
	r := &sec.rotation
	if r.job != j {
		return // canceled, or another one by now
	}
	r.job = nil
	if (ok || j.testing()) && sec.labels[pending] == j.token {
		delete(sec.labels, pending)
	}
	switch {
	case j.testing():
		r.token = ""
		if len(sec.labels.of(j.token)) == 0 {
			sec.versions = slices.DeleteFunc(sec.versions, func(v *version) bool { return v.id == j.token })
		}
	case ok:
		r.token, r.last = "", now
		sec.changed = now
		s.reschedule(sec, now)
	}
}

// sleep waits, or reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
