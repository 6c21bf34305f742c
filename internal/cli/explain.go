package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/runbook"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ERROR|EXECUTION",
		Short: "Print what the runbook says of an error, or of why an execution failed",
		Long: `Prints the runbook's section about an error, as an alert names it, or about the
error with which an execution ended: its ARN, as an alert and 'tumbler history' show
it. Without an argument it lists the sections. No AWS account is needed for errors.`,
		Example: `  tumbler explain my-application-cannot-log-in-now
  tumbler explain LoginRefused`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneArg("error")(cmd, args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			for _, s := range runbook.Sections() {
				names = append(names, shortest(s.Title))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := terminal.New(cmd.OutOrStdout())
			if len(args) == 0 {
				for _, s := range runbook.Sections() {
					out.Command("%s", shortest(s.Title))
				}
				return nil
			}
			name := args[0]
			if strings.HasPrefix(name, "arn:") {
				api, err := connect(cmd.Context())
				if err != nil {
					return err
				}
				o, err := executions.New(api).Outcome(cmd.Context(), name)
				switch {
				case err != nil:
					return explainFault("looking at the execution", err)
				case o.Running:
					return fmt.Errorf("the execution is running. Watch it: tumbler watch %s", name)
				case o.Error == "" && o.What == "Rotated":
					out.Say("The execution ended in Rotated: there is nothing to explain.")
					return nil
				}
				out.Say("It ended in %s with %s: %s", o.What, orDash(o.Error), orDash(o.Cause))
				if name = o.Error; name == "" {
					name = "RotationCutShort" // stopped, or timed out
				}
			}
			s, ok := runbook.Find(name)
			if !ok {
				return usageError{fmt.Errorf("the runbook has no section %q. See those that it has with: tumbler explain", name)}
			}
			out.Heading("%s", s.Title)
			for paragraph := range strings.SplitSeq(s.Text, "\n\n") {
				out.Markdown(paragraph)
			}
			return nil
		},
	}
}

// shortest is how a section is named most easily.
func shortest(title string) string {
	if strings.Contains(title, " ") {
		return runbook.Anchor(title)
	}
	return title
}
