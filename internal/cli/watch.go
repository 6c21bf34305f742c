package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
)

func newWatch() *cobra.Command {
	var (
		to     target
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "watch SECRET|EXECUTION",
		Short: "Show a rotation's states as they run",
		Long: `Shows a rotation's states as they run, from its start to its end: of the secret's
running execution, or else of its last one, or of EXECUTION, which is the ARN that
'tumbler rotate', an alert or the console shows. It tells when the rotation window opens
or closes, which attempt failed, of how many, and on a terminal for how long the state
has been running and when the next attempt comes at the latest.

The exit code is that of 'tumbler rotate'.`,
		Example: `  tumbler watch prod/app
  tumbler watch arn:aws:states:eu-central-1:111122223333:execution:tumbler-rotation:NAME`,
		Args:              oneArg("secret or execution"),
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], ":execution:") {
				api, err := connect(cmd.Context())
				if err != nil {
					return err
				}
				return reportEnd(cmd, api, args[0], !asJSON, asJSON)
			}
			v, err := to.view(cmd.Context())
			if err != nil {
				return err
			}
			arn, err := v.latest(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if !asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), arn)
			}
			return reportEnd(cmd, v.api, arn, !asJSON, asJSON)
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "show no states, and write JSON about the end")
	return cmd
}

// latest is the secret's running execution, or its last one.
func (v *view) latest(ctx context.Context, secret string) (arn string, err error) {
	if v.history, err = executions.New(v.api).Outcomes(ctx, v.machine); err != nil {
		return "", explainFault("looking at the executions", err)
	}
	of := v.of(secret)
	if len(of) == 0 {
		return "", noneOf(secret)
	}
	for _, o := range of {
		if o.Running {
			return o.Execution, nil
		}
	}
	return of[0].Execution, nil
}

func noneOf(secret string) error {
	return fmt.Errorf("none of the last executions was about %s. Is it among those of: tumbler list", secret)
}
