package stepfunctions

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// page is what the listing operations have in common.
type page struct {
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

// The sizes of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// read returns the size of the page and the position that the token holds, if
// it is one of the listing's (which names what is listed and how).
func (p page) read(listing string) (size int, after string, err error) {
	size = p.MaxResults
	switch {
	case size < 0:
		return 0, "", invalid("maxResults", "Member must have value greater than or equal to 0")
	case size > maxPage:
		return 0, "", invalid("maxResults", "Member must have value less than or equal to 1000")
	case size == 0:
		size = defaultPage
	}
	if p.NextToken == "" {
		return size, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.NextToken)
	of, after, ok := strings.Cut(string(raw), "\n")
	if err != nil || !ok || of != listing {
		return 0, "", wire.Errorf("InvalidToken", "Invalid Token: 'Invalid token'")
	}
	return size, after, nil
}

func token(listing, after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(listing + "\n" + after))
}

type listExecutionsInput struct {
	page
	StateMachineArn string `json:"stateMachineArn"`
	MapRunArn       string `json:"mapRunArn"`
	StatusFilter    string `json:"statusFilter"`
	RedriveFilter   string `json:"redriveFilter"`
}

// Resource is the state machine.
func (in *listExecutionsInput) Resource() string { return in.StateMachineArn }

type listExecutionsOutput struct {
	Executions []executionItem `json:"executions"`
	NextToken  string          `json:"nextToken,omitempty"`
}

type executionItem struct {
	ExecutionArn    string     `json:"executionArn"`
	StateMachineArn string     `json:"stateMachineArn"`
	Name            string     `json:"name"`
	Status          asl.Status `json:"status"`
	StartDate       *wire.Time `json:"startDate"`
	StopDate        *wire.Time `json:"stopDate,omitempty"`
	RedriveCount    int        `json:"redriveCount"`
	RedriveDate     *wire.Time `json:"redriveDate,omitempty"`
}

func (in *listExecutionsInput) check() error {
	switch in.StatusFilter {
	case "", "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED":
	case "PENDING_REDRIVE":
		return wire.Errorf("ValidationException", "PENDING_REDRIVE is a status of the executions of a Map Run; there are none here.")
	default:
		return invalid("statusFilter", "Member must satisfy enum value set: [RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE]")
	}
	if in.MapRunArn != "" || in.RedriveFilter != "" {
		return wire.Errorf("ValidationException", "mapRunArn and redriveFilter are for Map Runs; there are none here.")
	}
	return nil
}

func (s *Service) listExecutions(_ context.Context, call wire.Call, in *listExecutionsInput) (*listExecutionsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	listing := fmt.Sprintf("executions %s %s", in.StateMachineArn, in.StatusFilter)
	size, after, err := in.read(listing)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.findMachine(call, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	before := int64(math.MaxInt64)
	if after != "" {
		before, _ = strconv.ParseInt(after, 10, 64) // the token is ours
	}
	out := &listExecutionsOutput{Executions: []executionItem{}}
	for _, e := range slices.Backward(m.executions) { // newest first
		if e.sequence >= before || in.StatusFilter != "" && string(e.status) != in.StatusFilter {
			continue
		}
		if len(out.Executions) == size {
			out.NextToken = token(listing, strconv.FormatInt(before, 10))
			break
		}
		out.Executions = append(out.Executions, executionItem{
			ExecutionArn: e.ARN, StateMachineArn: m.arn, Name: e.Name, Status: e.status,
			StartDate: wire.NewTime(e.started), StopDate: wire.NewTime(e.stopped),
			RedriveCount: e.redrives, RedriveDate: wire.NewTime(e.redriven),
		})
		before = e.sequence
	}
	return out, nil
}

type listMachinesInput struct{ page }

type listMachinesOutput struct {
	StateMachines []machineItem `json:"stateMachines"`
	NextToken     string        `json:"nextToken,omitempty"`
}

type machineItem struct {
	StateMachineArn string     `json:"stateMachineArn"`
	Name            string     `json:"name"`
	Type            string     `json:"type"`
	CreationDate    *wire.Time `json:"creationDate"`
}

func (s *Service) listStateMachines(_ context.Context, call wire.Call, in *listMachinesInput) (*listMachinesOutput, error) {
	size, after, err := in.read("machines")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &listMachinesOutput{StateMachines: []machineItem{}}
	if !s.visible(call) {
		return out, nil
	}
	for _, arn := range slices.Sorted(maps.Keys(s.machines)) {
		if arn <= after {
			continue
		}
		if len(out.StateMachines) == size {
			out.NextToken = token("machines", out.StateMachines[size-1].StateMachineArn)
			break
		}
		m := s.machines[arn]
		out.StateMachines = append(out.StateMachines, machineItem{m.arn, m.name, "STANDARD", wire.NewTime(m.created)})
	}
	return out, nil
}
