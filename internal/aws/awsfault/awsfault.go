// Package awsfault classifies errors of the AWS SDK in the same way for every service: a
// [Kind] for programs, and a fault for people.
package awsfault

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Kind is the kind of a failure.
type Kind int

// The kinds. A service's errors about the request itself are Other.
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
	// A code that is not in the API's model does not say whose fault it is, and a proxy
	// between Tumbler and AWS may answer with codes of its own. The status decides then.
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if api.ErrorFault() == smithy.FaultServer || ok && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return Failed, code
	}
	return Other, code
}

// Message is AWS's own text, "" if there was no answer. It may quote the request.
func Message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return ""
}

// Call describes a call of AWS, for the text of its fault.
type Call struct {
	Op      string // what was done: "ListExecutions, to see whether another rotation is running"
	Service string // "Step Functions"
	Allow   string // the remedy if it is not allowed

	// Key is the remedy if KMS refuses the key. Empty if nothing is encrypted.
	Key string
}

// Fault returns the fault for an error of the call, without AWS's own message. Codes:
// ServiceUnavailable, Throttled, KeyUnusable, AccessDenied, and Internal for unexpected
// errors and for those that a caller has to handle itself.
func (c Call) Fault(err error) error {
	const heals = "It heals by itself"
	kind, code := Of(err)
	switch kind {
	case NoAnswer:
		return fault.Wrap(err, fault.ServiceUnavailable, c.Op+": "+c.Service+" does not answer",
			heals+", unless there is no route: a VPC needs an interface endpoint for "+c.Service+" or a NAT gateway, and security groups that let HTTPS through")
	case Throttled:
		return fault.Wrap(err, fault.Throttled, c.Op+": the Region's request quota is used up",
			heals+"; if it is frequent, spread the rotations or raise the quota")
	case KeyUnusable:
		return fault.Wrap(err, fault.KeyUnusable, c.Op+": KMS does not let the key be used ("+code+")", c.Key)
	case Denied:
		return fault.Wrap(err, fault.AccessDenied, c.Op+": not allowed ("+code+")", c.Allow)
	case Failed:
		return fault.Wrap(err, fault.ServiceUnavailable, c.Op+": "+c.Service+" failed ("+code+")", heals)
	default:
		return fault.Wrap(err, fault.Internal, c.Op+": unexpected answer "+code, "Please report it with the function's log")
	}
}
