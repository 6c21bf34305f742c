package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// A table has its columns where there is room for them, and where nobody looks: in a
// log. Otherwise no line is longer than the terminal.
func TestTable(t *testing.T) {
	header := []string{"SECRET", "STATE", "NEXT WINDOW"}
	rows := [][]string{{"prod/app", "ok", "Sun 2026-03-01 02:00-05:00 UTC"}, {"prod/ledger/app", "needs attention", "any time"}}
	const wide = "SECRET            STATE             NEXT WINDOW\n" +
		"prod/app          ok                Sun 2026-03-01 02:00-05:00 UTC\n" +
		"prod/ledger/app   needs attention   any time\n"
	for columns, want := range map[int]string{0: wide, 90: wide, 50: ""} {
		var b bytes.Buffer
		p := New(&b)
		if columns > 0 {
			p.columns = func() int { return columns }
		}
		p.Table(header, rows)
		got := ansi.Strip(b.String())
		if want != "" && got != want {
			t.Errorf("%d columns:\n%s", columns, got)
		}
		for line := range strings.Lines(got) {
			if columns > 0 && len(line) > columns {
				t.Errorf("%d columns: %q", columns, line)
			}
		}
		if !strings.Contains(got, "needs attention") || strings.Count(got, "2026") != 1 {
			t.Errorf("%d columns:\n%s", columns, got)
		}
	}
}
