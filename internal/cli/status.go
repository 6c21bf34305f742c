package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

func newStatus() *cobra.Command {
	var (
		to     target
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether every secret was rotated when it should have been",
		Long: `Shows for every secret of a deployment when it was last rotated, when the next
rotation window opens (UTC), and the state that it is in:

  ok        rotated when it should have been
  rotating  an execution is at it
  failed    the last rotation failed; the next one repairs what it left
  overdue   a rotation window has passed without a rotation
  stuck     AWSPENDING was left behind: rotate the secret to repair it
  missing   the secret is gone, or scheduled for deletion
  unknown   it could not be looked at

It is seen from the secrets themselves, as the function audit sees it each hour. It
reads no secret value. The exit code is 1 unless every secret is ok or rotating.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cfg, err := environment(ctx)
			if err != nil {
				return err
			}
			states := sfn.NewFromConfig(cfg)
			machine, err := to.find(ctx, states)
			if err != nil {
				return err
			}
			history := executions.New(states)
			statuses, err := audit.Auditor{
				Registry: registry.New(scheduler.NewFromConfig(cfg), to.name), Secrets: secretsmgr.New(secretsmanager.NewFromConfig(cfg)),
				Executions: history, StateMachine: machine, Now: time.Now,
			}.Run(ctx)
			if err != nil {
				return explainFault("looking at the rotations", err)
			}
			if err := addOutcomes(ctx, history, machine, statuses); err != nil {
				return explainFault("looking at the last executions", err)
			}
			if err := writeStatuses(cmd.OutOrStdout(), statuses, asJSON); err != nil {
				return err
			}
			return verdict(statuses)
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// harmless outcomes are not the secret's failure.
var harmless = []string{"", "Rotated", string(fault.WindowClosed), string(fault.AlreadyRotating)}

// addOutcomes tells how the last execution for each secret ended. A secret whose
// labels are in order may still have been refused.
func addOutcomes(ctx context.Context, history *executions.Client, machine string, statuses []audit.Status) error {
	outcomes, err := history.Outcomes(ctx, machine)
	if err != nil {
		return err
	}
	for i := range statuses {
		s := &statuses[i]
		at := slices.IndexFunc(outcomes, func(o executions.Outcome) bool { return o.SecretID == s.Secret || o.SecretID == s.ARN })
		if at < 0 {
			continue
		}
		s.LastOutcome = outcomes[at].What
		if s.State == audit.OK && !slices.Contains(harmless, s.LastOutcome) {
			s.State, s.Detail, s.Since = audit.Failed, "the last rotation ended with "+s.LastOutcome, new(outcomes[at].EndedAt.UTC())
		}
	}
	return nil
}

func writeStatuses(w io.Writer, statuses []audit.Status, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if statuses == nil {
			statuses = []audit.Status{}
		}
		return enc.Encode(statuses)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "SECRET\tSTRATEGY\tLAST ROTATED\tNEXT WINDOW\tSTATE\tLAST OUTCOME")
	for _, s := range statuses {
		rotated, next, outcome := "-", "any time", s.LastOutcome
		if s.LastRotated != nil {
			rotated = s.LastRotated.Format("2006-01-02 15:04")
		}
		if s.NextWindow != nil {
			next = s.NextWindow.String()
		}
		if outcome == "" {
			outcome = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Secret, s.Strategy, rotated, next, s.State, outcome)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range statuses {
		if s.Detail != "" {
			fmt.Fprintf(w, "\n%s is %s: %s\n", s.Secret, s.State, s.Detail)
		}
	}
	return nil
}

// verdict is an error when somebody has to look.
func verdict(statuses []audit.Status) error {
	bad := 0
	for _, s := range statuses {
		if s.State.Finding() || s.State == audit.Failed {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d rotations need a look", bad, len(statuses))
	}
	return nil
}
