package terminal

import (
	"fmt"
	"strings"
)

// barWidth is the length of a progress bar, in columns.
const barWidth = 30

// Progress shows progress: on a terminal as a bar that is redrawn, and otherwise as a line
// for each call. End it with [Printer.Close].
func (p *Printer) Progress(done, total int, format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	count := fmt.Sprintf("%*d of %d", len(fmt.Sprint(total)), done, total)
	if !p.live {
		p.line("  ", count+"  "+note)
		return
	}
	full := 0
	if total > 0 {
		full = min(done, total) * barWidth / total
	}
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	bar := green.Render(strings.Repeat("█", full)) + faint.Render(strings.Repeat("░", barWidth-full))
	// A wrapped line cannot be redrawn.
	if room := p.room() - barWidth - len(count) - 6; room < len(note) {
		note = note[:max(0, room)]
	}
	fmt.Fprintf(p.w, "  %s %s  %s", bar, count, note)
	p.open = true
}

// room is the width of the terminal.
func (p *Printer) room() int {
	const standard = 80
	if p.columns != nil {
		if n := p.columns(); n > 0 {
			return n
		}
	}
	return standard
}

// Live reports whether lines may be rewritten.
func (p *Printer) Live() bool { return p.live }
