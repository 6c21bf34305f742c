package window

import (
	"fmt"
	"strings"
	"time"
)

// Text describes the schedule in English, such as "Every Saturday. The window opens at
// 18:00 UTC and closes at the end of the day (6 hours)."
func (s Schedule) Text() string {
	switch {
	case s.cron != nil:
		return s.cron.when() + ". " + s.open()
	case s.rate != 0:
		unit, n := "day", s.rate/24
		if s.inHours {
			unit, n = "hour", s.rate
		}
		from := ""
		switch {
		case s.ByAnchor():
			from = ", counted from midnight UTC of " + s.anchor().UTC().Format(time.DateOnly)
		case s.inHours:
			from = ", from midnight UTC"
		}
		return fmt.Sprintf("Every %s%s. %s", every(n, unit), from, s.open())
	}
	return "Never."
}

// open describes when a window opens and closes.
func (s Schedule) open() string {
	length := int(s.length / time.Hour)
	opens := 0
	switch {
	case s.cron == nil && s.inHours:
		return fmt.Sprintf("Each window is open for %s.", plural(length, "hour"))
	case s.cron != nil && s.cron.hours.count() > 1:
		var at []string
		for hour := range s.cron.hours.all() {
			at = append(at, clock(hour))
		}
		return fmt.Sprintf("Windows open at %s UTC, each for %s.", list(at), plural(length, "hour"))
	case s.cron != nil:
		opens = s.cron.hours.first()
	}
	closes := "at " + clock(opens+length)
	if opens+length == 24 {
		closes = "at the end of the day"
	}
	return fmt.Sprintf("The window opens at %s UTC and closes %s (%s).", clock(opens), closes, plural(length, "hour"))
}

// when describes the days on which windows open.
func (c *calendar) when() string {
	everyDay := c.weekdays.count() == 7 && c.nth == 0 || c.days.count() == 31
	everyMonth := c.months.count() == 12
	months := "every month"
	if !everyMonth {
		months = list(runs(c.months, func(m int) string { return time.Month(m).String() }))
	}
	within := ""
	if !everyMonth {
		within = " in " + months
	}
	switch {
	case everyDay:
		return "Every day" + within
	case c.lastDay:
		return "On the last day of " + months
	case c.nth != 0:
		return fmt.Sprintf("On the %s %s of %s", ordinal(c.nth), weekday(c.weekdays.first()), months)
	case c.weekdays != 0:
		return "Every " + list(runs(c.weekdays, weekday)) + within
	}
	noun := "day"
	if c.days.count() > 1 {
		noun = "days"
	}
	words := fmt.Sprintf("On %s %s of %s", noun, list(runs(c.days, func(d int) string { return fmt.Sprint(d) })), months)
	if c.days.last() > c.shortestMonth() {
		words += ", where the month has that day"
	}
	return words
}

// shortestMonth returns the number of days of the shortest of the months, outside leap
// years.
func (c *calendar) shortestMonth() int {
	shortest := 31
	for month := range c.months.all() {
		first := time.Date(2001, time.Month(month), 1, 0, 0, 0, 0, time.UTC) // no leap year
		shortest = min(shortest, daysOf(first))
	}
	return shortest
}

// runs names the values, three or more in a row as "first to last".
func runs(values set, name func(int) string) (words []string) {
	for v := 0; v <= values.last(); v++ {
		if !values.has(v) {
			continue
		}
		last := v
		for values.has(last + 1) {
			last++
		}
		if last < v+2 {
			words = append(words, name(v))
			continue
		}
		words = append(words, name(v)+" to "+name(last))
		v = last
	}
	return words
}

// list joins words as in "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func ordinal(n int) string {
	if n == lastInMonth {
		return "last"
	}
	return []string{"first", "second", "third", "fourth", "fifth"}[n-1]
}

// weekday names a day of the week, 1 being Sunday.
func weekday(day int) string { return time.Weekday(day - 1).String() }

// every is "hour" for 1, else "4 hours".
func every(n int, unit string) string {
	if n == 1 {
		return unit
	}
	return plural(n, unit)
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
