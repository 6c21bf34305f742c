package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Entry is one configured rotation.
type Entry struct {
	Name       string          // of the schedule
	SecretID   string          // as in rotations.yaml
	Enabled    bool            // false: rotated on demand only
	Expression string          // in EventBridge Scheduler's grammar
	StartDate  time.Time       // from which a rate counts; zero if there is none
	ChangedAt  time.Time       // when the schedule was last changed
	Input      json.RawMessage // the rotation request, without its trigger
}

// read takes the request out of a target's input and reports whether it is one.
func (e *Entry) read(input string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(input), &members) != nil {
		return false
	}
	if json.Unmarshal(members["secretId"], &e.SecretID) != nil || e.SecretID == "" {
		return false
	}
	delete(members, "trigger")
	var err error
	e.Input, err = json.Marshal(members)
	return err == nil
}

// parallel is the number of concurrent calls of GetSchedule, which stays far below the
// quota of hundreds a second (EventBridge Scheduler user guide, "Quotas").
const parallel = 10

// List returns every configured rotation, sorted by secret. ListSchedules does not return
// targets, so it takes a call for each schedule. Schedules of other origin in the group are
// left out.
//
// Codes: AccessDenied, Throttled, ServiceUnavailable, InvalidRequest when there
// is no such group, InternalError.
func (c *Client) List(ctx context.Context) ([]Entry, error) {
	names, err := c.names(ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, name := range names {
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			entries[i], _, err = c.get(ctx, name) // the zero Entry when it is gone meanwhile
			if fault.Is(err, fault.InvalidRequest) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.SecretID == "" || !slices.Contains(scheduleNames(e.SecretID), e.Name) })
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.SecretID, b.SecretID), cmp.Compare(a.Name, b.Name))
	})
	// During a deployment, a secret may have two schedules.
	return slices.CompactFunc(entries, func(a, b Entry) bool { return a.SecretID == b.SecretID }), nil
}

func (c *Client) names(ctx context.Context) ([]string, error) {
	var names []string
	pages := scheduler.NewListSchedulesPaginator(c.api, &scheduler.ListSchedulesInput{
		GroupName: &c.group, MaxResults: aws.Int32(100),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.classify("ListSchedules", err)
		}
		for _, s := range page.Schedules {
			names = append(names, aws.ToString(s.Name))
		}
	}
	return names, nil
}
