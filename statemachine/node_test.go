package statemachine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// node runs a script of testdata that needs an npm package. It fails where the
// package is missing: these checks are part of what the definition promises.
func node(t *testing.T, pkg, script string, input []byte) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: install Node 20 or later, then run npm ci at the top of the repository")
	}
	if _, err := os.Stat(filepath.Join("..", "node_modules", pkg, "package.json")); err != nil {
		t.Fatalf("the npm package %s is not installed: run npm ci at the top of the repository", pkg)
	}
	script = filepath.Join("testdata", script)
	// Read for go test's cache, which must know that the result depends on it.
	if _, err := os.ReadFile(script); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, script)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %s", script, stderr.String())
	}
	return out, err
}

func TestLint(t *testing.T) {
	m := loaded(t)
	if _, err := node(t, "asl-validator", "lint.cjs", m.Definition()); err != nil {
		t.Error(err)
	}
	// The linter is awake.
	broken := bytes.Replace(m.Definition(), []byte(`"Type":"Succeed"`), []byte(`"Type":"Success"`), 1)
	if _, err := node(t, "asl-validator", "lint.cjs", broken); err == nil {
		t.Error("an unknown type was not found")
	}
}

// outcome is what an interpreter made of a scenario.
type outcome struct {
	Name    string   `json:"name"`
	Path    []string `json:"path"`
	Output  any      `json:"output"`
	Error   string   `json:"error"`
	Cause   string   `json:"cause"`
	Unasked int      `json:"unasked"` // answers that nobody asked for
}

// An independent interpreter (npm aws-local-stepfunctions) takes the same path
// to the same end, wherever that does not need a clock: it cannot let a task
// time out on a clock of ours, so scenarios that do are left out, and pauses and
// waits are cut to nothing.
func TestAnotherInterpreterAgrees(t *testing.T) {
	m := loaded(t)
	all := slices.Concat(scenarios, byFunction, messageScenarios())
	for _, state := range functions {
		for _, err := range allErrors(state) {
			all = append(all, codeScenarios(state, err)...)
		}
	}
	type walk struct {
		Name    string              `json:"name"`
		Input   json.RawMessage     `json:"input"`
		Answers map[string][]answer `json:"answers"`
	}
	var (
		walks []walk
		ours  []outcome
	)
	for _, sc := range all {
		if slices.ContainsFunc(sc.faults, func(f failing) bool { return f.err == late }) {
			continue
		}
		w := newWorld(sc)
		r := w.run(t.Context(), m, 1)
		path := slices.DeleteFunc(r.Path, func(state string) bool { return branches[state] != "" })
		o := outcome{Name: sc.name, Path: path, Error: r.Error, Cause: r.Cause}
		if r.Status == asl.Succeeded {
			if err := json.Unmarshal(r.Output, &o.Output); err != nil {
				t.Fatal(err)
			}
		}
		walks, ours = append(walks, walk{sc.name, json.RawMessage(request), w.answers}), append(ours, o)
	}
	input, err := json.Marshal(map[string]any{
		"definition": m.Definition(), "scenarios": walks,
		"context": map[string]any{
			"Execution": map[string]any{"Id": executionARN, "StartTime": "2026-03-01T12:00:00.000Z", "RedriveCount": 0},
			"State":     map[string]any{"Name": "Restore", "RetryCount": 0}, // it keeps none of its own
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := node(t, "aws-local-stepfunctions", "differential.cjs", input)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []outcome
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(ours) {
		t.Fatalf("%v: %d outcomes of %d", err, len(theirs), len(ours))
	}
	differing := 0
	for i := range ours {
		if diff := cmp.Diff(ours[i], theirs[i]); diff != "" {
			if differing++; differing <= 5 {
				t.Errorf("%s (- this interpreter, + the other)\n%s", ours[i].Name, diff)
			}
		}
	}
	t.Logf("%d scenarios, %d differ", len(ours), differing)
}

// The definition has no placeholder that the tests do not fill in, and the tests
// fill in none that it does not have.
func TestPlaceholders(t *testing.T) {
	for name := range substitutions {
		if !strings.Contains(string(statemachine.Rotation), "${"+name+"}") {
			t.Errorf("the definition has no ${%s}", name)
		}
	}
}
