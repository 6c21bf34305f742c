package window

import (
	"fmt"
	"strings"
)

// Scheduler is the schedule as an expression of EventBridge Scheduler, whose grammar has no
// /8 and which counts a rate from its StartDate. Increments become lists, which mean the
// same everywhere. A result that is a rate needs a StartDate that is one of its openings;
// otherwise it starts when it is deployed.
// Source: EventBridge Scheduler user guide, "Schedule types".
func (s Schedule) Scheduler() string {
	if c := s.cron; c != nil {
		days, weekdays := "?", "?"
		switch {
		case c.lastDay:
			days = "L"
		case c.nth == lastInMonth:
			weekdays = fmt.Sprintf("%dL", c.weekdays.first())
		case c.nth > 0:
			weekdays = fmt.Sprintf("%d#%d", c.weekdays.first(), c.nth)
		case c.weekdays != 0:
			weekdays = c.weekdays.list(7)
		default:
			days = c.days.list(31)
		}
		return fmt.Sprintf("cron(0 %s %s %s %s *)", c.hours.list(24), days, c.months.list(12), weekdays)
	}
	switch {
	case s.rate == 0:
		return ""
	case 24%s.rate == 0:
		daily := calendar{hours: hoursField.every(0, s.rate)}
		return fmt.Sprintf("cron(0 %s * * ? *)", daily.hours.list(24))
	case s.rate%24 == 0:
		return fmt.Sprintf("rate(%d days)", s.rate/24)
	}
	return fmt.Sprintf("rate(%d hours)", s.rate)
}

// ByAnchor reports whether the windows depend on Anchor.
func (s Schedule) ByAnchor() bool { return s.rate != 0 && 24%s.rate != 0 }

// list writes the values, or * when there are as many as the field has.
func (s set) list(all int) string {
	if s.count() == all {
		return "*"
	}
	var values []string
	for v := range s.all() {
		values = append(values, fmt.Sprint(v))
	}
	return strings.Join(values, ",")
}
