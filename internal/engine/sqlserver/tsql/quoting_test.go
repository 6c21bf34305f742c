package tsql_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// FuzzQuoting: what is quoted cannot be left, and reads as what it was.
func FuzzQuoting(f *testing.F) {
	for _, seed := range []string{"", "app", "o'Brien", "\\", "\\'", "a`b\"c]d", "''", "表", "\x00'", "--", "/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for quoted, mark := range map[string]string{tsql.Name(s): "[]", tsql.Text(s)[1:]: "'"} {
			inner := quoted[1 : len(quoted)-1]
			if quoted[:1] != mark[:1] || quoted[len(quoted)-1:] != mark[len(mark)-1:] {
				t.Fatalf("%q is not quoted", quoted)
			}
			end := mark[len(mark)-1:]
			if strings.Contains(strings.ReplaceAll(inner, end+end, ""), end) {
				t.Fatalf("%q can be left", quoted)
			}
			if got := strings.ReplaceAll(inner, end+end, end); got != s {
				t.Fatalf("%q reads as %q", quoted, got)
			}
		}
	})
}
