// Package pattern keeps regular expressions out of the start of a function: each is
// compiled when it is needed first.
package pattern

import (
	"regexp"
	"sync"
)

// New returns what compiles the expression, once. It panics then when it is none.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
