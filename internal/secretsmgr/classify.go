package secretsmgr

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
	var api smithy.APIError
	if !errors.As(err, &api) {
		return classify(err, "GetSecretValue", secretID)
	}
	missing := api.ErrorCode() == codeNotFound && strings.Contains(api.ErrorMessage(), "secret value")
	mismatch := api.ErrorCode() == codeInvalidRequest && strings.Contains(api.ErrorMessage(), "VersionStage")
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

var (
	codeNotFound       = (*types.ResourceNotFoundException)(nil).ErrorCode()
	codeInvalidRequest = (*types.InvalidRequestException)(nil).ErrorCode()
)

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
	var api smithy.APIError
	if !errors.As(err, &api) {
		return wrap(fault.ServiceUnavailable, "Secrets Manager does not answer", unreachableHint)
	}
	reason := api.ErrorMessage()
	if call == "PutSecretValue" {
		reason = "Please report it with the call's event in CloudTrail" // which leaves the value out
	}
	switch code := api.ErrorCode(); code {
	case codeNotFound:
		return wrap(fault.SecretNotFound, "there is no such secret", "Check the name or ARN and the Region, and restore the secret if it was deleted")
	case codeInvalidRequest:
		if strings.Contains(api.ErrorMessage(), "deletion") || strings.Contains(api.ErrorMessage(), "deleted") {
			return wrap(fault.SecretDeleted, "the secret is scheduled for deletion", "Restore it (secretsmanager restore-secret) or remove its rotation")
		}
		return wrap(fault.InvalidRequest, "Secrets Manager refuses the request", reason)
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded":
		return wrap(fault.Throttled, "the Region's request quota is used up", "It heals by itself; if it is frequent, spread the rotations or raise the quota")
	case "LimitExceededException":
		return wrap(fault.LimitExceeded, "a quota is reached", "Remove staging labels from old versions, or raise the quota")
	case "DecryptionFailure", "EncryptionFailure", "KMSAccessDeniedException", "KMSInvalidStateException", "KMSNotFoundException":
		return wrap(fault.KeyUnusable, "KMS does not let the secret's key be used ("+code+")", "Check that the key is enabled and that its policy and the function's role allow kms:Decrypt and kms:GenerateDataKey")
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "NotAuthorized":
		if strings.Contains(api.ErrorMessage(), "KMS") {
			return wrap(fault.KeyUnusable, "KMS does not let the secret's key be used ("+code+")", "Allow the function's role kms:Decrypt (and kms:GenerateDataKey to write) in the key's policy")
		}
		return wrap(fault.AccessDenied, "not allowed ("+code+")", "Allow secretsmanager:"+call+" on this secret in the function's role and in the secret's resource policy, for this function only")
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable", "RequestTimeoutException":
		return wrap(fault.ServiceUnavailable, "Secrets Manager failed ("+code+")", "It heals by itself")
	case "InvalidParameterException", "ValidationException", "MalformedPolicyDocumentException":
		return wrap(fault.InvalidRequest, "Secrets Manager refuses a parameter", reason)
	}
	// What stands between us and AWS answers in its own words.
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if api.ErrorFault() == smithy.FaultServer || (ok && answer.HTTPStatusCode() >= http.StatusInternalServerError) {
		return wrap(fault.ServiceUnavailable, "Secrets Manager failed ("+api.ErrorCode()+")", "It heals by itself")
	}
	return wrap(fault.Internal, "unexpected answer "+api.ErrorCode(), "Please report it with the function's log")
}
