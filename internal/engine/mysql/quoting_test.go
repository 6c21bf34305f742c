package mysql

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// FuzzQuoting: what is quoted cannot be left, and reads as what it was.
func FuzzQuoting(f *testing.F) {
	enginetest.FuzzQuoting(f, func(t *testing.T, s string) {
		enginetest.Quoted(t, text(s), "'", s)
		enginetest.Quoted(t, identifier(s), "`", s)
	})
}
