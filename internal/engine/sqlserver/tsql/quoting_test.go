package tsql_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// FuzzQuoting: what is quoted cannot be left, and reads as what it was.
func FuzzQuoting(f *testing.F) {
	enginetest.FuzzQuoting(f, func(t *testing.T, s string) {
		enginetest.Quoted(t, tsql.Name(s), "[]", s)
		enginetest.Quoted(t, tsql.Text(s)[1:], "'", s)
	})
}
