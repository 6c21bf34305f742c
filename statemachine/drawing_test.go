package statemachine_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

var update = flag.Bool("update", false, "redraw the state machine in docs/architecture.md")

// The picture of every state is drawn from the definition.
func TestDrawing(t *testing.T) {
	const (
		page  = "../docs/architecture.md"
		fence = "`go test ./statemachine -update` redraws it. -->\n```mermaid\n"
	)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), fence)
	drawn, after, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("the page has no picture of the states")
	}
	want := asl.Mermaid(loaded(t))
	if *update {
		if err := os.WriteFile(page, []byte(before+fence+want+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, drawn); diff != "" {
		t.Errorf("the picture is out of date; run go test ./statemachine -update and look at it\n%s", diff)
	}
}

// The README shows the way through some of the states, by their names.
func TestShortDrawing(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```mermaid\n")
	drawn, _, closed := strings.Cut(rest, "```\n")
	if !closed {
		t.Fatal("the README has no picture")
	}
	states := map[string]bool{}
	for _, s := range loaded(t).States() {
		states[s.Name] = true
	}
	shown := 0
	for word := range strings.FieldsSeq(drawn) {
		name, _, _ := strings.Cut(word, "((")
		if len(name) > 1 && unicode.IsUpper(rune(name[0])) && name != "LR" && name != "-->" {
			shown++
			if !states[name] {
				t.Errorf("%q is no state", name)
			}
		}
	}
	if shown < 8 {
		t.Errorf("%d states are shown: %s", shown, drawn)
	}
}
