package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented are the commands of a page: blocks that are indented, and what stands in
// backticks, of the programs that a reader runs.
func documented(t *testing.T, page string) (commands []string) {
	t.Helper()
	text := string(read(t, page))
	text = strings.ReplaceAll(text, "\\\n", " ")
	starts := regexp.MustCompile(`^(make|npx|tumbler|aws|go) [a-z-]`)
	for line := range strings.Lines(text) {
		if block, ok := strings.CutPrefix(line, "    "); ok && starts.MatchString(strings.TrimSpace(block)) {
			commands = append(commands, strings.Join(strings.Fields(block), " "))
		}
	}
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		if command := strings.Join(strings.Fields(m[1]), " "); starts.MatchString(command) {
			commands = append(commands, command)
		}
	}
	slices.Sort(commands)
	return slices.Compact(commands)
}

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

// TestDeployPage runs each command of docs/deploy.md as far as it goes without an
// account: the command line knows it, and what fails is that nobody is logged in. A
// command of a kind that is not known here fails.
func TestDeployPage(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	readForTestCache(t, filepath.Join(root, "Makefile"), filepath.Join(root, "go.mod"))
	tumbler := filepath.Join(t.TempDir(), "tumbler")
	if out := typed(root, os.Environ(), "go", "build", "-o", tumbler, "./cmd/tumbler"); out != "" {
		t.Fatal(out)
	}
	own := t.TempDir()
	if err := os.WriteFile(filepath.Join(own, "rotations.yaml"), []byte(minimal), 0o644); err != nil {
		t.Fatal(err)
	}
	commands := documented(t, filepath.Join(root, "docs", "deploy.md"))
	if len(commands) < 20 {
		t.Fatalf("only %d commands are found: %v", len(commands), commands)
	}
	cdk := typed(root, withoutAccount(), "npx", "--no-install", "cdk", "--help")
	for _, command := range commands {
		words := strings.Fields(strings.ReplaceAll(command, `"`, ""))
		switch words[0] {
		case "make":
			if out := typed(root, withoutAccount(), "make", append([]string{"-n"}, words[1:]...)...); strings.Contains(out, "No rule") || strings.Contains(out, "exit status") && words[1] != "deploy" {
				t.Errorf("%s: %s", command, out)
			}
		case "npx":
			at := slices.Index(words, "cdk")
			if at < 0 || at+1 == len(words) {
				continue // the page says what not to type
			}
			if !slices.Contains(words, "--no-install") || !strings.Contains(cdk, "cdk "+words[at+1]) {
				t.Errorf("%s: the pinned CDK has no such command", command)
			}
		case "tumbler":
			args := words[1:]
			if words[1] == "init" {
				args = append(args, "--secret", "prod/app", "--force")
			}
			out := typed(own, withoutAccount(), tumbler, args...)
			if refused := strings.Contains(out, "no AWS Region is set"); !refused && strings.Contains(out, "exit status") || strings.Contains(out, "exit status 2") {
				t.Errorf("%s: %s", command, out)
			}
		case "go":
			if words[1] != "get" {
				t.Errorf("%s: what does it do?", command)
				continue
			}
			for _, pattern := range words[2:] {
				if goList(t, strings.Replace(pattern, "github.com/tumbler-rotation/tumbler", ".", 1)) == nil {
					t.Errorf("%s: there is no package %s", command, pattern)
				}
			}
		case "aws": // of AWS's own command, which needs an account
			if !slices.Contains([]string{"stepfunctions", "events", "secretsmanager", "lambda", "cloudformation", "logs"}, words[1]) {
				t.Errorf("%s: a service that the page has not used so far", command)
			}
		}
	}
	t.Logf("%d commands: %s", len(commands), strings.Join(commands, "\n"))
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
