package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/window"
)

// RoomForRun is the part of the window that a flexible start must leave for the run: a
// rotation takes seconds, but retries for minutes while a database restarts.
const RoomForRun = 30 * time.Minute

// Timetable is the rotation's parsed schedule and freeze; ok is false when it has
// no schedule.
func (r *Rotation) Timetable() (t window.Timetable, ok bool) {
	if r.Schedule == "" {
		return window.Timetable{}, false
	}
	t, err := window.ParseTimetable(r.Schedule, r.Duration, r.Freeze...)
	return t, err == nil
}

// schedule checks the schedule and what belongs to it.
func (c *checker) schedule(field string, r *Rotation) {
	if !c.given(field + ".schedule") {
		for _, name := range []string{"duration", "flexibleStart", "freeze"} {
			if c.given(field + "." + name) {
				c.problem(field+"."+name, "needs a schedule, and this rotation has none", "add a schedule, or remove "+name)
			}
		}
		return
	}
	for i, period := range r.Freeze {
		_, err := window.ParseFreeze(period)
		c.refused(fmt.Sprintf("%s.freeze[%d]", field, i), err)
	}
	schedule, err := window.Parse(r.Schedule, r.Duration)
	if e, ok := errors.AsType[*window.Error](err); ok && e.Field == "duration" && c.given(field+".duration") {
		c.refused(field+".duration", err)
		return
	}
	if c.refused(field+".schedule", err); err != nil {
		return
	}
	c.flexibleStart(field+".flexibleStart", r.FlexibleStart, schedule.Duration())
}

// refused reports an error of internal/window.
func (c *checker) refused(field string, err error) {
	if e, ok := errors.AsType[*window.Error](err); ok {
		c.problem(field, fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Rule), e.Remedy)
	}
}

var flexiblePattern = regexp.MustCompile(`^([1-9][0-9]{0,3})([mh])$`)

// Flexible is FlexibleStart as a duration; zero without one.
func (r *Rotation) Flexible() time.Duration {
	if m := flexiblePattern.FindStringSubmatch(r.FlexibleStart); m != nil {
		d, _ := time.ParseDuration(r.FlexibleStart)
		return d
	}
	return 0
}

func (c *checker) flexibleStart(field, value string, open time.Duration) {
	if !c.given(field) {
		return
	}
	r := Rotation{FlexibleStart: value}
	most := open - RoomForRun
	switch flexible := r.Flexible(); {
	case flexible == 0:
		c.problem(field, fmt.Sprintf("%q is not a length of time", value), "write minutes or hours, such as 30m or 2h")
	case flexible > most:
		c.problem(field, fmt.Sprintf("%s leaves no room for the run in a window of %d hours", value, int(open.Hours())),
			fmt.Sprintf("use at most %dm, or a longer duration", int(most.Minutes())))
	}
}

var backstopPattern = regexp.MustCompile(`^([1-9][0-9]{0,2})d$`)

// BackstopDays is NativeBackstop as a number; zero without one.
func (r *Rotation) BackstopDays() int {
	if m := backstopPattern.FindStringSubmatch(r.NativeBackstop); m != nil {
		days, _ := strconv.Atoi(m[1])
		return days
	}
	return 0
}

func (c *checker) backstop(field string, r *Rotation) {
	at := field + ".nativeBackstop"
	if !c.given(at) {
		return
	}
	days := r.BackstopDays()
	switch {
	case days == 0:
		c.problem(at, fmt.Sprintf("%q is not a number of days", r.NativeBackstop), "write 1d to 999d, such as 90d")
		return
	case r.RotationFunction != "":
		c.problem(at, "rotates through Tumbler's own function, and this rotation has a rotationFunction", "remove one of the two")
	}
	t, ok := r.Timetable()
	if !ok {
		return
	}
	gap, known := c.gaps[r.Schedule+r.Duration]
	if !known {
		if gap = longestGap(t.Schedule); c.gaps == nil {
			c.gaps = map[string]int{}
		}
		c.gaps[r.Schedule+r.Duration] = gap
	}
	if gap >= days {
		c.problem(at, fmt.Sprintf("%s is not longer than the schedule, which leaves up to %d days between rotations", r.NativeBackstop, gap),
			fmt.Sprintf("use %dd or more, so that Secrets Manager steps in only when the schedule does not work", gap+1))
	}
}

// longestGap is the maximum number of days between two windows, computed over the years
// after which every cron expression repeats.
func longestGap(s window.Schedule) int {
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	last, gap := s.Next(begin).OpensAt, time.Duration(0)
	for w := range s.Windows(last) {
		gap = max(gap, w.OpensAt.Sub(last))
		if last = w.OpensAt; last.Sub(begin) > 5*366*24*time.Hour {
			break
		}
	}
	return int((gap + 24*time.Hour - 1) / (24 * time.Hour))
}
