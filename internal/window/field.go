package window

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// set holds the values of one field, 0 to 31.
type set uint32

func (s set) has(value int) bool { return s&(1<<value) != 0 }

func (s *set) add(value int) { *s |= 1 << value }

// first and last are the smallest and largest value of a set that is not empty.
func (s set) first() int { return bits.TrailingZeros32(uint32(s)) }
func (s set) last() int  { return bits.Len32(uint32(s)) - 1 }
func (s set) count() int { return bits.OnesCount32(uint32(s)) }

// all yields the values in ascending order.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for rest := s; rest != 0 && yield(rest.first()); {
			rest &= rest - 1
		}
	}
}

// field is one of the fields of a cron expression.
type field struct {
	name      string
	min, max  int
	names     []string // names[i] is another word for min+i
	wildcards string
	remedy    string
}

// Source: AWS Secrets Manager user guide, "Rotation schedules", Cron
// expressions.
var (
	minutesField = field{name: "minutes", remedy: "write 0"}
	hoursField   = field{
		name: "hours", max: 23, wildcards: "/",
		remedy: "write one hour such as 10, or an increment such as 0/8",
	}
	dayOfMonthField = field{
		name: "day-of-month", min: 1, max: 31, wildcards: ",-*?/L",
		remedy: "write for example 1,15 or L for the last day, or ? if day-of-week says it",
	}
	monthField = field{
		name: "month", min: 1, max: 12, wildcards: ",-*/",
		names:  []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
		remedy: "write for example * or JAN,JUL or 1/3",
	}
	dayOfWeekField = field{
		name: "day-of-week", min: 1, max: 7, wildcards: "#,-*?/L",
		names:  []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"},
		remedy: "write for example MON-FRI or TUE#3 or SUNL, or ? if day-of-month says it",
	}
)

func (f field) refuse(text, format string, args ...any) *Error {
	return refuse(f.name, text, fmt.Sprintf(format, args...), f.remedy)
}

// allows refuses the symbols that the field does not have.
func (f field) allows(text string) error {
	for _, r := range text {
		if isAlphanumeric(r) || strings.ContainsRune(f.wildcards, r) {
			continue
		}
		if f.wildcards == "" {
			return f.refuse(text, "%c is not allowed here", r)
		}
		return f.refuse(text, "%c is not allowed here, only %s", r, strings.Join(strings.Split(f.wildcards, ""), " "))
	}
	return nil
}

// parse reads *, values, ranges, increments and lists of these.
func (f field) parse(text string) (set, error) {
	if err := f.allows(text); err != nil {
		return 0, err
	}
	if text == "*" {
		return f.every(f.min, 1), nil
	}
	var values set
	for item := range strings.SplitSeq(text, ",") {
		more, err := f.item(text, item)
		if err != nil {
			return 0, err
		}
		values |= more
	}
	return values, nil
}

func (f field) item(text, item string) (set, error) {
	switch {
	case item == "":
		return 0, f.refuse(text, "a value is missing beside a comma")
	case item == "*" || item == "?" || item == "L" && strings.Contains(f.wildcards, "L"):
		return 0, f.refuse(text, "%s cannot stand in a list", item)
	case strings.Contains(item, "/"):
		return f.increment(text, item)
	}
	from, to, isRange := strings.Cut(item, "-")
	first, err := f.value(text, from)
	if err != nil {
		return 0, err
	}
	last := first
	if isRange {
		if last, err = f.value(text, to); err != nil {
			return 0, err
		}
		if last < first {
			return 0, refuse(f.name, text, fmt.Sprintf("the range %s ends before it begins", item), "split it in two at the end of the "+f.cycle())
		}
	}
	var values set
	for v := first; v <= last; v++ {
		values.add(v)
	}
	return values, nil
}

// cycle names the unit after which a field's values start again.
func (f field) cycle() string {
	switch f.name {
	case "month":
		return "year"
	case "day-of-week":
		return "week"
	}
	return "month"
}

// increment reads start/step, and /step or */step from the field's first value.
func (f field) increment(text, item string) (set, error) {
	from, by, _ := strings.Cut(item, "/")
	step, err := strconv.Atoi(by)
	if err != nil || len(by) > 2 || step < 1 || step > f.max {
		return 0, f.refuse(text, "the increment %q is not a number from 1 to %d", by, f.max)
	}
	start := f.min
	if from != "" && (from != "*" || !strings.Contains(f.wildcards, "*")) {
		if strings.Contains(from, "-") {
			return 0, f.refuse(text, "an increment starts at one value, not at a range")
		}
		if start, err = f.value(text, from); err != nil {
			return 0, err
		}
	}
	return f.every(start, step), nil
}

func (f field) every(start, step int) set {
	var values set
	for v := start; v <= f.max; v += step {
		values.add(v)
	}
	return values
}

// value reads a number or a name.
func (f field) value(text, word string) (int, error) {
	for i, name := range f.names {
		if word == name {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(word)
	if err != nil || len(word) > 2 || n < f.min || n > f.max {
		switch {
		case len(word) > 1 && strings.HasSuffix(word, "L") && strings.Contains(f.wildcards, "L"):
			return 0, f.refuse(text, "%s cannot stand here: L is used by itself or, in day-of-week, after one day", word)
		case strings.HasSuffix(word, "W"):
			return 0, f.refuse(text, "W, the nearest weekday, is not available in rotation schedules")
		}
		return 0, f.refuse(text, "%q is not %s", word, f.valueWords())
	}
	return n, nil
}

func (f field) valueWords() string {
	words := fmt.Sprintf("a number from %d to %d", f.min, f.max)
	if f.names != nil {
		words += fmt.Sprintf(" or a name from %s to %s", f.names[0], f.names[len(f.names)-1])
	}
	return words
}
