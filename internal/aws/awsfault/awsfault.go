// Package awsfault tells what kind of failure an error of the AWS SDK is, in
// the same way for every service. What can be done about it, each caller says
// itself.
package awsfault

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Kind is what a failure means to a caller.
type Kind int

// The kinds. Anything that a service says about the request itself is Other.
const (
	Other       Kind = iota
	NoAnswer         // no answer of AWS: no route, no time left
	Throttled        // a rate quota is used up
	Denied           // credentials or policies
	KeyUnusable      // KMS refuses the key
	Failed           // AWS failed
	NotFound         // ResourceNotFoundException
)

// Of returns the kind of an error, and AWS's code if there was an answer.
// Sources: the services' API references, "Common errors".
func Of(err error) (kind Kind, code string) {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return NoAnswer, ""
	}
	code = api.ErrorCode()
	switch code {
	case "TooManyRequestsException", "RequestLimitExceeded":
		return Throttled, code
	case "DecryptionFailure", "EncryptionFailure", "KMSAccessDeniedException", "KMSInvalidStateException", "KMSNotFoundException":
		return KeyUnusable, code
	case "AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "UnrecognizedClientException",
		"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch":
		if strings.Contains(api.ErrorMessage(), "KMS") {
			return KeyUnusable, code
		}
		return Denied, code
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable", "RequestTimeoutException":
		return Failed, code
	case "ResourceNotFoundException":
		return NotFound, code
	}
	if strings.Contains(code, "Throttl") {
		return Throttled, code
	}
	// A code that the API's own model does not list says nothing of whose fault
	// it is, and what stands between us and AWS answers in its own words.
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if api.ErrorFault() == smithy.FaultServer || ok && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return Failed, code
	}
	return Other, code
}
