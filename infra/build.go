package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// codeDir is where the functions' binaries are, by architecture.
const codeDir = "build/lambda"

// build compiles the functions for the configured architecture, here and now: what
// is deployed is what stands in the source, and not what somebody built once. The
// same source gives the same bytes, and so no change.
func build(arch config.Architecture) error {
	goarch := map[config.Architecture]string{config.ARM64: "arm64", config.X8664: "amd64"}[arch]
	dir := filepath.Join(codeDir, string(arch))
	made := filepath.Join(dir, ".new")
	if err := os.RemoveAll(made); err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	if err := os.MkdirAll(made, 0o755); err != nil {
		return fmt.Errorf("building the functions: %w", err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
		"-o", made+string(filepath.Separator), "./functions/...")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions for %s: %w\n%s", arch, err, out)
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

// describeSource is the tag or commit that the functions are built from; empty where
// there is no repository.
func describeSource() string {
	out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
