package asl

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with a definition.
type Problem struct {
	// State is the state's name; "" at the top of the definition.
	State string
	// Field is the path of the field in the state, such as
	// "Retry[0].BackoffRate"; "" for the state as a whole.
	Field string
	// Value is the offending value as JSON, shortened; "" when it is absent.
	Value string
	// Text says what is wrong, and Remedy what to do about it.
	Text, Remedy string
}

// Error returns everything in one line.
func (p Problem) Error() string {
	var b strings.Builder
	if p.State != "" {
		fmt.Fprintf(&b, "state %q: ", p.State)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	if p.Value != "" {
		b.WriteString(p.Value + ": ")
	}
	b.WriteString(p.Text)
	if p.Remedy != "" {
		b.WriteString(": " + p.Remedy)
	}
	return b.String()
}

// DefinitionError is what [Load] returns: everything that is wrong.
type DefinitionError struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *DefinitionError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return "state machine definition:\n\t" + strings.Join(lines, "\n\t")
}
