package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/sandbox/demo"
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a real database's password rotate, and a failure be put right",
		Long: `Starts a PostgreSQL server and a local AWS on this machine, rotates a password
while an application logs in all the time, lets a rotation fail half-way, and
checks every claim by real logins. Nothing is left behind. No AWS account is
needed.

Exit code 0 means that every claim held.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := demo.Run(cmd.Context(), cmd.OutOrStdout())
			if err != nil && cmd.Context().Err() != nil { // the error is a consequence
				return errors.New("the demo was stopped. Nothing is left behind")
			}
			return err
		},
	}
}
