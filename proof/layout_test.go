// Package proof is what shows that Tumbler keeps its promises.
package proof

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
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

// long says why a function has more than 60 lines.
var long = map[string]string{
	"internal/cli/explain.go newExplain":     "a command's texts and flags, and a line of code for each",
	"internal/cli/init.go newInit":           "likewise",
	"internal/cli/preflight.go newPreflight": "likewise",
	"internal/cli/report.go newReport":       "likewise",
	"internal/cli/schedule.go newSchedule":   "likewise",
	"internal/cli/status.go newStatus":       "likewise",
	"infra/rotation/functions.go functions":  "a table of all functions",
	"proof/explorer/op.go carryOut":          "one case for each call there is",
	"proof/explorer/step.go outcome":         "one case for each way a call can fare",
	"sandbox/wire/decodequery.go decodeNode": "one case for each kind of value",
}

// mostParameters is the maximum number of a function's parameters, without its receiver.
const mostParameters = 5

// manyParameters says why a function has more.
var manyParameters = map[string]string{}

// TestFunctionsAreShort holds that every function fits on a screen and takes a struct
// instead of many parameters, or has a reason.
func TestFunctionsAreShort(t *testing.T) {
	found, many := map[string]bool{}, map[string]bool{}
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if base := entry.Name(); entry.IsDir() && (base == "node_modules" || base == "build" || base == "cdk.out" || strings.HasPrefix(base, ".") && base != "..") {
			return filepath.SkipDir
		}
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := strings.TrimPrefix(filepath.ToSlash(name), "../") + " " + f.Name.Name
			if lines := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; lines > 60 {
				if found[at] = true; long[at] == "" {
					t.Errorf("%s has %d lines", at, lines)
				}
			}
			if n := f.Type.Params.NumFields(); n > mostParameters {
				if many[at] = true; manyParameters[at] == "" {
					t.Errorf("%s has %d parameters", at, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for at := range long {
		if !found[at] {
			t.Errorf("%s needs no reason any more", at)
		}
	}
	for at := range manyParameters {
		if !many[at] {
			t.Errorf("%s needs no reason any more", at)
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
