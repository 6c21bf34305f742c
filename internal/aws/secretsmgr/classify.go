package secretsmgr

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

const waitHint = "Secrets Manager may take a moment to show a version that was just written; if it does not appear, somebody removed it"

// classifyRead classifies an error of GetSecretValue, for which "not found"
// can mean the secret or only the version.
func classifyRead(err error, secretID string, v rotation.Version) error {
	kind, code := awsfault.Of(err)
	missing := kind == awsfault.NotFound && strings.Contains(awsfault.Message(err), "secret value")
	mismatch := code == codeInvalidRequest && strings.Contains(awsfault.Message(err), "VersionStage")
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

// classify returns the fault for an error of Secrets Manager.
func classify(err error, call, secretID string) error {
	if err == nil {
		return nil
	}
	op := call
	if secretID != "" {
		op += " of secret " + secretID
	}
	kind, code := awsfault.Of(err)
	switch kind {
	case awsfault.NotFound:
		return fault.Wrap(err, fault.SecretNotFound, op+": there is no such secret", "Check the name or ARN and the Region, and restore the secret if it was deleted")
	case awsfault.Other:
		return refused(err, call, op, code)
	}
	return awsfault.Call{
		Op: op, Service: "Secrets Manager",
		Key: "Check that the key is enabled and that its policy and the function's role allow kms:Decrypt and kms:GenerateDataKey",
		Allow: "Check the name, and that rotations.yaml names the secret: its deployment allows no other, and AWS says the same of one that is not there. " +
			"Otherwise allow secretsmanager:" + call + " in the function's permissions boundary and in the secret's resource policy, for this function only",
	}.Fault(err)
}

// refused returns the fault for an error about the request itself. It contains AWS's own
// message, unless the request held a secret value.
func refused(err error, call, op, code string) error {
	message := awsfault.Message(err)
	reason := message
	if call == "PutSecretValue" {
		reason = "Please report it with the call's event in CloudTrail" // which does not contain the value
	}
	switch code {
	case codeInvalidRequest:
		if strings.Contains(message, "deletion") || strings.Contains(message, "deleted") {
			return fault.Wrap(err, fault.SecretDeleted, op+": the secret is scheduled for deletion", "Restore it (secretsmanager restore-secret) or remove its rotation")
		}
		return fault.Wrap(err, fault.InvalidRequest, op+": Secrets Manager refuses the request", reason)
	case "LimitExceededException":
		return fault.Wrap(err, fault.LimitExceeded, op+": a quota is reached", "Remove staging labels from old versions, or raise the quota")
	case "InvalidParameterException", "ValidationException", "MalformedPolicyDocumentException":
		return fault.Wrap(err, fault.InvalidRequest, op+": Secrets Manager refuses a parameter", reason)
	}
	return fault.Wrap(err, fault.Internal, op+": unexpected answer "+code, "Please report it with the function's log")
}
