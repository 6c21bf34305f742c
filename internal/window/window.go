// Package window computes when a rotation may run: from the rate() and cron() expressions
// of Secrets Manager, the windows that they open, and the dates on which they are frozen.
// Start with [Parse].
//
// The rules are those of the AWS Secrets Manager user guide, "Rotation
// schedules", and of the API reference, RotationRulesType; docs/schedules.md
// lists them with what Tumbler derives where AWS is silent. Everything is UTC: a
// time in another zone is converted, and daylight saving changes nothing.
//
// The libraries for AWS cron expressions are not used because they follow EventBridge's
// grammar. The best, winebarrel/cronplan, accepts what Secrets Manager refuses (minutes,
// lists of hours, W, years), refuses its /8, cannot find earlier windows, and returns an
// empty list for an impossible date. A strict parser is needed anyway to name the wrong
// field, and the evaluator on top of it is two functions.
package window

import (
	"iter"
	"time"
)

// Window is the time in which a rotation may run: half-open, in UTC, and within
// one UTC day.
type Window struct {
	OpensAt  time.Time `json:"opensAt"`  // the first instant inside
	ClosesAt time.Time `json:"closesAt"` // the first instant outside
}

// Contains reports whether t is inside.
func (w Window) Contains(t time.Time) bool {
	return !t.Before(w.OpensAt) && t.Before(w.ClosesAt)
}

// String is for people: "Sun 2026-10-04 02:00-05:00 UTC". A window that closes
// with the day closes at 24:00.
func (w Window) String() string {
	closes := w.ClosesAt.UTC().Format("15:04")
	if closes == "00:00" {
		closes = "24:00"
	}
	return w.OpensAt.UTC().Format("Mon 2006-01-02 15:04-") + closes + " UTC"
}

// Schedule says when windows open and how long they stay open. It is a value
// that [Parse] makes; the zero Schedule never opens.
type Schedule struct {
	// Anchor is the day from which a rate counts: windows open at multiples of the rate
	// before and after midnight UTC of that day. Secrets Manager counts from the last
	// rotation, or from the day on which rotation was configured; set Anchor to that time to
	// get its windows. The zero Anchor is 1970-01-01, which gives the same windows
	// everywhere without stored state. Cron expressions ignore it.
	Anchor time.Time

	expression string
	rate       int       // hours between openings; 0 for a cron expression
	inHours    bool      // a schedule in hours, as the user guide defines it
	cron       *calendar // nil for a rate
	length     time.Duration
}

// Parse reads a schedule expression, and the window's duration such as "3h". An
// empty duration is the default: one hour for a schedule in hours, until the end
// of the UTC day for one in days. Its errors are [*Error].
func Parse(expression, duration string) (Schedule, error) {
	kind, inside, err := split(expression)
	if err != nil {
		return Schedule{}, err
	}
	parse := parseRate
	if kind == "cron" {
		parse = parseCron
	}
	s, err := parse(inside)
	if err != nil {
		return Schedule{}, err
	}
	if s.length, err = s.parseDuration(duration); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// String is the expression with names in capitals and single spaces. Parse reads it as the
// same schedule.
func (s Schedule) String() string { return s.expression }

// Duration is how long each window is open, a whole number of hours.
func (s Schedule) Duration() time.Duration { return s.length }

// At returns the window that contains t, if there is one.
func (s Schedule) At(t time.Time) (Window, bool) {
	w := s.Previous(t.Add(1)) // the last to open at t or before
	if !w.Contains(t) {
		return Window{}, false
	}
	return w, true
}

// Next returns the first window that opens later than after.
func (s Schedule) Next(after time.Time) Window {
	if s.cron != nil {
		return s.window(s.cron.next(after.UTC()))
	}
	return s.window(s.tick(after, 1))
}

// Previous returns the last window that opened earlier than before. It may still
// be open.
func (s Schedule) Previous(before time.Time) Window {
	if s.cron != nil {
		return s.window(s.cron.previous(before.UTC()))
	}
	return s.window(s.tick(before.Add(-1), 0))
}

// Windows yields the windows that open later than after, without end.
func (s Schedule) Windows(after time.Time) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		for w := s.Next(after); !w.OpensAt.IsZero() && yield(w); {
			w = s.Next(w.OpensAt)
		}
	}
}

func (s Schedule) window(opens time.Time) Window {
	if opens.IsZero() {
		return Window{}
	}
	return Window{OpensAt: opens, ClosesAt: opens.Add(s.length)}
}
