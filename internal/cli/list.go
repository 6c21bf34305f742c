package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func newList() *cobra.Command {
	var (
		name   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the secrets that a deployment rotates, and when",
		Long: `Lists the secrets that a deployment rotates: how, by which schedule, and when the
next rotation window opens, in UTC. It shows what is deployed, which may not be
what rotations.yaml says by now.`,
		Example: `  tumbler list
  tumbler list --name payments`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			entries, err := configuredIn(ctx, name)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), listed(entries, time.Now()))
			}
			if len(entries) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "Deployment %s rotates no secrets. Name them in rotations.yaml and deploy.\n", name)
				return nil
			}
			return writeEntries(cmd.OutOrStdout(), entries, time.Now())
		},
	}
	nameFlag(cmd, &name)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// configuredIn lists the rotations of a deployment.
func configuredIn(ctx context.Context, name string) ([]registry.Entry, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := registry.New(scheduler.NewFromConfig(cfg), name).List(ctx)
	if err != nil {
		return nil, explainFault("reading what is configured", err)
	}
	return entries, nil
}

// explainFault describes a fault without its code, which is for the state machine.
func explainFault(doing string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Err != nil {
		if f.Code == fault.ServiceUnavailable {
			return explain(doing, f.Err)
		}
		return fmt.Errorf("%s: %s", doing, f.Message())
	}
	return explain(doing, err)
}

// entry is a configured rotation, as text.
type entry struct {
	Secret     string `json:"secret"`
	Strategy   string `json:"strategy"`
	Schedule   string `json:"schedule"`   // or: on demand
	NextWindow string `json:"nextWindow"` // UTC; or: any time
	Paused     bool   `json:"paused"`
}

func listed(entries []registry.Entry, now time.Time) []entry {
	list := []entry{}
	for _, e := range entries {
		strategy, schedule, next := describeEntry(e, now)
		list = append(list, entry{e.SecretID, strategy, schedule, next, !e.Enabled && schedule != onDemand})
	}
	return list
}

const onDemand = "on demand"

func writeEntries(w io.Writer, entries []registry.Entry, now time.Time) error {
	var rows [][]string
	for _, e := range listed(entries, now) {
		rows = append(rows, []string{e.Secret, e.Strategy, e.Schedule, e.NextWindow})
	}
	terminal.New(w).Table([]string{"SECRET", "STRATEGY", "SCHEDULE", "NEXT WINDOW"}, rows)
	return nil
}

func describeEntry(e registry.Entry, now time.Time) (strategy, schedule, next string) {
	request, err := rotation.ParseRequest(e.Input)
	if err != nil {
		return "?", "?", "cannot be read: " + fault.From(err).Message()
	}
	if request.Schedule == nil {
		return string(request.Strategy), onDemand, "any time"
	}
	schedule = request.Schedule.Expression
	if !e.Enabled {
		schedule += " (disabled)"
	}
	timetable, err := request.Schedule.Timetable()
	if err != nil {
		return string(request.Strategy), schedule, err.Error()
	}
	if open, ok := timetable.At(now); ok {
		return string(request.Strategy), schedule, open.String() + ", open now"
	}
	return string(request.Strategy), schedule, timetable.Next(now).String()
}
