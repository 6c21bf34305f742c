package secretsmanager

import (
	"context"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Invoker invokes rotation functions, as Secrets Manager invokes Lambda.
//
// functionError is what Lambda's X-Amz-Function-Error header says ("Handled" or
// "Unhandled"): the function ran and failed. err means that it could not be
// run. The response's content is not looked at.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte) (response []byte, functionError string, err error)
}

// FunctionKnower is optional for an Invoker: RotateSecret then refuses
// functions that are not known, as AWS refuses those it may not invoke.
type FunctionKnower interface {
	KnowsFunction(functionARN string) bool
}

type rotateInput struct {
	secretRef
	ClientRequestToken *string
	RotationLambdaARN  *string
	RotationRules      *RotationRules
	RotateImmediately  *bool
}

// rotateSecret sets the rotation up and starts one. The rotation itself runs on
// after the answer.
func (s *Service) rotateSecret(_ context.Context, call wire.Call, in *rotateInput) (*secretOutput, error) {
	id, err := in.id()
	if err := firstError(
		err,
		checkToken(in.ClientRequestToken, "InvalidParameterException"),
		length("rotationLambdaARN", in.RotationLambdaARN, 0, maxLambdaARN, optional),
		in.RotationRules.check(s.cfg.NextRotation, s.cfg.Now()),
	); err != nil {
		return nil, err
	}
	token := *in.ClientRequestToken
	immediately := in.RotateImmediately == nil || *in.RotateImmediately

	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	sec, err := st.active(id)
	if err != nil {
		return nil, err
	}
	if err := sec.managed.refuseReplica(st.scope.region); err != nil {
		return nil, err
	}
	lambdaARN := sec.rotation.lambdaARN
	if deref(in.RotationLambdaARN) != "" {
		lambdaARN = *in.RotationLambdaARN
	}
	if err := s.checkFunction(lambdaARN); err != nil {
		return nil, err
	}
	out := &secretOutput{ARN: sec.arn, Name: sec.name, VersionID: token}
	if sec.labels.rotating() && sec.rotation.token == token {
		return out, nil // the same call again
	}
	if sec.labels.rotating() {
		return nil, s.rotateOn(sec)
	}
	if sec.version(token) != nil {
		return nil, errTokenInUse(token, sec.arn)
	}
	if err := s.registerPending(sec, token, immediately); err != nil {
		return nil, err
	}
	s.keepSetup(sec, in, lambdaARN)
	if immediately {
		s.startRotation(sec, allSteps)
	} else {
		s.startRotation(sec, testOnly)
	}
	return out, nil
}

// keepSetup keeps how the secret is rotated from now on.
func (s *Service) keepSetup(sec *secret, in *rotateInput, lambdaARN string) {
	now := s.cfg.Now()
	r := &sec.rotation
	r.configured, r.enabled, r.lambdaARN, r.token = true, true, lambdaARN, *in.ClientRequestToken
	if in.RotationRules != nil {
		r.rules = in.RotationRules
	}
	last := r.last
	if last.IsZero() {
		last = now
	}
	s.reschedule(sec, last)
	sec.changed = now
}

// rotateOn tries a rotation that has not come to its end again.
func (s *Service) rotateOn(sec *secret) *wire.Error {
	if sec.rotation.token == sec.labels[pending] {
		s.startRotation(sec, allSteps)
	}
	return errRequest("A previous rotation isn't complete. That rotation will be reattempted.")
}

// registerPending makes the version under AWSPENDING that the function fills.
// It is empty, except for a mere test of the configuration: that one holds the
// current value, for the function to log in with, and is removed afterwards
// (RotateSecret, RotateImmediately).
func (s *Service) registerPending(sec *secret, token string, empty bool) *wire.Error {
	var val *value
	if v := sec.version(sec.labels[current]); v != nil && !empty {
		val = v.value
	}
	if _, err := s.addVersion(sec, token, val); err != nil {
		return err
	}
	sec.labels.attach(pending, token)
	return nil
}

// checkFunction: AWS tries the function's permissions before it accepts it
// (user guide: "Troubleshoot rotation").
func (s *Service) checkFunction(lambdaARN string) *wire.Error {
	if lambdaARN == "" {
		return errRequest("No Lambda rotation function ARN is associated with this secret.")
	}
	knower, ok := s.cfg.Invoker.(FunctionKnower)
	if s.cfg.Invoker == nil || s.closed || ok && !knower.KnowsFunction(lambdaARN) {
		return wire.Errorf("AccessDeniedException",
			"Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.")
	}
	return nil
}

// cancelRotateSecret turns rotation off and ends the one under way. The labels
// stay as they are, for the caller to judge.
func (s *Service) cancelRotateSecret(_ context.Context, call wire.Call, in *secretRef) (*secretOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	sec, err := st.active(id)
	if err != nil {
		return nil, err
	}
	if err := sec.managed.refuseReplica(st.scope.region); err != nil {
		return nil, err
	}
	if !sec.rotation.configured {
		return nil, errRequest("You can't cancel rotation on a secret that doesn't have a Lambda function ARN configured.")
	}
	out := &secretOutput{ARN: sec.arn, Name: sec.name, VersionID: sec.rotation.token}
	sec.stopRotation()
	sec.rotation.enabled, sec.rotation.token = false, ""
	sec.changed = s.cfg.Now()
	return out, nil
}
