package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

func TestProgress(t *testing.T) {
	var plain bytes.Buffer
	p := New(&plain)
	p.Progress(7, 120, "%d failed", 2)
	p.Progress(120, 120, "ended")
	p.Close()
	if got := plain.String(); got != "    7 of 120  2 failed\n  120 of 120  ended\n" || p.Live() {
		t.Errorf("%q", got)
	}

	var live bytes.Buffer
	p = New(&live)
	p.live, p.columns = true, func() int { return 60 }
	for _, done := range []int{0, 60, 120, 500} {
		p.Progress(done, 120, "%s", strings.Repeat("x", 100))
	}
	p.Say("Done.")
	lines := strings.Split(live.String(), "\r")
	if len(lines) != 4 {
		t.Fatalf("%q", lines)
	}
	for i, full := range []int{0, 15, 30, 30} {
		if n := strings.Count(lines[i], "█"); n != full {
			t.Errorf("%d of %d in %q", n, full, lines[i])
		}
		line, _, _ := strings.Cut(lines[i], "\n")
		if w := ansi.StringWidth(line); w > 60 {
			t.Errorf("%d columns in %q", w, line)
		}
	}
	if !strings.HasSuffix(live.String(), "\n  Done.\n") {
		t.Errorf("%q", lines[3])
	}
}
