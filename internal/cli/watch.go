package cli

import "github.com/spf13/cobra"

func newWatch() *cobra.Command {
	return &cobra.Command{
		Use:   "watch EXECUTION",
		Short: "Show an execution's states as they run",
		Long: `Show an execution's states as they run, from its start to its end. EXECUTION is
the ARN that 'tumbler rotate', an alert or the console shows.

The exit code is that of 'tumbler rotate'.`,
		Args: oneArg("execution"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			return report(cmd, api, args[0], true)
		},
	}
}
