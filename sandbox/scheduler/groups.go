package scheduler

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// defaultGroup is there from the beginning and stays.
const defaultGroup = "default"

type group struct {
	arn, name string
	created   time.Time
}

type groupInput struct {
	Name        *string
	ClientToken *string `query:"clientToken"`
}

// Resource is the group.
func (in *groupInput) Resource() string { return deref(in.Name) }

type createGroupInput struct {
	Name        *string
	ClientToken *string
}

// Resource is the group.
func (in *createGroupInput) Resource() string { return deref(in.Name) }

type groupARNOutput struct{ ScheduleGroupArn string }

type groupOutput struct {
	Arn                  string
	Name                 string
	State                string
	CreationDate         *wire.Time `json:",omitempty"`
	LastModificationDate *wire.Time `json:",omitempty"`
}

func (g *group) output() groupOutput {
	return groupOutput{g.arn, g.name, "ACTIVE", wire.NewTime(g.created), wire.NewTime(g.created)}
}

func groupARN(call wire.Call, name string) string {
	return fmt.Sprintf("arn:aws:scheduler:%s:%s:schedule-group/%s", call.Caller.Region, call.Caller.Account, name)
}

// findGroup is called with the lock held.
func (s *Service) findGroup(call wire.Call, name string) (*group, error) {
	arn := groupARN(call, name)
	g := s.groups[arn]
	if g == nil && name == defaultGroup {
		g = &group{arn: arn, name: name, created: s.now()}
		s.groups[arn] = g
	}
	if g == nil {
		return nil, &wire.Error{
			Code: "ResourceNotFoundException", Message: "Schedule group " + name + " does not exist.", Status: http.StatusNotFound,
		}
	}
	return g, nil
}

func (s *Service) createGroup(_ context.Context, call wire.Call, in *createGroupInput) (*groupARNOutput, error) {
	if err := first(checkName("name", in.Name), checkToken(in.ClientToken)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := groupARN(call, *in.Name)
	if s.repeats(call, arn, in.ClientToken) {
		return &groupARNOutput{arn}, nil
	}
	if _, err := s.findGroup(call, *in.Name); err == nil {
		return nil, conflict("Schedule group %s already exists.", *in.Name)
	}
	s.groups[arn] = &group{arn: arn, name: *in.Name, created: s.now()}
	s.remember(call, arn, in.ClientToken)
	return &groupARNOutput{arn}, nil
}

func (s *Service) getGroup(_ context.Context, call wire.Call, in *groupInput) (*groupOutput, error) {
	if err := checkName("name", in.Name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.findGroup(call, *in.Name)
	if err != nil {
		return nil, err
	}
	out := g.output()
	return &out, nil
}

// deleteGroup deletes the schedules in it, too.
func (s *Service) deleteGroup(_ context.Context, call wire.Call, in *groupInput) (*struct{}, error) {
	if err := first(checkName("name", in.Name), checkToken(in.ClientToken)); err != nil {
		return nil, err
	}
	if *in.Name == defaultGroup {
		return nil, validation("The default schedule group cannot be deleted.") // derived
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := groupARN(call, *in.Name)
	if s.repeats(call, arn, in.ClientToken) {
		return &struct{}{}, nil
	}
	if _, err := s.findGroup(call, *in.Name); err != nil {
		return nil, err
	}
	delete(s.groups, arn)
	within := scheduleARN(call, *in.Name, "")
	for arn, sched := range s.schedules {
		if strings.HasPrefix(arn, within) {
			sched.stop()
			delete(s.schedules, arn)
		}
	}
	s.remember(call, arn, in.ClientToken)
	return &struct{}{}, nil
}

// mostTokens bounds what is remembered; AWS does not say for how long.
const mostTokens = 1000

// repeats reports whether the call is one that was answered already: the SDKs
// send the same token when they try again.
func (s *Service) repeats(call wire.Call, arn string, token *string) bool {
	if token == nil {
		return false
	}
	for _, used := range s.answered {
		if used == call.Operation+" "+arn+" "+*token {
			return true
		}
	}
	return false
}

func (s *Service) remember(call wire.Call, arn string, token *string) {
	if token == nil {
		return
	}
	s.answered = append(s.answered, call.Operation+" "+arn+" "+*token)
	if surplus := len(s.answered) - mostTokens; surplus > 0 {
		s.answered = append([]string(nil), s.answered[surplus:]...)
	}
}
