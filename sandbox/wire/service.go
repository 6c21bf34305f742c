package wire

import (
	"context"
	"net/http"
	"time"
)

// Protocol is the AWS protocol a service speaks.
type Protocol int

const (
	// JSON10 is AWS JSON 1.0 (Smithy: "AWS JSON 1.0 protocol").
	JSON10 Protocol = iota + 1
	// JSON11 is AWS JSON 1.1; it differs in the content type only.
	JSON11
	// Query is the AWS Query protocol: form in, XML out.
	Query
	// RESTJSON is AWS restJson1: an operation is a method and a path, its input
	// is spread over path, query and a JSON body.
	RESTJSON
)

// Spec says how a service is reached and how its answers look.
type Spec struct {
	// Name is the service's signing name, such as "secretsmanager", "states",
	// "sns" or "events". Query and RESTJSON services are chosen by it.
	// Required.
	Name string
	// Protocol is the protocol spoken. Required.
	Protocol Protocol
	// TargetPrefix is what stands before the dot in X-Amz-Target. Required for
	// the JSON protocols.
	TargetPrefix string
	// Namespace is the XML namespace of the answers. Required for Query.
	Namespace string
	// MessageKey is the member of a JSON error that carries the message:
	// services disagree about its first letter. Default "message".
	MessageKey string
}

// Service is one AWS API behind the endpoint.
type Service interface {
	// Spec is called once, by New.
	Spec() Spec
	// Operations is the table of what is supported; called once, by New.
	Operations() map[string]Operation
}

// Pager is implemented by a service that also has pages of its own, outside
// AWS's protocols, such as an outbox to look at. Each key is an exact path
// beginning with "/_sandbox/"; only GET reaches the handler.
type Pager interface {
	Pages() map[string]http.Handler
}

// Caller is who made a call, as far as the request says; see the package
// comment on signatures.
type Caller struct {
	// AccessKeyID is from the Authorization header's credential scope. Tests
	// and the sandbox count calls by it.
	AccessKeyID string
	// Account is AccessKeyID when that is a 12-digit account id, else the
	// endpoint's account. Accounts see nothing of one another.
	Account string
	// Region is the region the caller signed for. Regions see nothing of one
	// another.
	Region string
	// Service is the signing name the caller used.
	Service string
}

// Call describes one call. It never holds the content of the request.
type Call struct {
	// Service is the signing name of the service called.
	Service string
	// Operation is the AWS name of the operation.
	Operation string
	// Resource is what the call is about, as the caller named it (a secret's
	// name or ARN, say), for inputs that implement [Resourcer]; else "".
	Resource string
	// RequestID is what the answer's x-amzn-RequestId says.
	RequestID string
	Caller    Caller
	// Start is when the call arrived, by the endpoint's clock.
	Start time.Time
}

// Resourcer is implemented by an operation's input (on its pointer) to say what
// the call is about. It must not return a secret value.
type Resourcer interface {
	Resource() string
}

// Operation is one operation of a service; make it with [Op].
type Operation struct {
	newInput func() any
	run      func(ctx context.Context, call Call, in any) (any, error)

	method, path string // of RESTJSON
}

// At returns the operation as it is served by a RESTJSON service, in the words
// of AWS's model: At("PUT", "/schedules/{Name}"). A part of the path in braces
// fills the input's string member of that name. Members with a tag
// `query:"groupName"` come from the query of the address; all others come from
// the body.
func (o Operation) At(method, path string) Operation {
	o.method, o.path = method, path
	return o
}

// Op makes an operation from a typed function.
//
// In and Out are structs whose exported fields bear AWS's member names (or a
// json or xml tag that does). JSON members are matched by their exact name, a
// value of the wrong type is a SerializationException, and members In does not
// have are ignored, all as AWS does. Use pointers in In where absent and zero
// differ. Query input may have string, bool and integer fields (or pointers to
// them), []byte, structs, slices ("X.member.N") and maps ("X.entry.N.key").
//
// An error that is (or wraps) an [*Error] is answered as it is; any other error
// becomes an InternalFailure that does not repeat its text.
func Op[In, Out any](f func(ctx context.Context, call Call, in *In) (*Out, error)) Operation {
	return Operation{
		newInput: func() any { return new(In) },
		run: func(ctx context.Context, call Call, in any) (any, error) {
			out, err := f(ctx, call, in.(*In))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}
