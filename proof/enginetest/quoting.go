package enginetest

import (
	"strings"
	"testing"
)

// FuzzQuoting seeds and runs a fuzzer of what quotes texts for statements.
func FuzzQuoting(f *testing.F, check func(t *testing.T, s string)) {
	for _, seed := range []string{"", "app", "o'Brien", "\\", "\\'", "a`b\"c]d", "''", "表", "\x00'", "--", "/*"} {
		f.Add(seed)
	}
	f.Fuzz(check)
}

// Quoted checks that what is quoted cannot be left, and reads as what it was. marks are
// the quotes, two where they differ; the closing one is doubled within.
func Quoted(t *testing.T, quoted, marks, s string) {
	t.Helper()
	inner, end := quoted[1:len(quoted)-1], marks[len(marks)-1:]
	if quoted[:1] != marks[:1] || quoted[len(quoted)-1:] != end {
		t.Fatalf("%q is not quoted", quoted)
	}
	if strings.Contains(strings.ReplaceAll(inner, end+end, ""), end) {
		t.Fatalf("%q can be left", quoted)
	}
	if got := strings.ReplaceAll(inner, end+end, end); got != s {
		t.Fatalf("%q reads as %q", quoted, got)
	}
}
