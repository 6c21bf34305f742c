package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func newHistory() *cobra.Command {
	var (
		to     target
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "history SECRET",
		Short: "List a secret's rotations: how they ended, who asked and why",
		Long: `Lists the rotations of a secret, the latest first: when they began, how they
ended, how long AWSCURRENT was refused meanwhile, who asked and why. SECRET is a name
or an ARN.

It looks at the deployment's last 100 executions. Step Functions forgets executions
90 days after their end.`,
		Example: `  tumbler history prod/app
  tumbler history prod/app --json | jq '.[] | select(.outcome != "Rotated")'`,
		Args:              oneArg("secret"),
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := to.view(cmd.Context())
			if err != nil {
				return err
			}
			if v.history, err = executions.New(v.api).Outcomes(cmd.Context(), v.machine); err != nil {
				return explainFault("looking at the executions", err)
			}
			rotations := pasts(v.of(args[0]))
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), rotations)
			}
			if len(rotations) == 0 {
				return noneOf(args[0])
			}
			out := terminal.New(cmd.OutOrStdout())
			writePasts(out, rotations)
			return nil
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// running is shown as the outcome of a running execution.
const running = "RUNNING"

// past is a rotation that has ended, or is running.
type past struct {
	StartedAt time.Time        `json:"startedAt"`
	EndedAt   *time.Time       `json:"endedAt,omitempty"` // absent while it runs
	Outcome   string           `json:"outcome"`           // the ending, or RUNNING
	Error     string           `json:"error,omitempty"`
	Cause     string           `json:"cause,omitempty"`
	Trigger   rotation.Trigger `json:"trigger,omitzero"`
	GapMs     *int64           `json:"credentialGapMs,omitempty"`
	GapAtMost *int64           `json:"credentialGapAtMostMs,omitempty"`
	Execution string           `json:"execution"`
}

func pasts(history []executions.Outcome) []past {
	list := []past{}
	for _, o := range history {
		list = append(list, pastOf(o))
	}
	return list
}

func pastOf(o executions.Outcome) past {
	p := past{StartedAt: o.StartedAt.UTC(), Outcome: o.What, Error: o.Error, Cause: o.Cause, Trigger: o.Trigger, Execution: o.Execution}
	if !o.Running {
		p.EndedAt = new(o.EndedAt.UTC())
	}
	if o.Event != nil {
		p.GapMs, p.GapAtMost = o.Event.CredentialGapMs, o.Event.CredentialGapAtMostMs
	}
	return p
}

func writePasts(out *terminal.Printer, rotations []past) {
	if len(rotations) == 0 {
		return
	}
	out.Heading("Rotations")
	for _, p := range rotations {
		out.Say("%s  %s", p.StartedAt.Format("2006-01-02 15:04:05"), p.words())
		out.Aside("%s", p.Execution)
	}
}

// words describe how it ended, who asked for it, and why.
func (p past) words() string {
	text := p.Outcome
	if p.Error != "" && p.Error != p.Outcome {
		text += " (" + p.Error + ")"
	}
	switch {
	case p.GapMs != nil:
		text += fmt.Sprintf(", AWSCURRENT refused for %d ms", *p.GapMs)
	case p.GapAtMost != nil:
		text += fmt.Sprintf(", AWSCURRENT refused for %d ms at most", *p.GapAtMost)
	}
	if p.Trigger.Source != "" {
		text += ", by " + p.Trigger.Source
	}
	if p.Trigger.Reason != "" {
		text += ": " + p.Trigger.Reason
	}
	return text
}
