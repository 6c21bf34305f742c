// Package wire is the HTTP front of the sandbox's AWS endpoint: one handler
// that speaks the protocols of the services behind it, so that the AWS CLI and
// every SDK work against it when their endpoint is set to its address.
//
// Four protocols are spoken: AWS JSON 1.0 and 1.1 (an X-Amz-Target header
// "<prefix>.<operation>" and a JSON body), AWS Query (a form with Action=,
// answered in XML) and AWS REST JSON (a method, a path and a JSON body).
//
// To add a service, implement [Service]: a [Spec] that says how it is reached
// and a table of operations, each made with [Op] from an ordinary typed
// function:
//
//	type describeInput struct{ SecretId *string }
//	type describeOutput struct{ ARN string; CreatedDate *wire.Time `json:",omitempty"` }
//
//	func (s *Service) Spec() wire.Spec {
//		return wire.Spec{Name: "secretsmanager", Protocol: wire.JSON11, TargetPrefix: "secretsmanager"}
//	}
//
//	func (s *Service) Operations() map[string]wire.Operation {
//		return map[string]wire.Operation{"DescribeSecret": wire.Op(s.describe)}
//	}
//
//	func (s *Service) describe(ctx context.Context, call wire.Call, in *describeInput) (*describeOutput, error) {
//		return nil, wire.Errorf("ResourceNotFoundException", "There is no such secret.")
//	}
//
// The operations of a REST JSON service say where they are served, see
// [Operation.At].
//
// Then hand it to [New] and serve the handler with [Listen].
//
// Signatures are not verified: any caller who reaches the loopback listener may
// do anything, and the access key id is only a name by which calls are counted.
// An Authorization header must be there all the same, because a web page cannot
// send one across origins without asking first; for the same reason requests
// for a host name other than localhost are refused (DNS rebinding).
//
// Nothing in this package logs, records or repeats the content of a request or
// an answer: both may hold secret values.
package wire
