package secretsmgr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

const (
	waitHint = "Secrets Manager may take a moment to show a version that was just written; if it does not appear, somebody removed it"

	unreachableHint = "If this function is in a VPC, the VPC needs an interface endpoint for Secrets Manager (or a NAT gateway), and its security groups must let HTTPS through"
)

// classifyRead classifies an error of GetSecretValue, for which "not found"
// can mean the secret or only the version.
func classifyRead(err error, secretID string, v rotation.Version) error {
	kind, code := awsfault.Of(err)
	missing := kind == awsfault.NotFound && strings.Contains(messageOf(err), "secret value")
	mismatch := code == codeInvalidRequest && strings.Contains(messageOf(err), "VersionStage")
	if !missing && !mismatch {
		return classify(err, "GetSecretValue", secretID)
	}
	what := "version"
	if v.ID != "" {
		what += " " + v.ID
	}
	if v.Label != "" {
		what += " labelled " + v.Label
	}
	return fault.Wrap(err, fault.VersionNotReady, fmt.Sprintf("secret %s has no %s", secretID, what), waitHint)
}

var codeInvalidRequest = (*types.InvalidRequestException)(nil).ErrorCode()

// classify names what an error of Secrets Manager means. AWS's own message is
// not carried over, except when it tells what is wrong with a request that held
// no secret value.
func classify(err error, call, secretID string) error {
	if err == nil {
		return nil
	}
	wrap := func(code fault.Code, op, hint string) error {
		if secretID != "" {
			op += " (secret " + secretID + ")"
		}
		return fault.Wrap(err, code, call+": "+op, hint)
	}
	kind, code := awsfault.Of(err)
	switch kind {
	case awsfault.NoAnswer:
		return wrap(fault.ServiceUnavailable, "Secrets Manager does not answer", unreachableHint)
	case awsfault.Throttled:
		return wrap(fault.Throttled, "the Region's request quota is used up", "It heals by itself; if it is frequent, spread the rotations or raise the quota")
	case awsfault.KeyUnusable:
		return wrap(fault.KeyUnusable, "KMS does not let the secret's key be used ("+code+")", "Check that the key is enabled and that its policy and the function's role allow kms:Decrypt and kms:GenerateDataKey")
	case awsfault.Denied:
		return wrap(fault.AccessDenied, "not allowed ("+code+")", "Check the name, and that rotations.yaml names the secret: its deployment allows no other, and AWS says the same of one that is not there. "+
			"Otherwise allow secretsmanager:"+call+" in the function's permissions boundary and in the secret's resource policy, for this function only")
	case awsfault.Failed:
		return wrap(fault.ServiceUnavailable, "Secrets Manager failed ("+code+")", "It heals by itself")
	case awsfault.NotFound:
		return wrap(fault.SecretNotFound, "there is no such secret", "Check the name or ARN and the Region, and restore the secret if it was deleted")
	}
	message := messageOf(err)
	reason := message
	if call == "PutSecretValue" {
		reason = "Please report it with the call's event in CloudTrail" // which leaves the value out
	}
	switch code {
	case codeInvalidRequest:
		if strings.Contains(message, "deletion") || strings.Contains(message, "deleted") {
			return wrap(fault.SecretDeleted, "the secret is scheduled for deletion", "Restore it (secretsmanager restore-secret) or remove its rotation")
		}
		return wrap(fault.InvalidRequest, "Secrets Manager refuses the request", reason)
	case "LimitExceededException":
		return wrap(fault.LimitExceeded, "a quota is reached", "Remove staging labels from old versions, or raise the quota")
	case "InvalidParameterException", "ValidationException", "MalformedPolicyDocumentException":
		return wrap(fault.InvalidRequest, "Secrets Manager refuses a parameter", reason)
	}
	return wrap(fault.Internal, "unexpected answer "+code, "Please report it with the function's log")
}

// messageOf is AWS's own text, "" if there was no answer.
func messageOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return ""
}
