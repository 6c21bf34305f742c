// Package runbook finds the section of docs/runbook.md about an error or an ending.
package runbook

import (
	"slices"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/docs"
	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// Section is one heading of the runbook and the text below it.
type Section struct {
	Title string
	Text  string // as written, without further headings
}

// others have a dot in their names, and share a section.
const others = "Errors of Step Functions and Lambda"

var heading = pattern.New(`(?m)^##+ (.+)\n`)

// Sections are all of them, in their order.
func Sections() []Section { return sections() }

// sections reads the runbook once.
var sections = sync.OnceValue(func() (list []Section) {
	found := heading().FindAllStringSubmatchIndex(docs.Runbook, -1)
	for i, at := range found {
		end := len(docs.Runbook)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		if text := strings.TrimSpace(docs.Runbook[at[1]:end]); text != "" {
			list = append(list, Section{Title: docs.Runbook[at[2]:at[3]], Text: text})
		}
	}
	return list
})

// Find returns the section of an error's name, or of a heading or its anchor.
func Find(name string) (Section, bool) {
	if strings.Contains(name, ".") {
		name = others
	}
	all := Sections()
	at := slices.IndexFunc(all, func(s Section) bool {
		return strings.EqualFold(s.Title, name) || Anchor(s.Title) == strings.ToLower(name)
	})
	if at < 0 {
		return Section{}, false
	}
	return all[at], true
}

// Anchor is how a link names a heading. Source: GitHub, "Section links".
func Anchor(title string) string {
	if strings.Contains(title, ".") {
		title = others
	}
	kept := strings.Map(func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case c == '-', c >= '0' && c <= '9', c >= 'a' && c <= 'z':
			return c
		}
		return -1
	}, strings.ToLower(title))
	return kept
}

// Line is the text as one line, for a labelled line of an alert.
func (s Section) Line() string { return strings.Join(strings.Fields(s.Text), " ") }
