// Package pattern compiles regular expressions on first use, which keeps them out of a
// function's cold start.
package pattern

import (
	"regexp"
	"sync"
)

// New returns a function that compiles the expression once, and panics if it is invalid.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
