package window

import (
	"errors"
	"strings"
	"testing"
)

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		expression, duration string
		field, value         string // value defaults to the expression
		rule                 string // a part of it
		remedy               string // a part of it. Optional.
	}{
		// The expression as a whole.
		{"", "", "expression", "", "empty", "rate(10 days)"},
		{"daily", "", "expression", "", "rate(Value Unit) or cron(", "cron(0 2 ? * SUN *)"},
		{"0 2 ? * SUN *", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"Rate(10 days)", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"CRON(0 2 ? * SUN *)", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"at(2026-10-01)", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"rate(10 days", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"rate 10 days", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{" rate(10 days)", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"rate(10 days) ", "", "expression", "", "rate(Value Unit) or cron(", ""},
		{"rate(1.5 days)", "", "expression", "", "the character '.' is not allowed", "letters, digits"},
		{"rate(+4 days)", "", "expression", "", "the character '+'", ""},
		{"rate(10\tdays)", "", "expression", "", `the character '\t'`, ""},
		{"cron(0 2 ? * SUN *)\n", "", "expression", "", `the character '\n'`, ""},
		{"cron(0 2 ? * MON–FRI *)", "", "expression", "", "the character '–'", ""},
		{"cron(0 0 1" + strings.Repeat(",1", 130) + " * ? *)", "", "expression", "cron(0 0 1" + strings.Repeat(",1", 35) + "...", "at most 256", "shorten"},

		// Rates.
		{"rate()", "", "expression", "", "this has 0 parts", ""},
		{"rate(10)", "", "expression", "", "this has 1 part", ""},
		{"rate(10days)", "", "expression", "", "this has 1 part", ""},
		{"rate(1 day 4 hours)", "", "expression", "", "this has 4 parts", ""},
		{"rate(0 days)", "", "rate value", "0", "positive whole number", ""},
		{"rate(-1 days)", "", "rate value", "-1", "positive whole number", ""},
		{"rate(ten days)", "", "rate value", "ten", "positive whole number", ""},
		{"rate(1/2 days)", "", "rate value", "1/2", "positive whole number", ""},
		{"rate(3 hours)", "", "rate value", "3", "at most every 4 hours", "rate(4 hours)"},
		{"rate(1 hour)", "", "rate value", "1", "at most every 4 hours", ""},
		{"rate(1000 days)", "", "rate value", "1000", "at most 999 days", "use 999 or less"},
		{"rate(23977 hours)", "", "rate value", "23977", "at most 999 days", "use 23976 or less"},
		{"rate(99999999999999999999 days)", "", "rate value", "99999999999999999999", "at most 999 days", ""},
		{"rate(30 minutes)", "", "rate unit", "minutes", "hour, hours, day or days", ""},
		{"rate(2 weeks)", "", "rate unit", "weeks", "hour, hours, day or days", ""},
		{"rate(10 Days)", "", "rate unit", "Days", "small letters", ""},

		// The number of fields.
		{"cron()", "", "expression", "", "0 fields, not the six", ""},
		{"cron(0 2 * * *)", "", "expression", "", "5 fields, not the six", "cron(0 2 ? * SUN *)"},
		{"cron(0 2 ? * SUN * *)", "", "expression", "", "7 fields, not the six", ""},
		{"cron(0 16 1, 15 * ? *)", "", "expression", "", "7 fields, not the six", "without spaces inside a field"},

		// Minutes.
		{"cron(30 2 ? * SUN *)", "", "minutes", "30", "minutes is always 0", "write 0"},
		{"cron(* 2 ? * SUN *)", "", "minutes", "*", "minutes is always 0", ""},
		{"cron(0/15 2 ? * SUN *)", "", "minutes", "0/15", "minutes is always 0", ""},
		{"cron(0,30 2 ? * SUN *)", "", "minutes", "0,30", "minutes is always 0", ""},

		// Hours.
		{"cron(0 24 ? * SUN *)", "", "hours", "24", "not a number from 0 to 23", "0/8"},
		{"cron(0 -1 ? * SUN *)", "", "hours", "-1", "- is not allowed here, only /", ""},
		{"cron(0 * ? * SUN *)", "", "hours", "*", "* is not allowed here, only /", ""},
		{"cron(0 */8 ? * SUN *)", "", "hours", "*/8", "* is not allowed here, only /", "0/8"},
		{"cron(0 ? ? * SUN *)", "", "hours", "?", "? is not allowed here", ""},
		{"cron(0 8,16 ? * SUN *)", "", "hours", "8,16", ", is not allowed here", ""},
		{"cron(0 8-16 ? * SUN *)", "", "hours", "8-16", "- is not allowed here", ""},
		{"cron(0 2#1 ? * SUN *)", "", "hours", "2#1", "# is not allowed here", ""},
		{"cron(0 L ? * SUN *)", "", "hours", "L", "not a number from 0 to 23", ""},
		{"cron(0 2am ? * SUN *)", "", "hours", "2AM", "not a number from 0 to 23", ""},
		{"cron(0 / ? * SUN *)", "", "hours", "/", `increment "" is not a number`, ""},
		{"cron(0 8/ ? * SUN *)", "", "hours", "8/", `increment "" is not a number`, ""},
		{"cron(0 /0 ? * SUN *)", "", "hours", "/0", `increment "0" is not a number`, ""},
		{"cron(0 0/24 ? * SUN *)", "", "hours", "0/24", `increment "24" is not a number from 1 to 23`, ""},
		{"cron(0 24/4 ? * SUN *)", "", "hours", "24/4", `"24" is not a number`, ""},
		{"cron(0 0/4/2 ? * SUN *)", "", "hours", "0/4/2", `increment "4/2"`, ""},
		{"cron(0 /3 * * ? *)", "", "hours", "/3", "00:00 and 03:00 are 3 hours apart, at least 4", "use 0/4"},
		{"cron(0 /1 * * ? *)", "", "hours", "/1", "are 1 hour apart", "use 0/4"},
		{"cron(0 0/7 * * ? *)", "", "hours", "0/7", "21:00 and 00:00 of the next day are 3 hours apart", "use 0/6"},
		{"cron(0 0/11 ? * MON-FRI *)", "", "hours", "0/11", "22:00 and 00:00 of the next day are 2 hours apart", ""},
		{"cron(0 1/11 L,1 * ? *)", "", "day-of-month", "L,1", "L cannot stand in a list", ""},
		{"cron(0 0/7 1/30 * ? *)", "", "hours", "0/7", "of the next day", ""}, // 31st and 1st
		{"cron(0 0/3 1 * ? *)", "", "hours", "0/3", "00:00 and 03:00", ""},

		// Day of the month.
		{"cron(0 2 0 * ? *)", "", "day-of-month", "0", "not a number from 1 to 31", ""},
		{"cron(0 2 32 * ? *)", "", "day-of-month", "32", "not a number from 1 to 31", ""},
		{"cron(0 2 1-32 * ? *)", "", "day-of-month", "1-32", `"32" is not a number`, ""},
		{"cron(0 2 15-1 * ? *)", "", "day-of-month", "15-1", "ends before it begins", "at the end of the month"},
		{"cron(0 2 1, * ? *)", "", "day-of-month", "1,", "missing beside a comma", ""},
		{"cron(0 2 1- * ? *)", "", "day-of-month", "1-", `"" is not a number`, ""},
		{"cron(0 2 15W * ? *)", "", "day-of-month", "15W", "W, the nearest weekday", ""},
		{"cron(0 2 LW * ? *)", "", "day-of-month", "LW", "W, the nearest weekday", ""},
		{"cron(0 2 L-3 * ? *)", "", "day-of-month", "L-3", `"L" is not a number`, ""},
		{"cron(0 2 15L * ? *)", "", "day-of-month", "15L", "L is used by itself", ""},
		{"cron(0 2 1#1 * ? *)", "", "day-of-month", "1#1", "# is not allowed here", ""},
		{"cron(0 2 *,1 * ? *)", "", "day-of-month", "*,1", "* cannot stand in a list", ""},
		{"cron(0 2 ?,1 * ? *)", "", "day-of-month", "?,1", "? cannot stand in a list", ""},
		{"cron(0 2 1-15/2 * ? *)", "", "day-of-month", "1-15/2", "starts at one value", ""},
		{"cron(0 2 1/32 * ? *)", "", "day-of-month", "1/32", `increment "32" is not a number from 1 to 31`, ""},
		{"cron(0 2 SUN * ? *)", "", "day-of-month", "SUN", "not a number from 1 to 31", ""},
		{"cron(0 2 (1) * ? *)", "", "day-of-month", "(1)", "( is not allowed here", ""},

		// Dates that do not exist.
		{"cron(0 2 31 2 ? *)", "", "day-of-month", "31", "would never open", "L for its last day"},
		{"cron(0 2 30 FEB ? *)", "", "day-of-month", "30", "would never open", ""},
		{"cron(0 2 30-31 FEB ? *)", "", "day-of-month", "30-31", "would never open", ""},
		{"cron(0 2 31 APR,JUN,SEP,NOV ? *)", "", "day-of-month", "31", "would never open", ""},
		{"cron(0 2 31 2/2 ? *)", "", "", "", "", ""}, // August has one

		// Month.
		{"cron(0 2 1 0 ? *)", "", "month", "0", "a number from 1 to 12 or a name from JAN to DEC", ""},
		{"cron(0 2 1 13 ? *)", "", "month", "13", "a number from 1 to 12", ""},
		{"cron(0 2 1 JUNE ? *)", "", "month", "JUNE", "a name from JAN to DEC", ""},
		{"cron(0 2 1 ? ? *)", "", "month", "?", "? is not allowed here", ""},
		{"cron(0 2 1 L ? *)", "", "month", "L", "a number from 1 to 12", ""},
		{"cron(0 2 1 NOV-FEB ? *)", "", "month", "NOV-FEB", "ends before it begins", "at the end of the year"},
		{"cron(0 2 1 1#2 ? *)", "", "month", "1#2", "# is not allowed here", ""},
		{"cron(0 2 1 1/13 ? *)", "", "month", "1/13", `increment "13" is not a number from 1 to 12`, ""},
		{"cron(0 2 1 JAN-MAR/2 ? *)", "", "month", "JAN-MAR/2", "starts at one value", ""},

		// Day of the week.
		{"cron(0 2 ? * 0 *)", "", "day-of-week", "0", "a number from 1 to 7 or a name from SUN to SAT", ""},
		{"cron(0 2 ? * 8 *)", "", "day-of-week", "8", "a number from 1 to 7", ""},
		{"cron(0 2 ? * SUNDAY *)", "", "day-of-week", "SUNDAY", "a name from SUN to SAT", ""},
		{"cron(0 2 ? * FRI-MON *)", "", "day-of-week", "FRI-MON", "ends before it begins", "at the end of the week"},
		{"cron(0 2 ? * SUN#0 *)", "", "day-of-week", "SUN#0", "# is 1 to 5", ""},
		{"cron(0 2 ? * SUN#6 *)", "", "day-of-week", "SUN#6", "# is 1 to 5", ""},
		{"cron(0 2 ? * SUN# *)", "", "day-of-week", "SUN#", "# is 1 to 5", ""},
		{"cron(0 2 ? * SUN#01 *)", "", "", "", "", ""}, // as 08 in hours
		{"cron(0 2 ? * #1 *)", "", "day-of-week", "#1", `"" is not a number`, ""},
		{"cron(0 2 ? * 8#1 *)", "", "day-of-week", "8#1", `"8" is not a number`, ""},
		{"cron(0 2 ? * SUN#1,SUN#3 *)", "", "day-of-week", "SUN#1,SUN#3", "# is used with one day alone", ""},
		{"cron(0 2 ? * MON-FRI#1 *)", "", "day-of-week", "MON-FRI#1", "# is used with one day alone", ""},
		{"cron(0 2 ? * SUN#1L *)", "", "day-of-week", "SUN#1L", "# is 1 to 5", ""},
		{"cron(0 2 ? * MON,FRIL *)", "", "day-of-week", "MON,FRIL", "L is used by itself or, in day-of-week, after one day", ""},
		{"cron(0 2 ? * MON,L *)", "", "day-of-week", "MON,L", "L cannot stand in a list", ""},
		{"cron(0 2 ? * 8L *)", "", "day-of-week", "8L", `"8" is not a number`, ""},
		{"cron(0 2 ? * MONW *)", "", "day-of-week", "MONW", "W, the nearest weekday", ""},
		{"cron(0 2 ? * MON/8 *)", "", "day-of-week", "MON/8", `increment "8" is not a number from 1 to 7`, ""},
		{"cron(0 2 ? * 002 *)", "", "", "", "", ""},

		// One of the two days is ?.
		{"cron(0 2 * * * *)", "", "day-of-month", "*", "exactly one of day-of-month and day-of-week is ?", "write ? in day-of-month"},
		{"cron(0 2 1 * * *)", "", "day-of-week", "*", "exactly one of", "write ? in day-of-week"},
		{"cron(0 2 * * SUN *)", "", "day-of-month", "*", "exactly one of", "write ? in day-of-month"},
		{"cron(0 2 1 * SUN *)", "", "day-of-week", "SUN", "exactly one of", "choose the days by one of the two"},
		{"cron(0 2 ? * ? *)", "", "day-of-week", "?", "exactly one of", "write * in one of them"},

		// Year.
		{"cron(0 2 ? * SUN 2026)", "", "year", "2026", "year is always *", "write *"},
		{"cron(0 2 ? * SUN 2026-2030)", "", "year", "2026-2030", "year is always *", ""},
		{"cron(0 2 ? * SUN ?)", "", "year", "?", "year is always *", ""},

		// Durations.
		{"rate(1 day)", "90m", "duration", "90m", "one or two digits and h", "such as 3h"},
		{"rate(1 day)", "3", "duration", "3", "one or two digits and h", ""},
		{"rate(1 day)", "h3", "duration", "h3", "one or two digits and h", ""},
		{"rate(1 day)", "hh", "duration", "hh", "one or two digits and h", ""},
		{"rate(1 day)", "3H", "duration", "3H", "one or two digits and h", ""},
		{"rate(1 day)", " 3h", "duration", " 3h", "one or two digits and h", ""},
		{"rate(1 day)", "003h", "duration", "003h", "one or two digits and h", ""},
		{"rate(1 day)", "1h30", "duration", "1h30", "one or two digits and h", ""},
		{"rate(1 day)", "0h", "duration", "0h", "at least one hour", "use 1h or more"},
		{"rate(1 day)", "25h", "duration", "25h", "within one UTC day", "use 24h or less"},
		{"rate(10 days)", "48h", "duration", "48h", "within one UTC day", ""},
		{"rate(4 hours)", "5h", "duration", "5h", "the next one, which opens 4 hours later", "use 4h or less"},
		{"rate(5 hours)", "2h", "duration", "2h", "one opens at 23:00", "use 1h"},
		{"rate(36 hours)", "13h", "duration", "13h", "one opens at 12:00", "use 12h or less"},
		{"cron(0 /8 * * ? *)", "9h", "duration", "9h", "the next one, which opens 8 hours later", "use 8h or less"},
		{"cron(0 2/10 * * ? *)", "3h", "duration", "3h", "one opens at 22:00", "use 2h or less"},
		{"cron(0 1/4 * * ? *)", "4h", "duration", "4h", "one opens at 21:00", "use 3h or less"},
		{"cron(0 22 * * ? *)", "3h", "duration", "3h", "one opens at 22:00", "use 2h or less"},
		{"cron(0 0 ? * SUN *)", "25h", "duration", "25h", "within one UTC day", "use 24h or less"},
		{"cron(0 23 ? * SUN *)", "2h", "duration", "2h", "one opens at 23:00", "use 1h"},
	} {
		t.Run(test.expression+" "+test.duration, func(t *testing.T) {
			_, err := Parse(test.expression, test.duration)
			if test.field == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			got, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			value := test.value
			if value == "" {
				value = test.expression
			}
			if got.Field != test.field || got.Value != value || !strings.Contains(got.Rule, test.rule) || !strings.Contains(got.Remedy, test.remedy) || got.Remedy == "" {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestRemediesWork holds that hours which are too close get a remedy that is
// accepted.
func TestRemediesWork(t *testing.T) {
	for start := range 24 {
		for step := 1; step < 24; step++ {
			expression := "cron(0 " + hoursText(start, step) + " * * ? *)"
			_, err := Parse(expression, "")
			refused, ok := errors.AsType[*Error](err)
			if !ok {
				continue
			}
			better, found := strings.CutSuffix(strings.TrimPrefix(refused.Remedy, "use "), " or a single hour")
			if !found {
				t.Errorf("%v", refused)
			}
			parse(t, "cron(0 "+better+" * * ? *)", "")
		}
	}
}
