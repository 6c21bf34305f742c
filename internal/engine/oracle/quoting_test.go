package oracle

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// FuzzQuoting: what is quoted cannot be left, and reads as what it was.
func FuzzQuoting(f *testing.F) {
	enginetest.FuzzQuoting(f, func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "\x00", "") // no name has one, and it is left out
		enginetest.Quoted(t, identifier(s).quoted(), `"`, s)
		enginetest.Quoted(t, literal(s), "'", s)
	})
}
