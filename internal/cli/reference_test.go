package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// reference is docs/cli.md: every command, as its help has it.
func reference() string {
	var b strings.Builder
	b.WriteString("# The tumbler command\n\nGenerated from the command's own help: `go test ./internal/cli -run TestReference -update`.\n")
	root := newRoot()
	root.InitDefaultHelpFlag()
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Hidden || cmd.Name() == "completion" {
			continue
		}
		cmd.InitDefaultHelpFlag()
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```text\n%s\n\n%s```\n", cmd.CommandPath(), cmd.Short, strings.TrimSpace(cmd.Long), cmd.UsageString())
	}
	return b.String() + documented()
}

// The reference is what the command says of itself, and each command that does more than
// print has an example there.
func TestReference(t *testing.T) {
	const file = "../../docs/cli.md"
	got := reference()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -update rewrites it): %s", file, diff)
	}
	for _, cmd := range newRoot().Commands() {
		if cmd.Example == "" && !cmd.Hidden && cmd.Name() != "demo" && cmd.Name() != "version" {
			t.Errorf("%s has no example", cmd.Name())
		}
		if _, shaped := shapes[cmd.Name()]; shaped != (cmd.Flags().Lookup("json") != nil) {
			t.Errorf("%s: the shape of its JSON is documented: %t", cmd.Name(), shaped)
		}
		if strings.HasSuffix(cmd.Short, ".") || cmd.Short == "" {
			t.Errorf("%s: %q", cmd.Name(), cmd.Short)
		}
	}
}
