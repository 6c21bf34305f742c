package scheduler

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// defaultPage is the page's size when the caller does not say; derived.
const defaultPage = 100

type pageInput struct {
	MaxResults *int    `query:"MaxResults"`
	NamePrefix *string `query:"NamePrefix"`
	NextToken  *string `query:"NextToken"`
}

func (in *pageInput) check() *wire.Error {
	err := checkRange("maxResults", in.MaxResults, 1, 100)
	if in.NamePrefix != nil {
		err = first(err, checkName("namePrefix", in.NamePrefix))
	}
	return err
}

type listGroupsInput struct{ pageInput }

type listGroupsOutput struct {
	NextToken      string `json:",omitempty"`
	ScheduleGroups []groupOutput
}

func (s *Service) listGroups(_ context.Context, call wire.Call, in *listGroupsInput) (*listGroupsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.findGroup(call, defaultGroup); err != nil { // there from now on at the latest
		return nil, err
	}
	var groups []groupOutput
	for arn, g := range s.groups {
		if strings.HasPrefix(arn, groupARN(call, "")) && strings.HasPrefix(g.name, deref(in.NamePrefix)) {
			groups = append(groups, g.output())
		}
	}
	slices.SortFunc(groups, func(a, b groupOutput) int { return cmp.Compare(a.Arn, b.Arn) })
	page, next, err := paginate(groups, in.pageInput)
	if err != nil {
		return nil, err
	}
	return &listGroupsOutput{next, page}, nil
}

type listSchedulesInput struct {
	pageInput
	GroupName *string `query:"ScheduleGroup"`
	State     *string `query:"State"`
}

// Resource is the group.
func (in *listSchedulesInput) Resource() string { return deref(in.GroupName) }

type listSchedulesOutput struct {
	NextToken string `json:",omitempty"`
	Schedules []scheduleSummary
}

// scheduleSummary does not tell when the schedule fires, nor with what input.
type scheduleSummary struct {
	Arn                  string
	CreationDate         *wire.Time
	GroupName            string
	LastModificationDate *wire.Time
	Name                 string
	State                string
	Target               struct{ Arn string }
}

func (s *Service) listSchedules(_ context.Context, call wire.Call, in *listSchedulesInput) (*listSchedulesOutput, error) {
	err := in.check()
	if in.GroupName != nil {
		err = first(err, checkName("groupName", in.GroupName))
	}
	if in.State != nil {
		err = first(err, checkOneOf("state", in.State, enabled, disabled))
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	within := strings.TrimSuffix(scheduleARN(call, "", ""), "//") + "/"
	if in.GroupName != nil {
		if _, err := s.findGroup(call, *in.GroupName); err != nil {
			return nil, err
		}
		within += *in.GroupName + "/"
	}
	var found []scheduleSummary
	for arn, sched := range s.schedules {
		d := sched.definition
		if !strings.HasPrefix(arn, within) || !strings.HasPrefix(*d.Name, deref(in.NamePrefix)) || in.State != nil && *in.State != *d.State {
			continue
		}
		summary := scheduleSummary{
			Arn: arn, Name: *d.Name, GroupName: *d.GroupName, State: *d.State,
			CreationDate: wire.NewTime(sched.created), LastModificationDate: wire.NewTime(sched.modified),
		}
		summary.Target.Arn = *d.Target.Arn
		found = append(found, summary)
	}
	slices.SortFunc(found, func(a, b scheduleSummary) int { return cmp.Compare(a.Arn, b.Arn) })
	page, next, err := paginate(found, in.pageInput)
	if err != nil {
		return nil, err
	}
	return &listSchedulesOutput{next, page}, nil
}

// paginate cuts the page that the token asks for. It is never nil, which would be
// null in the answer.
func paginate[T any](list []T, in pageInput) (page []T, next string, err *wire.Error) {
	size := defaultPage
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	page, next, ok := wire.Page(list, deref(in.NextToken), size)
	if !ok {
		return nil, "", validation("Invalid NextToken.")
	}
	return append([]T{}, page...), next, nil
}
