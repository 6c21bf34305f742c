package window

import "fmt"

// Error is a refused schedule, duration or freeze.
type Error struct {
	Field  string // the part that is wrong, such as "hours" or "duration"
	Value  string // its value, shortened if long
	Rule   string // the rule it breaks
	Remedy string // what to write instead
}

// Error is one line: field, value, rule, remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %q: %s: %s", e.Field, e.Value, e.Rule, e.Remedy)
}

// longestValue keeps a message on one screen when the value is a whole file.
const longestValue = 80

func refuse(field, value, rule, remedy string) *Error {
	if len(value) > longestValue {
		value = value[:longestValue] + "..."
	}
	return &Error{Field: field, Value: value, Rule: rule, Remedy: remedy}
}
