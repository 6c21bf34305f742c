package terminal

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// narrowest is the minimum text width for a hanging indent.
const narrowest = 40

// line writes lead and text. Wrapped lines are aligned with the beginning of text.
func (p *Printer) line(lead, text string) {
	p.wrapped(lead, strings.Repeat(" ", ansi.StringWidth(lead)), text)
}

// wrapped writes text after lead, and its further lines after hang.
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

// whole writes one line without wrapping.
func (p *Printer) whole(line string) {
	p.Close()
	fmt.Fprintln(p.w, strings.TrimRight(line, " "))
}

// wrap breaks text between words, into a line of width first and others of width rest. A
// word that is too long, such as an ARN, is not broken, so that it can be copied.
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
