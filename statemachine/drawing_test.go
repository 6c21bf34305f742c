package statemachine_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

var update = flag.Bool("update", false, "redraw the state machine in the README")

// The README's picture is drawn from the definition.
func TestDrawing(t *testing.T) {
	const (
		readme = "../README.md"
		fence  = "```mermaid\n"
	)
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), fence)
	drawn, after, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("the README has no mermaid picture")
	}
	want := asl.Mermaid(loaded(t))
	if *update {
		if err := os.WriteFile(readme, []byte(before+fence+want+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, drawn); diff != "" {
		t.Errorf("the README's picture is out of date; run go test ./statemachine -update and look at it\n%s", diff)
	}
}
