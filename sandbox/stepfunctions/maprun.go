package stepfunctions

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// note remembers how far a Map Run has come. Its child executions themselves are
// not kept: there may be ten thousand.
func (s *Service) note(e *execution, run asl.MapRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(e.mapRuns, func(r asl.MapRun) bool { return r.ARN == run.ARN })
	if i < 0 {
		e.mapRuns = append(e.mapRuns, run)
		return
	}
	e.mapRuns[i] = run
}

type describeMapRunInput struct {
	MapRunArn string `json:"mapRunArn"`
}

// Resource is the Map Run.
func (in *describeMapRunInput) Resource() string { return in.MapRunArn }

type describeMapRunOutput struct {
	MapRunArn                  string     `json:"mapRunArn"`
	ExecutionArn               string     `json:"executionArn"`
	Status                     asl.Status `json:"status"`
	StartDate                  *wire.Time `json:"startDate"`
	StopDate                   *wire.Time `json:"stopDate,omitempty"`
	MaxConcurrency             int        `json:"maxConcurrency"`
	ToleratedFailureCount      int        `json:"toleratedFailureCount"`
	ToleratedFailurePercentage float64    `json:"toleratedFailurePercentage"`
	ItemCounts                 mapCounts  `json:"itemCounts"`
	ExecutionCounts            mapCounts  `json:"executionCounts"`
	RedriveCount               int        `json:"redriveCount"`
}

type mapCounts struct {
	Pending        int `json:"pending"`
	Running        int `json:"running"`
	Succeeded      int `json:"succeeded"`
	Failed         int `json:"failed"`
	TimedOut       int `json:"timedOut"`
	Aborted        int `json:"aborted"`
	Total          int `json:"total"`
	ResultsWritten int `json:"resultsWritten"`
}

func (s *Service) describeMapRun(_ context.Context, call wire.Call, in *describeMapRunInput) (*describeMapRunOutput, error) {
	if err := checkARN("mapRunArn", in.MapRunArn, "mapRun"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := s.mapRun(in.MapRunArn)
	if !ok || !s.visible(call) {
		return nil, wire.Errorf("ResourceNotFound", "Resource not found: '%s'", in.MapRunArn)
	}
	counts := mapCounts{
		Pending: run.Pending, Running: run.Running, Succeeded: run.Succeeded, Failed: run.Failed,
		TimedOut: run.TimedOut, Aborted: run.Aborted, Total: run.Total, ResultsWritten: run.Succeeded,
	}
	return &describeMapRunOutput{
		MapRunArn: run.ARN, ExecutionArn: run.Execution.ARN, Status: run.Status,
		StartDate: wire.NewTime(run.StartTime), StopDate: wire.NewTime(run.StopTime),
		MaxConcurrency: run.MaxConcurrency, ToleratedFailureCount: run.ToleratedFailureCount,
		ToleratedFailurePercentage: run.ToleratedFailurePercentage,
		ItemCounts:                 counts, ExecutionCounts: counts, RedriveCount: run.RedriveCount,
	}, nil
}

// mapRun is called with the lock held. Few executions have Map Runs, and few of
// them are asked for.
func (s *Service) mapRun(arn string) (asl.MapRun, bool) {
	for _, e := range s.executions {
		for _, run := range e.mapRuns {
			if run.ARN == arn {
				return run, true
			}
		}
	}
	return asl.MapRun{}, false
}

type listMapRunsInput struct {
	page
	ExecutionArn string `json:"executionArn"`
}

// Resource is the execution.
func (in *listMapRunsInput) Resource() string { return in.ExecutionArn }

type listMapRunsOutput struct {
	MapRuns   []mapRunItem `json:"mapRuns"`
	NextToken string       `json:"nextToken,omitempty"`
}

type mapRunItem struct {
	ExecutionArn    string     `json:"executionArn"`
	MapRunArn       string     `json:"mapRunArn"`
	StateMachineArn string     `json:"stateMachineArn"`
	StartDate       *wire.Time `json:"startDate"`
	StopDate        *wire.Time `json:"stopDate,omitempty"`
}

// listMapRuns lists an execution's Map Runs, the newest first.
func (s *Service) listMapRuns(_ context.Context, call wire.Call, in *listMapRunsInput) (*listMapRunsOutput, error) {
	listing := "mapRuns " + in.ExecutionArn
	size, after, err := in.read(listing)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.findExecution(call, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	first := len(e.mapRuns) - 1
	if after != "" {
		first, _ = strconv.Atoi(after) // the token is ours
	}
	out := &listMapRunsOutput{MapRuns: []mapRunItem{}}
	for i := first; i >= 0; i-- {
		if len(out.MapRuns) == size {
			out.NextToken = token(listing, strconv.Itoa(i))
			break
		}
		run := e.mapRuns[i]
		label, _, _ := strings.Cut(strings.TrimPrefix(run.ARN, s.arn("mapRun", "")), ":")
		out.MapRuns = append(out.MapRuns, mapRunItem{
			ExecutionArn: e.ARN, MapRunArn: run.ARN, StateMachineArn: s.arn("stateMachine", label),
			StartDate: wire.NewTime(run.StartTime), StopDate: wire.NewTime(run.StopTime),
		})
	}
	return out, nil
}
