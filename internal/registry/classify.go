package registry

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// classify names what an error of EventBridge Scheduler means. Source: its API
// reference, "Common errors" and the errors of each operation.
func (c *Client) classify(call string, err error) error {
	op := call + ": cannot read the configuration in schedule group " + c.group
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fault.Wrap(err, fault.ServiceUnavailable, op+", because EventBridge Scheduler does not answer",
			"It heals by itself unless there is no route to EventBridge Scheduler")
	}
	switch code := api.ErrorCode(); {
	case code == "ResourceNotFoundException":
		return fault.Wrap(err, fault.InvalidRequest, op+", because there is no such group",
			"Deploy Tumbler to this account and Region, or name another deployment")
	case strings.Contains(code, "Throttl"), code == "TooManyRequestsException":
		return fault.Wrap(err, fault.Throttled, op+", because the request quota is used up", "It heals by itself")
	case code == "AccessDeniedException", code == "UnrecognizedClientException", code == "ExpiredTokenException":
		return fault.Wrap(err, fault.AccessDenied, op+" ("+code+")",
			"Allow scheduler:"+call+" on the schedules of the group")
	case api.ErrorFault() == smithy.FaultServer:
		return fault.Wrap(err, fault.ServiceUnavailable, op+" ("+code+")", "It heals by itself")
	default:
		return fault.Wrap(err, fault.Internal, op+" ("+code+")", "Please report it with the function's log")
	}
}
