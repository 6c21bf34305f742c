// Package terminal writes what the tumbler command shows to people.
//
// Rules: colour, rewritten lines and wrapping are used only on a terminal. Otherwise the
// same text is written as plain lines in the same order, so that a log can be read and
// searched by line. Nothing depends on colour alone: every mark is also a different
// character.
package terminal

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

var (
	bold   = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	green  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	yellow = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	red    = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
	cyan   = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
)

// Checked is a stream that records the first error of a write, so that a command whose
// output was lost fails.
type Checked struct {
	W   io.Writer
	Err error
}

// Write implements [io.Writer].
func (c *Checked) Write(b []byte) (int, error) {
	n, err := c.W.Write(b)
	if c.Err == nil {
		c.Err = err
	}
	return n, err
}

// Printer writes to one stream. It is not safe for concurrent use.
type Printer struct {
	w       io.Writer
	live    bool             // lines may be rewritten
	open    bool             // a state's line is waiting for its result
	now     func() time.Time // default: time.Now
	state   follow.Step      // the state whose line is open
	note    string           // text after its name
	columns func() int       // of the terminal; nil where there is none
}

// New returns a Printer for w. Colours are reduced to those of the terminal, and left out
// without a terminal or if NO_COLOR is set.
func New(w io.Writer) *Printer {
	behind := w
	if c, ok := w.(*Checked); ok {
		behind = c.W
	}
	colours := colorprofile.NewWriter(behind, os.Environ())
	colours.Forward = w
	p := &Printer{w: colours}
	if f, ok := behind.(*os.File); ok && term.IsTerminal(f.Fd()) {
		p.live = os.Getenv("TERM") != "dumb"
		p.columns = func() int {
			columns, _, err := term.GetSize(f.Fd())
			if err != nil {
				return 0
			}
			return columns
		}
	}
	return p
}

// Heading begins a part.
func (p *Printer) Heading(format string, args ...any) {
	p.line("", "")
	p.line("", bold.Render(fmt.Sprintf(format, args...)))
}

// Say writes a line.
func (p *Printer) Say(format string, args ...any) { p.line("  ", fmt.Sprintf(format, args...)) }

// Aside writes a less important line.
func (p *Printer) Aside(format string, args ...any) {
	p.line("  ", faint.Render(fmt.Sprintf(format, args...)))
}

// Command writes a line that people copy: it is never wrapped.
func (p *Printer) Command(format string, args ...any) {
	p.whole("  " + fmt.Sprintf(format, args...))
}

// Check writes a statement and whether it is true.
func (p *Printer) Check(held bool, format string, args ...any) {
	mark := green.Render("✓")
	if !held {
		mark = red.Render("✗")
	}
	p.line("  "+mark+" ", fmt.Sprintf(format, args...))
}

// Unchecked writes a statement that was not checked.
func (p *Printer) Unchecked(format string, args ...any) {
	p.line("  "+faint.Render("–")+" ", faint.Render(fmt.Sprintf(format, args...)))
}

// Hint writes what to do about the check above it.
func (p *Printer) Hint(format string, args ...any) {
	p.line("    → ", fmt.Sprintf(format, args...))
}

// Quote writes a message, such as an alert, set off from the rest.
func (p *Printer) Quote(text string) {
	bar := "  " + yellow.Render("│") + " "
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		label := quotedLabel.FindString(line)
		p.wrapped(bar+label, bar+strings.Repeat(" ", len(label)), line[len(label):])
	}
}

// quotedLabel is the label of a line such as "Cause:   it broke".
var quotedLabel = regexp.MustCompile(`^[A-Z][A-Za-z ]{0,15}: +`)

// Fact writes a label and a value in two columns.
func (p *Printer) Fact(label, format string, args ...any) {
	p.line(fmt.Sprintf("  %-26s ", label), fmt.Sprintf(format, args...))
}

// Step shows what happened to a state of an execution. States that only route
// or reshape data are left out.
func (p *Printer) Step(s follow.Step) {
	if s.Type == "Choice" || s.Type == "Pass" {
		return
	}
	switch s.Kind {
	case follow.Entered:
		switch {
		case s.Type == "Succeed":
			p.line("  "+green.Render("■")+" ", green.Render(s.State))
		case s.Type == "Fail":
			p.line("  "+ending(s.State).Render("■")+" ", ending(s.State).Render(s.State))
		case p.live:
			p.Close() // an execution that was redriven enters a state twice
			fmt.Fprintf(p.w, "  %s %s", cyan.Render("○"), s.State)
			p.open, p.state, p.note = true, s, ""
		}
	case follow.Left:
		if s.Type != "Succeed" {
			p.result(green.Render("●"), s, p.window(s.Window))
		}
	case follow.Paused:
		if p.live {
			p.open, p.state.State, p.note = true, s.State, fmt.Sprintf("%s: %s, next within %s", attempt(s), s.Error, s.Within)
			p.Second()
		}
	case follow.Retried:
		p.result(yellow.Render("↻"), s, yellow.Render(s.Error)+", "+attempt(s)+", trying again: "+s.Cause)
	case follow.Failed:
		tried := ""
		if s.Attempt > 1 {
			tried = ", " + attempt(s)
		}
		p.result(red.Render("✗"), s, red.Render(s.Error)+tried+": "+s.Cause)
	}
}

func attempt(s follow.Step) string {
	if s.Of == 0 {
		return "an attempt failed"
	}
	return fmt.Sprintf("attempt %d of %d", s.Attempt, s.Of)
}

func (p *Printer) clock() time.Time {
	if p.now == nil {
		return time.Now()
	}
	return p.now()
}

// window describes when a rotation window opens or closes.
func (p *Printer) window(w *follow.Window) string {
	if w == nil {
		return ""
	}
	does, at := "closes", w.ClosesAt
	if w.Waits {
		does, at = "opens", w.OpensAt
	}
	text := "the rotation window " + does + " " + at.UTC().Format("2006-01-02 15:04") + " UTC"
	if left := at.Sub(p.clock()); left > 0 {
		text += ", in " + left.Round(time.Second).String()
	}
	return text
}

// Second redraws the open line with how long its state has been running. It truncates the
// note, since a wrapped line cannot be redrawn.
func (p *Printer) Second() {
	if !p.live || !p.open || p.state.State == "" {
		return
	}
	text := fmt.Sprintf("%-14s %8s ", p.state.State, p.clock().Sub(p.state.At).Round(time.Second))
	if room := p.room() - len(text) - 5; len(p.note) > room {
		text += p.note[:max(0, room)]
	} else {
		text += p.note
	}
	fmt.Fprintf(p.w, "\r\x1b[K  %s %s", cyan.Render("○"), text)
}

// ending is the colour of a failed ending, by its severity.
func ending(state string) lipgloss.Style {
	if state == string(rotation.NeedsAttention) {
		return red
	}
	return yellow
}

func (p *Printer) result(mark string, s follow.Step, note string) {
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
	defer func() { // the state continues: its line stays last
		if p.live && s.Kind == follow.Retried {
			p.open, p.note = true, ""
			p.Second()
		}
	}()
	lead := fmt.Sprintf("  %s %-14s %s ", mark, s.State, faint.Render(fmt.Sprintf("%8s", Duration(s.Took))))
	p.wrapped(lead, "      ", note) // causes are long and get the width
}

// Ending writes the ending of a successful execution.
func (p *Printer) Ending(e follow.Ending) {
	p.line("", fmt.Sprintf("%s in %s.", green.Render(e.State), Duration(e.Took)))
}

// Close ends an open line, so that the next output begins on a new line.
func (p *Printer) Close() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

// Duration writes a duration to a precision that people can use.
func Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1ms" // the resolution of Step Functions' timestamps
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
