package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/cli/report"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
)

func newReport() *cobra.Command {
	var (
		to           target
		asJSON, html bool
		since        string
	)
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Report on all rotations: as text, as JSON, or as a page to read and print",
		Long: `Reports on the rotations of every secret of a deployment: who asked and why, which
rotation windows were kept and missed, what failed and how that ended, and for how long
AWSCURRENT was refused.

With --html it is a page with pictures, in one file that needs nothing else: no script
and no request. It holds no secret values.

Step Functions forgets an execution 90 days after its end: for a longer record, keep the
reports, or the events (docs/guide.md).`,
		Example: `  tumbler report --since 30d
  tumbler report --since 90d --html > rotations.html`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && html {
				return usageError{errors.New("--json and --html exclude each other")}
			}
			now := time.Now()
			from, err := ago(since, now)
			if err != nil {
				return err
			}
			if now.Sub(from) < time.Minute {
				return usageError{fmt.Errorf("--since %s: report on a minute at least", since)}
			}
			v, err := to.view(cmd.Context())
			if err != nil {
				return err
			}
			entries, err := v.registry.List(cmd.Context())
			if err != nil {
				return explainFault("reading what is configured", err)
			}
			outcomes, err := executions.New(v.api).Since(cmd.Context(), v.machine, from)
			if err != nil {
				return explainFault("looking at the executions", err)
			}
			r := report.Make(v.machine, entries, outcomes, from, now)
			switch {
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), r)
			case html:
				return r.HTML(cmd.OutOrStdout())
			}
			writeReport(terminal.New(cmd.OutOrStdout()), r)
			return nil
		},
	}
	to.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "90d", "how far back, such as 90d or 12h")
	cmd.Flags().BoolVar(&html, "html", false, "write a page")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func writeReport(out *terminal.Printer, r report.Report) {
	const day = "2006-01-02 15:04"
	t := r.Totals
	out.Heading("Rotations of %s, %s to %s UTC", r.Deployment, r.From.Format(day), r.To.Format(day))
	out.Fact("Account, Region", "%s, %s", r.Account, r.Region)
	out.Fact("Rotated", "%d", t.Rotated)
	out.Fact("Failed", "%d, of which %d needed a person; %d are not settled", t.Failed, t.NeedsAttention, t.Open)
	out.Fact("Windows", "%d kept, %d missed", t.WindowsKept, t.WindowsMissed)
	if t.Gap.Measured > 0 {
		out.Fact("AWSCURRENT refused", "median %d ms, 95th percentile %d ms, longest %d ms", t.Gap.Median, t.Gap.P95, t.Gap.Longest)
	}
	var rows [][]string
	for _, s := range r.Secrets {
		last := "-"
		if len(s.Rotations) > 0 {
			last = s.Rotations[0].StartedAt.Format(day) + " " + s.Rotations[0].Outcome
		}
		rows = append(rows, []string{s.Name, orDash(s.Schedule), fmt.Sprint(len(s.Rotations)), fmt.Sprint(len(s.Kept)), fmt.Sprint(len(s.Missed)), last})
	}
	out.Heading("Secrets")
	out.Table([]string{"SECRET", "SCHEDULE", "ROTATIONS", "KEPT", "MISSED", "LAST"}, rows)
	if failures := r.Failures(); len(failures) > 0 {
		out.Heading("Failures")
		for _, f := range failures {
			out.Say("%s  %s  %s (%s): %s", f.StartedAt.Format(day), f.Secret, f.Outcome, orDash(f.Error), f.Ended())
			out.Aside("%s", f.Execution)
		}
	}
}
