package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/runbook"
)

func newExplain() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain ERROR|EXECUTION",
		Short: "Print what the runbook says of an error, or of why an execution failed",
		Long: `Prints the runbook's section about an error, as an alert names it, or about the
error with which an execution ended: its ARN, as an alert and 'tumbler history' show
it. Without an argument it lists the sections. No AWS account is needed for errors.`,
		Example: `  tumbler explain my-application-cannot-log-in-now
  tumbler explain LoginRefused
  tumbler explain LoginRefused --json | jq -r .text`,
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
				names := []string{}
				for _, s := range runbook.Sections() {
					names = append(names, shortest(s.Title))
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), names)
				}
				for _, name := range names {
					out.Command("%s", name)
				}
				return nil
			}
			result, name := explained{}, args[0]
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
				}
				result.Outcome, result.Error, result.Cause = o.What, o.Error, o.Cause
				if name = o.Error; name == "" {
					name = "RotationCutShort" // stopped, or timed out
				}
			}
			if result.Outcome != string(rotation.Rotated) {
				s, ok := runbook.Find(name)
				if !ok {
					return usageError{fmt.Errorf("the runbook has no section %q. See those that it has with: tumbler explain", name)}
				}
				result.Section, result.Text = s.Title, s.Text
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			result.write(out)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// explained is what explain writes as JSON.
type explained struct {
	Outcome string `json:"outcome,omitempty"` // of an execution
	Error   string `json:"error,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Section string `json:"section,omitempty"` // of the runbook; missing where nothing has failed
	Text    string `json:"text,omitempty"`    // Markdown
}

func (e explained) write(out *terminal.Printer) {
	if e.Section == "" {
		out.Say("The execution ended in Rotated: there is nothing to explain.")
		return
	}
	if e.Outcome != "" {
		out.Say("It ended in %s with %s: %s", e.Outcome, orDash(e.Error), orDash(e.Cause))
	}
	out.Heading("%s", e.Section)
	for paragraph := range strings.SplitSeq(e.Text, "\n\n") {
		out.Markdown(paragraph)
	}
}

// shortest is the shortest argument that names a section.
func shortest(title string) string {
	if strings.Contains(title, " ") {
		return runbook.Anchor(title)
	}
	return title
}
