package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withoutAccount is the environment of somebody who is not logged in to AWS.
func withoutAccount(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "CDK_") })
	return append(append(env, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nowhere", "AWS_SHARED_CREDENTIALS_FILE=/nowhere"), more...)
}

func typed(dir string, env []string, name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + "\n" + err.Error()
	}
	return string(out)
}

// TestFreshClone: on a clone with nothing in it, the stack is synthesised and its size
// told, and the bootstrap gets as far as the account.
func TestFreshClone(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "tumbler")
	if err := os.Mkdir(clone, 0o755); err != nil {
		t.Fatal(err)
	}
	// What is in the repository, as it is here; not what was built or installed.
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = root
	files, err := list.Output()
	if err != nil {
		t.Skip("there is no repository to clone")
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		src, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		info, statErr := os.Stat(filepath.Join(root, name))
		if err != nil || statErr != nil || os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o755) != nil ||
			os.WriteFile(filepath.Join(clone, name), src, info.Mode().Perm()) != nil {
			t.Fatalf("copying %s: %v, %v", name, err, statErr)
		}
	}
	if err := os.Symlink(filepath.Join(root, "node_modules"), filepath.Join(clone, "node_modules")); err != nil {
		t.Fatal(err)
	}
	out := typed(clone, withoutAccount(), "make", "-o", "node_modules/.installed", "synth")
	for _, want := range []string{"tumbler.template.json", "resources of the template: ", "characters of the longest role's policies in tumbler: "} {
		if !strings.Contains(out, want) {
			t.Fatalf("make synth does not say %q:\n%s", want, out)
		}
	}
	out = typed(clone, withoutAccount(), "npx", "--no-install", "cdk", "bootstrap")
	if strings.Contains(out, "not built") || !strings.Contains(out, "aws://") && !strings.Contains(out, "AWS account") {
		t.Errorf("cdk bootstrap: %s", out)
	}
}
