package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

// fleetInterval is the polling interval of a fleet.
const fleetInterval = time.Second

// fleetView is the observed state of a fleet.
type fleetView struct {
	api   *sfn.Client
	arn   string
	state fleet.State // the last result of PlanWave
	wave  string      // ARN of the last Map Run
	now   wave
}

// wave counts the items of the current Map Run.
type wave struct{ succeeded, failed int }

// followFleet shows a fleet's progress until it ends, and returns an error unless every
// secret was rotated. The ending is nil if the fleet has not reported one.
func followFleet(ctx context.Context, api *sfn.Client, out *terminal.Printer, arn string, total int) (*fleet.Ending, error) {
	v := &fleetView{api: api, arn: arn}
	before := ""
	for {
		about, err := api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err == nil {
			err = v.look(ctx, about.Status)
		}
		if errors.Is(err, context.Canceled) {
			out.Close()
			return nil, fmt.Errorf("stopped watching; the fleet goes on. When it has ended, see what it left with: tumbler rotate --resume %s", arn)
		}
		if err != nil {
			out.Close()
			return nil, explain("watching", err)
		}
		// Without a terminal: one line for each wave, and one for the end.
		ended := about.Status != types.ExecutionStatusRunning && about.Status != types.ExecutionStatusPendingRedrive
		if out.Live() || v.wave != before || ended {
			before = v.wave
			v.show(out, total)
		}
		if ended {
			out.Close()
			return v.state.Ending, v.ended(out, about)
		}
		select {
		case <-ctx.Done():
		case <-time.After(fleetInterval):
		}
	}
}

// look finds the newest Map Run. If it is a new one, or the fleet has ended, it also reads
// the last result of PlanWave.
func (v *fleetView) look(ctx context.Context, status types.ExecutionStatus) error {
	runs, err := v.api.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &v.arn, MaxResults: 1})
	if err != nil {
		return err
	}
	newest := ""
	if len(runs.MapRuns) > 0 {
		newest = aws.ToString(runs.MapRuns[0].MapRunArn)
	}
	if newest != v.wave || status != types.ExecutionStatusRunning {
		if err := v.readState(ctx); err != nil {
			return err
		}
		v.wave, v.now = newest, wave{}
	}
	if newest == "" || status != types.ExecutionStatusRunning {
		return nil
	}
	run, err := v.api.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: &newest})
	if err != nil {
		return err
	}
	if c := run.ItemCounts; c != nil && run.Status == types.MapRunStatusRunning {
		v.now = wave{int(c.Succeeded), int(c.Failed)}
	}
	return nil
}

// readState finds the last result of PlanWave, which is the only Lambda
// function of a fleet, from the end of the history: its events are large.
func (v *fleetView) readState(ctx context.Context) error {
	pages := sfn.NewGetExecutionHistoryPaginator(v.api, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &v.arn, ReverseOrder: true, MaxResults: 15, IncludeExecutionData: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if d := e.LambdaFunctionSucceededEventDetails; d != nil {
				var state fleet.State
				if err := json.Unmarshal([]byte(aws.ToString(d.Output)), &state); err != nil {
					return fmt.Errorf("the history of %s cannot be read: %w", v.arn, err)
				}
				v.state = state
				return nil
			}
		}
	}
	return nil
}

func (v *fleetView) show(out *terminal.Printer, total int) {
	p := v.state.Progress
	rotated, failed := p.Rotated+v.now.succeeded, p.Failed+v.now.failed
	what := fmt.Sprintf("wave %d", p.Wave)
	switch {
	case p.Canaries:
		what = "canaries"
	case p.Wave == 0:
		what = "planning"
	case v.state.Decision == fleet.End:
		what = "ended"
	}
	out.Progress(rotated+failed, total, "%d rotated, %d failed, %s", rotated, failed, what)
}

// ended shows the ending, with the failures.
func (v *fleetView) ended(out *terminal.Printer, about *sfn.DescribeExecutionOutput) error {
	e := v.state.Ending
	switch {
	case about.Status == types.ExecutionStatusSucceeded && e != nil:
		took := aws.ToTime(about.StopDate).Sub(aws.ToTime(about.StartDate))
		out.Say("%s: %s in %s.", e.Outcome, e.Cause, terminal.Duration(took))
		return nil
	case about.Status != types.ExecutionStatusFailed:
		return fmt.Errorf("the fleet did not end: its execution is %s. Rotations under way go on by themselves. Rotate what is left with: tumbler rotate --resume %s", about.Status, v.arn)
	case e == nil:
		return fmt.Errorf("the fleet ended in %s: %s. Rotate what is left with: tumbler rotate --resume %s", aws.ToString(about.Error), aws.ToString(about.Cause), v.arn)
	}
	if len(e.Event.Failures) > 0 {
		out.Heading("Failed")
		for _, f := range e.Event.Failures {
			out.Fact(f.Error, "%s", f.Secret)
			out.Aside("%s", f.Execution)
		}
		if more := e.Event.Failed - len(e.Event.Failures); more > 0 {
			out.Aside("and %d more", more)
		}
	}
	return fmt.Errorf("not all were rotated: %s: %s. Remove the cause, then rotate what is left with: tumbler rotate --resume %s", e.Outcome, e.Cause, v.arn)
}
