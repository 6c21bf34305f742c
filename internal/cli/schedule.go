package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// mostWindows limits the output for a mistyped count.
const mostWindows = 1000

func newSchedule() *cobra.Command {
	var (
		duration, from, anchor string
		count                  int
		freeze                 []string
		asJSON                 bool
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
			timetable := timetableOf(schedule, frozen, start, count)
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), timetable)
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
			listWindows(out, timetable, start)
			return nil
		},
	}
	cmd.Flags().StringVar(&duration, "duration", "", "length of the window in hours, such as 3h (default as in Secrets Manager)")
	cmd.Flags().IntVar(&count, "count", 5, "how many windows to list")
	cmd.Flags().StringVar(&from, "from", "", "list from this time or date on, such as 2026-10-01T12:00:00Z (default now)")
	cmd.Flags().StringVar(&anchor, "anchor", "", "time or date of the last rotation, from which a rate counts (default --from)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().StringArrayVar(&freeze, "freeze", nil, `dates without scheduled rotations, "FIRST..LAST NAME"; may be repeated`)
	return cmd
}

// timetable is what schedule writes as JSON.
type timetable struct {
	Expression string       `json:"expression"`
	Text       string       `json:"text"` // in words
	Windows    []openedOnce `json:"windows"`
	// NextUsable is the first window that is not frozen. Set if all of Windows are frozen.
	NextUsable *window.Window `json:"nextUsable,omitempty"`
}

// openedOnce is a window of a schedule.
type openedOnce struct {
	window.Window
	Open   bool   `json:"open,omitempty"` // open at the time from which windows are listed
	Frozen string `json:"frozen,omitempty"`
}

// timetableOf lists the window that is open at start, if any, and the next ones.
func timetableOf(s window.Schedule, frozen window.Freeze, start time.Time, count int) timetable {
	made := timetable{Expression: s.String(), Text: s.Text()}
	usable := false
	add := func(w window.Window, open bool) {
		one := openedOnce{Window: w, Open: open}
		if period, isFrozen := frozen.At(w.OpensAt); isFrozen {
			one.Frozen = period.Text()
		} else {
			usable = true
		}
		made.Windows = append(made.Windows, one)
	}
	if w, ok := s.At(start); ok {
		add(w, true)
		count--
	}
	last := start
	for range count {
		w := s.Next(last)
		add(w, false)
		last = w.OpensAt
	}
	if !usable {
		next := window.Timetable{Schedule: s, Freeze: frozen}.Next(last)
		made.NextUsable = &next
	}
	return made
}

func listWindows(out *terminal.Printer, t timetable, start time.Time) {
	out.Heading("Next windows")
	for _, w := range t.Windows {
		switch {
		case w.Frozen != "":
			out.Aside("%s  frozen %s", w.Window, w.Frozen)
		case w.Open:
			out.Say("%s  open at %s", w.Window, start.UTC().Format("15:04"))
		default:
			out.Say("%s", w.Window)
		}
	}
	if t.NextUsable != nil {
		out.Say("The next window that is not frozen: %s", t.NextUsable)
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
