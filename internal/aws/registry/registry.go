// Package registry looks up the configuration of a secret. The registry is the deployment's
// EventBridge Scheduler schedule group: every rotation of rotations.yaml has one schedule in
// it, named by [Name], whose target input is the complete rotation request of its secret. A
// rotation without a schedule has one that is DISABLED. So no second list can disagree with
// what the schedules start.
package registry

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/pattern"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Client reads the registry of one deployment.
type Client struct {
	api   *scheduler.Client
	group string
}

// New returns a Client that reads the schedule group through api.
func New(api *scheduler.Client, group string) *Client { return &Client{api: api, group: group} }

// For returns a Client for an account and Region.
func For(cfg aws.Config, group string) *Client { return New(scheduler.NewFromConfig(cfg), group) }

// Optional returns nil if there is no registry, that is, if group is "".
func Optional(cfg aws.Config, group string) rotation.Registry {
	if group == "" {
		return nil
	}
	return For(cfg, group)
}

// Lookup returns the rotation request that is configured for a secret, without
// its trigger: a trigger belongs to one start, and in a schedule it holds
// placeholders that only Scheduler fills in.
//
// rotations.yaml may give the secret by name or by ARN. The name is tried first, because it
// is more common and one call is then enough.
//
// Codes: AccessDenied, Throttled, ServiceUnavailable, InvalidRequest for a
// schedule that somebody changed by hand, InternalError.
func (c *Client) Lookup(ctx context.Context, secretARN, secretName string) (input json.RawMessage, found bool, err error) {
	for _, id := range identifiers(secretARN, secretName) {
		for _, name := range scheduleNames(id) {
			entry, found, err := c.get(ctx, name)
			if err != nil {
				return nil, false, err
			}
			// Another secret's name may have the same hash.
			if found && entry.SecretID == id {
				return entry.Input, true, nil
			}
		}
	}
	return nil, false, nil
}

// scheduleNames are the possible names of a secret's schedule, likeliest first.
func scheduleNames(secretID string) []string {
	return []string{Name(secretID), Name(secretID) + applied}
}

// suffix is what Secrets Manager appends to a name in the ARN.
var suffix = pattern.New(`-[0-9A-Za-z]{6}$`)

// identifiers are the forms of a secret in rotations.yaml, likeliest first.
func identifiers(secretARN, secretName string) []string {
	var ids []string
	for _, id := range []string{secretName, secretARN, suffix().ReplaceAllString(secretARN, "")} {
		if id != "" && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// get reads one schedule.
func (c *Client) get(ctx context.Context, name string) (entry Entry, found bool, err error) {
	out, err := c.api.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &name, GroupName: &c.group})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, c.classify("GetSchedule", err)
	}
	entry = Entry{
		Name:       name,
		Enabled:    out.State != types.ScheduleStateDisabled,
		Expression: aws.ToString(out.ScheduleExpression),
		StartDate:  aws.ToTime(out.StartDate),
		ChangedAt:  aws.ToTime(out.LastModificationDate),
	}
	if out.Target == nil || !entry.read(aws.ToString(out.Target.Input)) {
		return Entry{}, false, fault.New(fault.InvalidRequest, "schedule "+name+" in group "+c.group+" does not hold a rotation request",
			"Somebody changed it by hand: deploy again")
	}
	return entry, true, nil
}
