// Package cli is the tumbler command. It reaches AWS or the sandbox only through the AWS
// SDK, whose configuration says which (AWS_ENDPOINT_URL, AWS_PROFILE, AWS_REGION).
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Exit codes of the command.
const (
	ExitOK    = 0
	ExitError = 1 // it failed, a rotation did not end in Rotated, or somebody has to act
	ExitUsage = 2 // the command line is wrong
)

// cutShort is the outcome of an execution that did not end in one of the final states.
const cutShort = "cut short"

// exitCodes are the exit codes of commands that wait for a rotation's end.
var exitCodes = map[string]int{
	string(rotation.AlreadyRotating): 10,
	string(rotation.WindowClosed):    11,
	string(rotation.Refused):         12,
	string(rotation.RestoredCleanly): 13,
	string(rotation.NeedsAttention):  14,
	cutShort:                         15,
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Run runs the command with its arguments and returns the exit code. Errors are
// written to stderr.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	out := &terminal.Checked{W: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && out.Err != nil {
		err = fmt.Errorf("writing the output: %w", out.Err)
	}
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(stderr, "tumbler: %v\n", err)
	if _, usage := errors.AsType[usageError](err); usage {
		fmt.Fprintln(stderr, "Run 'tumbler --help' for usage.")
		return ExitUsage
	}
	if failed, ok := errors.AsType[notRotatedError](err); ok && exitCodes[failed.ending] != 0 {
		return exitCodes[failed.ending]
	}
	return ExitError
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tumbler",
		Short: "Rotate database credentials kept in AWS Secrets Manager",
		Long: `Tumbler rotates the credentials of databases that are kept in AWS Secrets
Manager, as a Step Functions workflow that you can watch.

To see it work without an AWS account: tumbler demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newInit(), newValidate(), newList(), newStatus(), newHistory(), newExplain(), newPreflight(), newRotate(), newWatch(), newSchedule(), newPause(), newUnpause(), newCancel(), newEvents(), newReport(), newSandbox(), newDemo(), newVersion())
	root.SetHelpCommand(newHelp())
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command or argument %q for %q", args[0], cmd.CommandPath())
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 && !cmd.HasParent() {
		text += ". Did you mean " + strings.Join(meant, " or ") + "?"
	}
	return usageError{errors.New(text)}
}

// newHelp is cobra's help command, except that it fails for an unknown command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Help about a command",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noArgs(cmd.Root(), args)
			}
			return found.Help()
		},
	}
}

// oneArg requires exactly one argument; what is its name in errors.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return usageError{fmt.Errorf("%s: name the %s", cmd.CommandPath(), what)}
		}
		return usageError{fmt.Errorf("%s: one %s at a time, got %d arguments", cmd.CommandPath(), what, len(args))}
	}
}
