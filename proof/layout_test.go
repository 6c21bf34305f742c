// Package proof is what shows that Tumbler keeps its promises.
package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/tumbler-rotation/tumbler/"

// TestLayout holds that what is deployed needs neither the local AWS (sandbox) nor what
// puts it to the proof (proof). The CLI alone, which starts the sandbox, does.
func TestLayout(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(out)) {
		deps := strings.Fields(line)
		name := strings.TrimPrefix(deps[0], module)
		part, _, _ := strings.Cut(name, "/")
		seen[part]++
		for _, dep := range deps[1:] {
			dep, ours := strings.CutPrefix(dep, module)
			if !ours {
				continue
			}
			switch needs, _, _ := strings.Cut(dep, "/"); {
			case needs == "proof" && part != "proof":
				t.Errorf("%s needs %s", name, dep)
			case needs == "sandbox" && part != "proof" && part != "sandbox" && part != "cmd" && name != "internal/cli":
				t.Errorf("%s needs %s", name, dep)
			case needs == "functions" || needs == "cmd":
				t.Errorf("%s needs %s, which is a program", name, dep)
			}
		}
	}
	for _, part := range []string{"cmd", "functions", "infra", "internal", "proof", "sandbox", "statemachine"} {
		if seen[part] == 0 {
			t.Errorf("no package of %s was looked at", part)
		}
	}
}

var path = regexp.MustCompile("`((?:cmd|docs|examples|functions|infra|internal|proof|sandbox|scripts|statemachine)/[A-Za-z0-9_./-]+)`")

// TestPathsInDocuments: whoever looks something up finds it where the documents say.
func TestPathsInDocuments(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("../docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, page := range append(append(pages, decisions...), "../README.md", "../CONTRIBUTING.md", "../SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range path.FindAllSubmatch(text, -1) {
			if string(m[1]) == "sandbox/app" { // a secret's name
				continue
			}
			looked++
			if _, err := os.Stat("../" + string(m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d paths were found: is the pattern right?", looked)
	}
}
