package deployed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles functions of the checkout at root for this machine, as the
// Makefile does for Lambda, and puts each where [Functions] looks for it. Without
// names it compiles all. The error holds what the compiler says.
func Build(ctx context.Context, root, dir string, names ...string) error {
	packages := []string{"./functions/..."}
	if len(names) > 0 {
		packages = nil
		for _, name := range names {
			packages = append(packages, "./functions/"+name)
		}
	}
	parts, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	defer os.RemoveAll(parts)
	args := append([]string{
		"build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc",
		"-ldflags", "-s -w -buildid=", "-o", parts + string(filepath.Separator),
	}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	binaries, err := os.ReadDir(parts)
	if err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	for _, b := range binaries {
		if err := os.MkdirAll(filepath.Join(dir, b.Name()), 0o755); err != nil {
			return fmt.Errorf("building the functions: %w", err)
		}
		if err := os.Rename(filepath.Join(parts, b.Name()), filepath.Join(dir, b.Name(), "bootstrap")); err != nil {
			return fmt.Errorf("building the functions: %w", err)
		}
	}
	return nil
}
