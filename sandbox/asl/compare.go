package asl

import (
	"cmp"
	"encoding/json"
	"strings"
)

// comparison is a Data-test operator without "Path" (ASL: "Choice State",
// Data-test Expression). Values of another type than the operator's do not
// match; that is not an error.
type comparison struct {
	kind     func(any) bool
	kindName string
	holds    func(value, with any) bool
}

var comparisons = func() map[string]comparison {
	table := map[string]comparison{
		"StringMatches": {isText, "a string", func(v, with any) bool {
			s, ok := v.(string)
			pattern, patternOK := with.(string)
			return ok && patternOK && glob(pattern, s)
		}},
		"BooleanEquals": {isBoolean, "true or false", func(v, with any) bool { return isBoolean(v) && v == with }},
	}
	for name, test := range map[string]func(int) bool{
		"Equals":            func(c int) bool { return c == 0 },
		"LessThan":          func(c int) bool { return c < 0 },
		"GreaterThan":       func(c int) bool { return c > 0 },
		"LessThanEquals":    func(c int) bool { return c <= 0 },
		"GreaterThanEquals": func(c int) bool { return c >= 0 },
	} {
		for _, kind := range []struct {
			name, kindName string
			is             func(any) bool
			compare        func(a, b any) int
		}{
			{"String", "a string", isText, func(a, b any) int { return cmp.Compare(a.(string), b.(string)) }},
			{"Numeric", "a number", isNumber, func(a, b any) int { return cmp.Compare(float(a), float(b)) }},
			{"Timestamp", "a time such as 2026-01-31T12:00:00Z", isTimestamp, compareTimes},
		} {
			table[kind.name+name] = comparison{kind.is, kind.kindName, func(v, with any) bool {
				return kind.is(v) && kind.is(with) && test(kind.compare(v, with))
			}}
		}
	}
	return table
}()

// tests are the operators that ask for a type.
var tests = map[string]func(any) bool{
	"IsPresent":   func(any) bool { return true },
	"IsNull":      func(v any) bool { return v == nil },
	"IsString":    isText,
	"IsNumeric":   isNumber,
	"IsBoolean":   isBoolean,
	"IsTimestamp": isTimestamp,
}

func isText(v any) bool { _, ok := v.(string); return ok }

func isNumber(v any) bool { _, ok := v.(json.Number); return ok }

func isBoolean(v any) bool { _, ok := v.(bool); return ok }

func isTimestamp(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	_, err := parseTimestamp(s)
	return err == nil
}

func float(v any) float64 {
	f, _ := v.(json.Number).Float64() // out of range gives an infinity, which compares well
	return f
}

func compareTimes(a, b any) int {
	at, _ := parseTimestamp(a.(string))
	bt, _ := parseTimestamp(b.(string))
	return at.Compare(bt)
}

// glob matches StringMatches: an asterisk stands for any characters, and \\*
// and \\\\ for an asterisk and a backslash.
func glob(pattern, s string) bool {
	var literals []string
	var part strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			part.WriteByte(pattern[i])
		case pattern[i] == '*':
			literals = append(literals, part.String())
			part.Reset()
		default:
			part.WriteByte(pattern[i])
		}
	}
	literals = append(literals, part.String())
	if len(literals) == 1 {
		return s == literals[0]
	}
	last := literals[len(literals)-1]
	rest, ok := strings.CutPrefix(s, literals[0])
	if !ok {
		return false
	}
	for _, l := range literals[1 : len(literals)-1] {
		if _, rest, ok = strings.Cut(rest, l); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, last)
}
