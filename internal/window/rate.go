package window

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Source: AWS Secrets Manager user guide, "Rotation schedules".
const (
	shortestGap = 4   // hours between rotations
	longestRate = 999 // days between rotations
)

// parseRate parses the text between the parentheses of rate(Value Unit).
func parseRate(inside string) (Schedule, error) {
	const example = "write for example rate(12 hours) or rate(10 days)"
	parts := strings.Fields(inside)
	if len(parts) != 2 {
		return Schedule{}, refuse("expression", "rate("+inside+")", fmt.Sprintf("a rate has a value and a unit, and this has %s", plural(len(parts), "part")), example)
	}
	value, unit := parts[0], parts[1]
	digits := strings.TrimLeft(value, "0")
	if strings.Trim(value, "0123456789") != "" || digits == "" {
		return Schedule{}, refuse("rate value", value, "the value is a positive whole number", example)
	}
	hoursPerUnit := 0
	switch unit {
	case "hour", "hours":
		hoursPerUnit = 1
	case "day", "days":
		hoursPerUnit = 24
	default:
		return Schedule{}, refuse("rate unit", unit, "the unit is hour, hours, day or days, in small letters", example)
	}
	const longestHours = longestRate * 24
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil, n > longestHours/hoursPerUnit:
		return Schedule{}, refuse("rate value", value, fmt.Sprintf("a rate is at most %d days (%d hours)", longestRate, longestHours),
			fmt.Sprintf("use %d or less", longestHours/hoursPerUnit))
	case n*hoursPerUnit < shortestGap:
		return Schedule{}, refuse("rate value", value, "a secret is rotated at most every 4 hours", "use rate(4 hours) or a longer one")
	}
	return Schedule{
		expression: fmt.Sprintf("rate(%d %s)", n, unit),
		rate:       n * hoursPerUnit,
		inHours:    hoursPerUnit == 1,
	}, nil
}

// tick returns the rate's last opening at or before t, plus the given number of openings.
// It counts in seconds, which overflow later than a time.Duration.
func (s Schedule) tick(t time.Time, openings int64) time.Time {
	if s.rate == 0 {
		return time.Time{}
	}
	anchor := midnight(s.anchor()).Unix()
	step := int64(s.rate) * 3600
	passed := t.Unix() - anchor
	count := passed / step
	if passed%step < 0 { // integer division rounds towards zero
		count--
	}
	return time.Unix(anchor+(count+openings)*step, 0).UTC()
}

func (s Schedule) anchor() time.Time {
	if s.Anchor.IsZero() {
		return time.Unix(0, 0)
	}
	return s.Anchor
}

// midnight is when t's UTC day began.
func midnight(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
