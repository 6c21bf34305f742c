package pgwire_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// FuzzQuoting: what is quoted cannot be left, and reads as what it was.
func FuzzQuoting(f *testing.F) {
	enginetest.FuzzQuoting(f, func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "\x00", "") // parameters and documents have none
		literal := pgwire.Literal(s)
		if escaped, is := strings.CutPrefix(literal, "E"); is {
			if rest := strings.ReplaceAll(escaped, `\\`, ""); strings.Contains(rest, `\`) {
				t.Fatalf("%q escapes something", literal)
			}
			literal = strings.ReplaceAll(escaped, `\\`, `\`)
		} else if strings.Contains(s, `\`) {
			t.Fatalf("%q depends on settings", literal)
		}
		enginetest.Quoted(t, pgwire.Identifier(s), `"`, s)
		enginetest.Quoted(t, literal, "'", s)
	})
}
