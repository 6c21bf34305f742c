package registry

import (
	"github.com/tumbler-rotation/tumbler/internal/aws/awsfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// classify returns the fault for an error of EventBridge Scheduler.
func (c *Client) classify(call string, err error) error {
	op := call + ", to read the configuration in schedule group " + c.group
	if kind, _ := awsfault.Of(err); kind == awsfault.NotFound {
		return fault.Wrap(err, fault.InvalidRequest, op+": there is no such group",
			"Deploy Tumbler to this account and Region, or name another deployment")
	}
	return awsfault.Call{
		Op: op, Service: "EventBridge Scheduler",
		Allow: "Allow scheduler:" + call + " on the schedules of the group",
	}.Fault(err)
}
