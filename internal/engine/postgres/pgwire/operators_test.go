package pgwire_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

func TestOperators(t *testing.T) {
	for given, want := range map[string]string{
		"":                       "",
		"SELECT 1":               "SELECT 1",
		"a {=} b AND c {<>} d":   "a OPERATOR(pg_catalog.=) b AND c OPERATOR(pg_catalog.<>) d",
		"{!~}{||}":               "OPERATOR(pg_catalog.!~)OPERATOR(pg_catalog.||)",
		"x {=} ANY ('{r,p}')":    "x OPERATOR(pg_catalog.=) ANY ('{r,p}')",
		"'{{=}'":                 "'{OPERATOR(pg_catalog.=)'",
		"'{}' '{' '}' {a=} {= }": "'{}' '{' '}' {a=} {= }",
		"open {=":                "open {=",
	} {
		if got := pgwire.Operators(given); got != want {
			t.Errorf("%s: got %s, want %s", given, got, want)
		}
	}
}
