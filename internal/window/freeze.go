package window

import (
	"fmt"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// Freeze is the periods in which scheduled rotations do not start, such as the
// end of the year. It does not move windows: one that opens in it is skipped.
type Freeze []Period

// Period is whole UTC days, first and last included.
type Period struct {
	First, Last time.Time // midnight UTC
	Name        string    // the reason, for people. Optional.
}

const freezeExample = `write a date such as 2026-12-24, or first and last day such as "2026-12-15..2027-01-05 year-end"`

// ParseFreeze parses periods: a date such as 2026-12-15, or FIRST..LAST, optionally
// followed by a space and a name. Its errors are [*Error].
func ParseFreeze(periods ...string) (Freeze, error) {
	var f Freeze
	for _, text := range periods {
		p, err := parsePeriod(text)
		if err != nil {
			return nil, err
		}
		f = append(f, p)
	}
	return f, nil
}

var (
	spacedRange = pattern.New(`^\s*(\S+)\s*\.\.\s*`)
	// dateInName matches a range that is not written as FIRST..LAST, such as "FIRST to
	// LAST". Read as a name, the rest would leave all days but one unprotected.
	dateInName = pattern.New(`[0-9]{4}-[0-9]{2}|^\.\.`)
)

func parsePeriod(text string) (p Period, err error) {
	dates, name, _ := strings.Cut(strings.TrimSpace(spacedRange().ReplaceAllString(text, "$1..")), " ")
	if dateInName().MatchString(name) {
		return Period{}, refuse("freeze", text, "there is a date in the name, where it freezes nothing", freezeExample)
	}
	from, to, isRange := strings.Cut(dates, "..")
	if !isRange {
		to = from
	}
	for _, end := range []struct {
		text string
		time *time.Time
	}{{from, &p.First}, {to, &p.Last}} {
		if *end.time, err = time.Parse(time.DateOnly, end.text); err != nil {
			return Period{}, refuse("freeze", text, fmt.Sprintf("%q is not a date of the calendar", end.text), freezeExample)
		}
	}
	if p.Last.Before(p.First) {
		return Period{}, refuse("freeze", text, "it ends before it begins", fmt.Sprintf("write %s..%s", to, from))
	}
	p.Name = strings.TrimSpace(name)
	return p, nil
}

// Contains reports whether t is frozen.
func (f Freeze) Contains(t time.Time) bool {
	_, frozen := f.At(t)
	return frozen
}

// At returns the period that contains t, if there is one; of several, the one that ends
// last.
func (f Freeze) At(t time.Time) (frozen Period, ok bool) {
	for _, p := range f {
		if !t.Before(p.First) && t.Before(p.end()) && (!ok || p.Last.After(frozen.Last)) {
			frozen, ok = p, true
		}
	}
	return frozen, ok
}

// Text describes the periods in English, such as "Frozen from 2026-12-15 to 2027-01-05
// (year-end): no scheduled rotation starts then."
func (f Freeze) Text() string {
	if len(f) == 0 {
		return "Never frozen."
	}
	words := make([]string, len(f))
	for i, p := range f {
		words[i] = p.Text()
	}
	return "Frozen " + list(words) + ": no scheduled rotation starts then."
}

// Text describes the period in English, such as "on 2026-12-24".
func (p Period) Text() string {
	words := "from " + p.First.Format(time.DateOnly) + " to " + p.Last.Format(time.DateOnly)
	if p.First.Equal(p.Last) {
		words = "on " + p.First.Format(time.DateOnly)
	}
	if p.Name != "" {
		words += " (" + p.Name + ")"
	}
	return words
}

// String is the period as [ParseFreeze] reads it.
func (p Period) String() string {
	text := p.First.Format(time.DateOnly)
	if !p.First.Equal(p.Last) {
		text += ".." + p.Last.Format(time.DateOnly)
	}
	return strings.TrimSpace(text + " " + p.Name)
}

// end is the first instant after the period.
func (p Period) end() time.Time { return p.Last.AddDate(0, 0, 1) }
