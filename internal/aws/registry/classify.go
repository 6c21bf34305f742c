package registry

import (
	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// classify names what an error of EventBridge Scheduler means.
func (c *Client) classify(call string, err error) error {
	op := call + ": cannot read the configuration in schedule group " + c.group
	const heals = "It heals by itself"
	switch kind, code := awsfault.Of(err); kind {
	case awsfault.NoAnswer:
		return fault.Wrap(err, fault.ServiceUnavailable, op+", because EventBridge Scheduler does not answer",
			heals+" unless there is no route to EventBridge Scheduler")
	case awsfault.NotFound:
		return fault.Wrap(err, fault.InvalidRequest, op+", because there is no such group",
			"Deploy Tumbler to this account and Region, or name another deployment")
	case awsfault.Throttled:
		return fault.Wrap(err, fault.Throttled, op+", because the request quota is used up", heals)
	case awsfault.Denied:
		return fault.Wrap(err, fault.AccessDenied, op+" ("+code+")",
			"Allow scheduler:"+call+" on the schedules of the group")
	case awsfault.Failed:
		return fault.Wrap(err, fault.ServiceUnavailable, op+" ("+code+")", heals)
	default:
		return fault.Wrap(err, fault.Internal, op+" ("+code+")", "Please report it with the function's log")
	}
}
