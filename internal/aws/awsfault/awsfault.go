// Package awsfault tells what an error of the AWS SDK means, in the same way for
// every service: a kind for programs, and a fault for people.
package awsfault

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tumbler-rotation/tumbler/internal/fault"
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

// Message is AWS's own text, "" if there was no answer. It may quote the request.
func Message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return ""
}

// Call is a call of AWS, in the words in which its failure is told.
type Call struct {
	Op      string // what was done: "ListExecutions, to see whether another rotation is running"
	Service string // "Step Functions"
	Allow   string // the remedy if it is not allowed

	// Key is the remedy if KMS refuses the key. Optional, for what is not encrypted.
	Key string
}

// Fault returns what an error of the call means; AWS's own message is not carried
// over. Codes: ServiceUnavailable, Throttled, KeyUnusable, AccessDenied, and Internal for
// what is not expected, and for what a caller should have looked at before.
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
