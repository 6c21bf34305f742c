package terminal

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// gap is the space between two columns of a table.
const gap = "   "

// Table writes rows under a header. On a terminal that is too narrow, it writes each row as
// lines of a label and a value, since wrapped rows are hard to read.
func (p *Printer) Table(header []string, rows [][]string) {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := len(gap) * (len(header) - 1)
	for _, w := range widths {
		total += w
	}
	if p.columns != nil && total > p.room() {
		p.records(header, rows)
		return
	}
	for _, row := range append([][]string{header}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s%s", widths[i], cell, gap)
		}
		p.whole(strings.TrimRight(line.String(), " "))
	}
}

func (p *Printer) records(header []string, rows [][]string) {
	for i, row := range rows {
		if i > 0 {
			p.whole("")
		}
		p.whole(bold.Render(row[0]))
		for j, cell := range row[1:] {
			p.wrapped(fmt.Sprintf("  %-14s ", strings.ToLower(header[j+1])), strings.Repeat(" ", 17), cell)
		}
	}
}

// Paragraph writes a text after an empty line.
func (p *Printer) Paragraph(format string, args ...any) {
	p.whole("")
	p.line("", fmt.Sprintf(format, args...))
}

// Markdown writes a paragraph, list or table of Markdown, without the marks of code and bold
// text, and with wrapped lines joined.
func (p *Printer) Markdown(paragraph string) {
	p.whole("")
	plain := strings.NewReplacer("`", "", "**", "").Replace(paragraph)
	text := ""
	flush := func() {
		if text != "" {
			lead := "  "
			p.wrapped(lead, lead+hang(text), text)
		}
		text = ""
	}
	for line := range strings.Lines(plain) {
		line = strings.TrimRight(line, "\n")
		item := strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "|") || len(line) > 2 && line[1] == '.' && line[2] == ' '
		if item {
			flush()
		}
		if text != "" {
			text += " "
		}
		text += strings.TrimSpace(line)
	}
	flush()
}

// hang is the indent of a list's item from its second line on.
func hang(text string) string {
	switch {
	case strings.HasPrefix(text, "- "):
		return "  "
	case len(text) > 2 && text[1] == '.' && text[2] == ' ':
		return "   "
	}
	return ""
}
