package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The placeholder of the module path is put right in every file by one command, and what is
// built then finds all of its packages.
func TestRenameModule(t *testing.T) {
	if err := exec.Command("git", "rev-parse").Run(); err != nil {
		t.Skip("there is no repository to clone")
	}
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, ".", "git", "clone", "--quiet", "--depth=1", "file://"+strings.TrimSpace(run(t, ".", "git", "rev-parse", "--show-toplevel")), clone)
	src, err := os.ReadFile("../rename-module")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(clone, "scripts", "rename-module"), src, 0o755))
	placeholder := strings.TrimSpace(run(t, clone, "go", "list", "-m"))
	run(t, clone, "scripts/rename-module", "example.com/of/ours")
	if out, err := exec.Command("git", "-C", clone, "grep", "-F", placeholder).Output(); err == nil {
		t.Errorf("it stands there still: %s", out)
	}
	if deps := run(t, clone, "go", "list", "-deps", "./cmd/tumbler", "./functions/..."); !strings.Contains(deps, "example.com/of/ours/internal/cli\n") {
		t.Errorf("what is built now: %s", deps)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
