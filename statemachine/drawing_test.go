package statemachine_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/asl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The drawing in the README is this file.
func TestDrawing(t *testing.T) {
	const golden = "testdata/rotation.mmd"
	got := asl.Mermaid(rotation(t))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the drawing changed; look at it, then run go test ./statemachine -update\n%s", diff)
	}
}
