package awsfault_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		code, message string
		status        int
		fault         smithy.ErrorFault
		want          awsfault.Kind
	}{
		{"ThrottlingException", "", 400, 0, awsfault.Throttled},
		{"ThrottledException", "", 400, 0, awsfault.Throttled},
		{"RequestLimitExceeded", "", 503, 0, awsfault.Throttled},
		{"AccessDenied", "", 403, 0, awsfault.Denied},
		{"ExpiredToken", "", 403, 0, awsfault.Denied},
		{"AccessDeniedException", "Access to KMS is not allowed", 400, 0, awsfault.KeyUnusable},
		{"DecryptionFailure", "", 400, 0, awsfault.KeyUnusable},
		{"InternalFailure", "", 400, 0, awsfault.Failed},
		{"Modelled", "", 400, smithy.FaultServer, awsfault.Failed},
		{"NotModelled", "", 502, 0, awsfault.Failed},
		{"ResourceNotFoundException", "", 404, 0, awsfault.NotFound},
		{"ValidationException", "", 400, smithy.FaultClient, awsfault.Other},
	} {
		err := fmt.Errorf("operation error: %w", &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: tc.status}},
			Err:      &smithy.GenericAPIError{Code: tc.code, Message: tc.message, Fault: tc.fault},
		})
		if kind, code := awsfault.Of(err); kind != tc.want || code != tc.code {
			t.Errorf("%s, HTTP %d: got %v and %q, want %v", tc.code, tc.status, kind, code, tc.want)
		}
	}
	if kind, code := awsfault.Of(context.DeadlineExceeded); kind != awsfault.NoAnswer || code != "" {
		t.Errorf("got %v and %q", kind, code)
	}
}
