package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// mostWindows keeps a mistyped count from filling the screen for an hour.
const mostWindows = 1000

func newSchedule() *cobra.Command {
	var (
		duration, from, anchor string
		count                  int
		freeze                 []string
	)
	cmd := &cobra.Command{
		Use:   "schedule EXPRESSION",
		Short: "Explain a rotation schedule and list its next windows",
		Long: `Explains a rate() or cron() expression in words and lists the windows it opens
next, all in UTC. An expression that Secrets Manager would refuse is refused with
the field that is wrong, the rule and the remedy. Nothing is changed and no AWS
account is needed.

A rate counts from the last rotation; name its day with --anchor.`,
		Example: `  tumbler schedule "cron(0 2 ? * SUN *)" --duration 3h
  tumbler schedule "rate(10 days)" --anchor 2026-10-01 --count 12
  tumbler schedule "cron(0 /8 * * ? *)" --freeze "2026-12-15..2027-01-05 year-end"`,
		Args: oneArg("expression"),
		RunE: func(cmd *cobra.Command, args []string) error {
			schedule, err := window.Parse(args[0], duration)
			if err != nil {
				return usageError{err}
			}
			frozen, err := window.ParseFreeze(freeze...)
			if err != nil {
				return usageError{err}
			}
			start, err := timeFlag("from", from, time.Now())
			if err != nil {
				return err
			}
			if schedule.Anchor, err = timeFlag("anchor", anchor, start); err != nil {
				return err
			}
			if anchor != "" && !schedule.ByAnchor() {
				return usageError{errors.New("--anchor is for a rate in days: this schedule opens at times of its own")}
			}
			if count < 1 || count > mostWindows {
				return usageError{fmt.Errorf("--count %d: list 1 to %d windows", count, mostWindows)}
			}
			out := terminal.New(cmd.OutOrStdout())
			out.Heading("%s", schedule)
			out.Say("%s", schedule.Text())
			if schedule.ByAnchor() && anchor == "" {
				out.Aside("It counts from the last rotation: name its day with --anchor.")
			}
			if len(frozen) > 0 {
				out.Say("%s", frozen.Text())
			}
			listWindows(out, schedule, frozen, start, count)
			return nil
		},
	}
	cmd.Flags().StringVar(&duration, "duration", "", "length of the window in hours, such as 3h (default as in Secrets Manager)")
	cmd.Flags().IntVar(&count, "count", 5, "how many windows to list")
	cmd.Flags().StringVar(&from, "from", "", "list from this time or date on, such as 2026-10-01T12:00:00Z (default now)")
	cmd.Flags().StringVar(&anchor, "anchor", "", "time or date of the last rotation, from which a rate counts (default --from)")
	cmd.Flags().StringArrayVar(&freeze, "freeze", nil, `dates without scheduled rotations, "FIRST..LAST NAME"; may be repeated`)
	return cmd
}

// listWindows shows the window that is open at start, if any, and the next ones.
func listWindows(out *terminal.Printer, s window.Schedule, frozen window.Freeze, start time.Time, count int) {
	out.Heading("Next windows")
	usable := false
	show := func(w window.Window, note string) {
		period, isFrozen := frozen.At(w.OpensAt)
		if isFrozen {
			out.Aside("%s  frozen %s", w, period.Text())
			return
		}
		usable = true
		out.Say("%s%s", w, note)
	}
	if w, ok := s.At(start); ok {
		show(w, "  open at "+start.UTC().Format("15:04"))
		count--
	}
	last := start
	for range count {
		w := s.Next(last)
		show(w, "")
		last = w.OpensAt
	}
	if !usable {
		out.Say("The next window that is not frozen: %s", s.NextUnfrozen(last, frozen))
	}
}

// timeFlag reads an RFC 3339 time or a date, which is midnight UTC.
func timeFlag(name, text string, standard time.Time) (time.Time, error) {
	if text == "" {
		return standard, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--%s %q is not a time: write 2026-10-01 or 2026-10-01T12:00:00Z", name, text)}
}
