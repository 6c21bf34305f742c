package rotation

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

const (
	// defaultCodeDir has the functions' binaries, by architecture.
	defaultCodeDir   = "build/lambda"
	functionPackages = "github.com/tumbler-rotation/tumbler/functions/..."
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
	dir := filepath.Join(cmp.Or(codeDir, defaultCodeDir), architecture)
	made := filepath.Join(dir, ".new")
	if err := os.RemoveAll(made); err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	if err := os.MkdirAll(made, 0o755); err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
		"-o", made+string(filepath.Separator), functionPackages)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions for %s: %w\n%s", architecture, err, out)
	}
	binaries, err := os.ReadDir(made)
	for _, b := range binaries {
		to := filepath.Join(dir, b.Name())
		if err == nil {
			err = os.MkdirAll(to, 0o755)
		}
		if err == nil {
			err = os.Rename(filepath.Join(made, b.Name()), filepath.Join(to, "bootstrap"))
		}
	}
	if err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	return nil
}
