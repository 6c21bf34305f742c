package terminal

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// narrowest is the width of text for which a hanging indent is still kept.
const narrowest = 40

// line writes lead and text. Where text has to be wrapped it goes on below its
// own beginning.
func (p *Printer) line(lead, text string) {
	p.wrapped(lead, strings.Repeat(" ", ansi.StringWidth(lead)), text)
}

// wrapped writes text behind lead, and behind hang from the second line on.
func (p *Printer) wrapped(lead, hang, text string) {
	first, rest := 0, 0
	if p.columns != nil {
		first, rest = p.columns()-ansi.StringWidth(lead), p.columns()-ansi.StringWidth(hang)
	}
	if min(first, rest) < narrowest {
		p.whole(lead + text)
		return
	}
	for _, line := range wrap(text, first, rest) {
		p.whole(lead + line)
		lead = hang
	}
}

// whole writes one line as it is.
func (p *Printer) whole(line string) {
	p.Close()
	fmt.Fprintln(p.w, strings.TrimRight(line, " "))
}

// wrap breaks text between words, into a line of the first width and others of
// the rest. A word that is too long, such as an ARN, stays in one piece, so that
// it can be copied.
func wrap(text string, first, rest int) []string {
	width := first
	if ansi.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width:
			line += " " + word
		default:
			lines, line, width = append(lines, line), word, rest
		}
	}
	return append(lines, line)
}
