package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

func newValidate() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check rotations.yaml and say what it would deploy",
		Long: `Checks a configuration as a deployment does: every field, the schedules, and what
belongs together. All mistakes are shown at once, each with file, line, column,
field and remedy. FILE is rotations.yaml by default. No AWS account is needed, and
nothing is looked up in one: tumbler preflight does that.

Exit code 0 means that it can be deployed.`,
		Example: `  tumbler validate
  tumbler validate staging.yaml
  tumbler validate --json | jq '.mistakes[].remedy'`,
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
			problems, mistaken := errors.AsType[config.Problems](err)
			if err != nil && !mistaken {
				return err
			}
			result := validated(file, cfg, problems, time.Now())
			switch {
			case asJSON:
				if err := writeJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			case !mistaken:
				writeValidation(cmd.OutOrStdout(), result)
			}
			if !mistaken {
				return nil
			}
			if !asJSON {
				for _, p := range problems {
					fmt.Fprintln(cmd.ErrOrStderr(), p)
				}
			}
			if len(problems) == 1 {
				return fmt.Errorf("%s has a mistake", file)
			}
			return fmt.Errorf("%s has %d mistakes", file, len(problems))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// validation is what validate writes as JSON.
type validation struct {
	File      string    `json:"file"`
	Valid     bool      `json:"valid"`
	Name      string    `json:"name,omitempty"` // of the deployment, of a valid file
	Rotations []planned `json:"rotations"`
	Limits    []limit   `json:"limits"`
	Mistakes  []mistake `json:"mistakes"`
}

// planned is a rotation that would be deployed.
type planned struct {
	Secret     string         `json:"secret"`
	Strategy   string         `json:"strategy"`
	Schedule   string         `json:"schedule"`             // or: on demand
	NextWindow *window.Window `json:"nextWindow,omitempty"` // missing: any time
	Deployment string         `json:"deployment"`
}

// limit is a limit of AWS and the deployment's value.
type limit struct {
	What string `json:"what"`
	Got  int    `json:"got"`
	Most int    `json:"most"`
}

// mistake is a mistake in the file.
type mistake struct {
	Line    int    `json:"line"` // from 1; 0 for the file as a whole
	Column  int    `json:"column"`
	Field   string `json:"field"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// validated describes what would be deployed, or the mistakes.
func validated(file string, cfg *config.Config, problems config.Problems, now time.Time) validation {
	v := validation{File: file, Valid: len(problems) == 0, Rotations: []planned{}, Limits: []limit{}, Mistakes: []mistake{}}
	for _, p := range problems {
		v.Mistakes = append(v.Mistakes, mistake{p.Line, p.Column, p.Field, p.What, p.Remedy})
	}
	if !v.Valid {
		return v
	}
	v.Name = cfg.Name
	for _, set := range cfg.Sets() {
		name := cfg.Name
		if set.Name != "" {
			name += "-" + set.Name
		}
		for _, r := range set.Rotations {
			one := planned{Secret: r.Secret, Strategy: string(r.Strategy), Schedule: onDemand, Deployment: name}
			if t, ok := r.Timetable(); ok {
				one.Schedule, one.NextWindow = t.Schedule.String(), new(t.Next(now))
			}
			v.Rotations = append(v.Rotations, one)
		}
	}
	for _, l := range cfg.Limits() {
		v.Limits = append(v.Limits, limit{l.What, l.Got, l.Most})
	}
	return v
}

func writeValidation(w io.Writer, v validation) {
	fmt.Fprintf(w, "%s is valid. It deploys %s:\n\n", v.File, v.Name)
	var rows [][]string
	for _, r := range v.Rotations {
		next := "any time"
		if r.NextWindow != nil {
			next = r.NextWindow.String()
		}
		rows = append(rows, []string{r.Secret, r.Strategy, r.Schedule, next, r.Deployment})
	}
	terminal.New(w).Table([]string{"SECRET", "STRATEGY", "SCHEDULE", "NEXT WINDOW", "DEPLOYMENT"}, rows)
	fmt.Fprintln(w)
	for _, l := range v.Limits {
		fmt.Fprintln(w, config.Limit{What: l.What, Got: l.Got, Most: l.Most})
	}
}
