package window

import (
	"iter"
	"time"
)

// Timetable is a schedule and its freeze: it determines when a secret is rotated.
type Timetable struct {
	Schedule Schedule
	Freeze   Freeze
}

// ParseTimetable parses a schedule and a freeze. Its errors are [*Error].
func ParseTimetable(expression, duration string, freeze ...string) (t Timetable, err error) {
	if t.Schedule, err = Parse(expression, duration); err != nil {
		return Timetable{}, err
	}
	if t.Freeze, err = ParseFreeze(freeze...); err != nil {
		return Timetable{}, err
	}
	return t, nil
}

// At returns the window that is open at now, if one is and its day is not frozen.
func (t Timetable) At(now time.Time) (Window, bool) {
	if t.Freeze.Contains(now) {
		return Window{}, false
	}
	return t.Schedule.At(now)
}

// Next returns the first window that opens later than after on a day that is not
// frozen.
func (t Timetable) Next(after time.Time) Window {
	w := t.Schedule.Next(after)
	for {
		frozen, ok := t.Freeze.At(w.OpensAt)
		if !ok || w.OpensAt.IsZero() {
			return w
		}
		// Skips the whole period at once, since it may hold thousands of windows.
		w = t.Schedule.Next(frozen.end().Add(-1))
	}
}

// Windows yields the windows that open later than after on days that are not frozen,
// without end.
func (t Timetable) Windows(after time.Time) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		for w := t.Next(after); !w.OpensAt.IsZero() && yield(w); {
			w = t.Next(w.OpensAt)
		}
	}
}
