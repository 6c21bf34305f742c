package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

func newValidate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check rotations.yaml and say what it would deploy",
		Long: `Checks a configuration as a deployment does: every field, the schedules, and what
belongs together. All mistakes are shown at once, each with file, line, column,
field and remedy. FILE is rotations.yaml by default. No AWS account is needed, and
nothing is looked up in one: tumbler preflight does that.

Exit code 0 means that it can be deployed.`,
		Example: `  tumbler validate
  tumbler validate staging.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return oneArg("file")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := config.DefaultFile
			if len(args) == 1 {
				file = args[0]
			}
			cfg, err := config.Load(file)
			if problems, ok := errors.AsType[config.Problems](err); ok {
				for _, p := range problems {
					fmt.Fprintln(cmd.ErrOrStderr(), p)
				}
				if len(problems) == 1 {
					return fmt.Errorf("%s has a mistake", file)
				}
				return fmt.Errorf("%s has %d mistakes", file, len(problems))
			}
			if err != nil {
				return err
			}
			return writeConfig(cmd.OutOrStdout(), file, cfg, time.Now())
		},
	}
}

// writeConfig says what would be deployed.
func writeConfig(w io.Writer, file string, cfg *config.Config, now time.Time) error {
	fmt.Fprintf(w, "%s is valid. It deploys %s:\n\n", file, cfg.Name)
	var rows [][]string
	for _, set := range cfg.Sets() {
		name := cfg.Name
		if set.Name != "" {
			name += "-" + set.Name
		}
		for _, r := range set.Rotations {
			when, next := "on demand", "any time"
			if schedule, freeze, ok := r.Timetable(); ok {
				when, next = schedule.String(), schedule.NextUnfrozen(now, freeze).String()
			}
			rows = append(rows, []string{r.Secret, string(r.Strategy), when, next, name})
		}
	}
	terminal.New(w).Table([]string{"SECRET", "STRATEGY", "SCHEDULE", "NEXT WINDOW", "DEPLOYMENT"}, rows)
	fmt.Fprintln(w)
	for _, l := range cfg.Limits() {
		fmt.Fprintln(w, l)
	}
	return nil
}
