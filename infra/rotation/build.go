package rotation

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

const (
	// defaultCodeDir has the functions' binaries, by architecture.
	defaultCodeDir = "build/lambda"
	functionsPath  = "github.com/tumbler-rotation/tumbler/functions"
)

// BuildFunctions compiles the functions for an architecture, arm64 or x86_64, into
// codeDir ("" is build/lambda), so that what is deployed is never an old build. The same
// source gives the same bytes, and so no change of the stack.
//
// It works in any module that requires Tumbler: `go get
// github.com/tumbler-rotation/tumbler/functions/...` adds the functions' requirements.
func BuildFunctions(codeDir, architecture string) error {
	goarch := map[string]string{string(config.ARM64): "arm64", string(config.X8664): "amd64"}[architecture]
	if goarch == "" {
		return fmt.Errorf("the architecture is %q: use arm64 or x86_64", architecture)
	}
	err := functionsBuild{dir: filepath.Join(cmp.Or(codeDir, defaultCodeDir), architecture), goarch: goarch}.run()
	if err != nil {
		return fmt.Errorf("building the functions for %s: %w", architecture, err)
	}
	return nil
}

// functionsBuild is what is built: DIR/NAME/bootstrap of each function.
type functionsBuild struct{ dir, goarch string }

const linkerFlags = "-s -w -buildid="

func (b functionsBuild) run() error {
	record, linked := filepath.Join(b.dir, ".built"), filepath.Join(b.dir, ".new")
	// What does not compile has no sources here: the build says why.
	sources, _ := b.goCommand("list", "-deps", "-export", "-f", "{{.Name}} {{.ImportPath}} {{.BuildID}}")
	if before, err := os.ReadFile(record); err == nil && sources != nil {
		if now, err := b.record(sources); err == nil && bytes.Equal(before, now) {
			return nil
		}
	}
	for _, old := range []string{record, linked} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(linked, 0o755); err != nil {
		return err
	}
	if _, err := b.goCommand("build", "-ldflags", linkerFlags, "-o", linked+string(filepath.Separator)); err != nil {
		return err
	}
	binaries, err := os.ReadDir(linked)
	if err != nil {
		return err
	}
	for _, binary := range binaries {
		if err := os.MkdirAll(filepath.Join(b.dir, binary.Name()), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(linked, binary.Name()), b.bootstrap(binary.Name())); err != nil {
			return err
		}
	}
	now, err := b.record(sources)
	if err != nil {
		return err
	}
	return os.WriteFile(record, now, 0o644)
}

func (b functionsBuild) bootstrap(function string) string {
	return filepath.Join(b.dir, function, "bootstrap")
}

// record says what the functions were linked from and what came of it. As long as it
// holds, linking them again, which took a third of a synthesis, would give the same bytes.
// Go's build ID of a package covers its source, its imports, the flags and the compiler.
func (b functionsBuild) record(sources []byte) ([]byte, error) {
	text := fmt.Appendf(nil, "%x sources, %s\n", sha256.Sum256(sources), linkerFlags)
	for line := range strings.Lines(string(sources)) {
		name, isFunction := strings.CutPrefix(line, "main "+functionsPath+"/")
		if !isFunction {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		binary, err := os.ReadFile(b.bootstrap(name))
		if err != nil {
			return nil, err
		}
		text = fmt.Appendf(text, "%x %s\n", sha256.Sum256(binary), name)
	}
	return text, nil
}

// goCommand runs the go command on the functions; the error holds what it says.
func (b functionsBuild) goCommand(command string, args ...string) ([]byte, error) {
	args = append([]string{command, "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc"}, args...)
	cmd := exec.Command("go", append(args, functionsPath+"/...")...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+b.goarch, "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &said)
	}
	return out, nil
}
