package window

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// calendar is a parsed cron expression. Exactly one of days, lastDay and weekdays is set.
type calendar struct {
	hours    set  // 0-23
	months   set  // 1-12
	days     set  // of the month, 1-31
	lastDay  bool // of the month
	weekdays set  // 1-7, Sunday first
	nth      int  // which of a month's weekdays, 1-5 or lastInMonth; 0 is all of them
}

const lastInMonth = -1

var leadingZeros = pattern.New(`\b0+([0-9])`)

// parseCron parses the text between the parentheses of cron(...).
func parseCron(inside string) (Schedule, error) {
	// AWS documents names in capitals, but its schedulers also accept lower case.
	fields := strings.Fields(strings.ToUpper(inside))
	if len(fields) != 6 {
		return Schedule{}, refuse("expression", "cron("+inside+")", fmt.Sprintf("it has %d fields, not the six Minutes Hours Day-of-month Month Day-of-week Year", len(fields)),
			"write for example cron(0 2 ? * SUN *), without spaces inside a field")
	}
	for i := range fields {
		fields[i] = leadingZeros().ReplaceAllString(fields[i], "$1")
	}
	c := &calendar{}
	if err := c.parse(fields); err != nil {
		return Schedule{}, err
	}
	if err := c.check(fields); err != nil {
		return Schedule{}, err
	}
	return Schedule{
		expression: "cron(" + strings.Join(fields, " ") + ")",
		inHours:    strings.Contains(fields[1], "/"),
		cron:       c,
	}, nil
}

func (c *calendar) parse(fields []string) (err error) {
	if fields[0] != "0" {
		return minutesField.refuse(fields[0], "windows open on the hour, so minutes is always 0")
	}
	if c.hours, err = hoursField.parse(fields[1]); err != nil {
		return err
	}
	if c.months, err = monthField.parse(fields[3]); err != nil {
		return err
	}
	if err := c.parseDays(fields[2], fields[4]); err != nil {
		return err
	}
	if fields[5] != "*" {
		return refuse("year", fields[5], "a rotation repeats every year, so year is always *", "write *")
	}
	return nil
}

func (c *calendar) parseDays(dayOfMonth, dayOfWeek string) (err error) {
	for _, f := range []struct {
		field
		text string
	}{{dayOfMonthField, dayOfMonth}, {dayOfWeekField, dayOfWeek}} {
		if f.text == "?" {
			continue
		}
		if err := f.allows(f.text); err != nil {
			return err
		}
	}
	const rule = "exactly one of day-of-month and day-of-week is ?"
	switch {
	case dayOfMonth == "?" && dayOfWeek == "?":
		return refuse("day-of-week", dayOfWeek, rule+", and both are", "write * in one of them for every day")
	case dayOfMonth == "?":
		return c.parseWeekdays(dayOfWeek)
	case dayOfWeek == "?" && dayOfMonth == "L":
		c.lastDay = true
		return nil
	case dayOfWeek == "?":
		c.days, err = dayOfMonthField.parse(dayOfMonth)
		return err
	case dayOfMonth == "*":
		return refuse("day-of-month", dayOfMonth, rule+", and neither is", "write ? in day-of-month, as day-of-week says the days")
	case dayOfWeek == "*":
		return refuse("day-of-week", dayOfWeek, rule+", and neither is", "write ? in day-of-week, as day-of-month says the days")
	}
	return refuse("day-of-week", dayOfWeek, rule+", and neither is", "choose the days by one of the two and write ? in the other")
}

func (c *calendar) parseWeekdays(text string) (err error) {
	f := dayOfWeekField
	day := text
	switch name, nth, numbered := strings.Cut(text, "#"); {
	case text == "L": // "the last day of the week"
		c.weekdays.add(7)
		return nil
	case numbered:
		if strings.ContainsAny(text, ",-/") {
			return f.refuse(text, "# is used with one day alone")
		}
		if len(nth) != 1 || nth < "1" || nth > "5" {
			return f.refuse(text, "the number after # is 1 to 5")
		}
		day, c.nth = name, int(nth[0]-'0')
	case strings.HasSuffix(text, "L") && !strings.ContainsAny(text, ",-/"):
		day, c.nth = strings.TrimSuffix(text, "L"), lastInMonth
	default:
		c.weekdays, err = f.parse(text)
		return err
	}
	value, err := f.value(text, day)
	c.weekdays.add(value)
	return err
}

// checkedYears are enough for every date, including 29 February, to fall on every weekday.
// They contain no year such as 2100, which breaks the cycle.
const (
	firstCheckedYear = 2000
	checkedYears     = 28
)

// check refuses a calendar that never opens or opens too often.
func (c *calendar) check(fields []string) error {
	var opens, onConsecutiveDays, onLast bool
	for i := range checkedYears * 12 {
		first := time.Date(firstCheckedYear, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC)
		days := c.daysIn(first)
		opens = opens || days != 0
		onConsecutiveDays = onConsecutiveDays || days&(days<<1) != 0 || onLast && days.has(1)
		onLast = days.has(daysOf(first))
	}
	if !opens {
		// Weekdays occur in every month, so this is a day of the month.
		return refuse("day-of-month", fields[2], fmt.Sprintf("no month of %q has such a day, so the window would never open", fields[3]),
			"use a day that the month has, or L for its last day")
	}
	if gap, between := c.shortestGap(onConsecutiveDays); gap < shortestGap {
		return refuse("hours", fields[1], fmt.Sprintf("%s are %s apart, at least %d are required; increments start again each day", between, plural(gap, "hour"), shortestGap),
			c.longerIncrement(onConsecutiveDays))
	}
	return nil
}

// shortestGap returns the least number of hours between two openings, and which
// they are.
func (c *calendar) shortestGap(onConsecutiveDays bool) (gap int, between string) {
	gap, previous := 24, -1
	for hour := range c.hours.all() {
		if previous >= 0 && hour-previous < gap {
			gap, between = hour-previous, fmt.Sprintf("%s and %s", clock(previous), clock(hour))
		}
		previous = hour
	}
	first, last := c.hours.first(), c.hours.last()
	if overnight := 24 - last + first; onConsecutiveDays && overnight < gap {
		gap, between = overnight, fmt.Sprintf("%s and %s of the next day", clock(last), clock(first))
	}
	return gap, between
}

// longerIncrement is the remedy for hours that are too close.
func (c *calendar) longerIncrement(onConsecutiveDays bool) string {
	start := c.hours.first()
	for step := shortestGap; step < 24; step++ {
		other := calendar{hours: hoursField.every(start, step)}
		if gap, _ := other.shortestGap(onConsecutiveDays); gap >= shortestGap && other.hours.count() <= c.hours.count() {
			return fmt.Sprintf("use %d/%d or a single hour", start, step)
		}
	}
	return "use a single hour"
}

// daysIn returns the days of a month on which windows open.
func (c *calendar) daysIn(first time.Time) set {
	var days set
	if !c.months.has(int(first.Month())) {
		return days
	}
	last := daysOf(first)
	for day := 1; day <= last; day++ {
		weekday := (int(first.Weekday())+day-1)%7 + 1
		opens := c.days.has(day)
		switch {
		case c.lastDay:
			opens = day == last
		case c.nth == lastInMonth:
			opens = c.weekdays.has(weekday) && day > last-7
		case c.nth > 0:
			opens = c.weekdays.has(weekday) && (day+6)/7 == c.nth
		case c.weekdays != 0:
			opens = c.weekdays.has(weekday)
		}
		if opens {
			days.add(day)
		}
	}
	return days
}

// daysOf returns how many days the month has that begins at first.
func daysOf(first time.Time) int { return first.AddDate(0, 1, -1).Day() }

// horizon is the longest search, in months. 29 February on a given weekday
// skips 40 years around 2100, and nothing is rarer.
const horizon = 41 * 12

func (c *calendar) next(after time.Time) time.Time {
	for i := range horizon {
		for _, opening := range c.openings(after, i) {
			if opening.After(after) {
				return opening
			}
		}
	}
	return time.Time{}
}

func (c *calendar) previous(before time.Time) time.Time {
	for i := range horizon {
		for _, opening := range slices.Backward(c.openings(before, -i)) {
			if opening.Before(before) {
				return opening
			}
		}
	}
	return time.Time{}
}

// openings returns when windows open in the month that is months after that of t.
func (c *calendar) openings(t time.Time, months int) (openings []time.Time) {
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	for day := range c.daysIn(first).all() {
		for hour := range c.hours.all() {
			openings = append(openings, first.AddDate(0, 0, day-1).Add(time.Duration(hour)*time.Hour))
		}
	}
	return openings
}

// clock writes a full hour; 24 is the end of the day.
func clock(hour int) string { return fmt.Sprintf("%02d:00", hour) }
