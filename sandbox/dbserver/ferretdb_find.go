package dbserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrNoFerretDB says that there is no FerretDB to start, and how to get one.
var ErrNoFerretDB = errors.New("no FerretDB server found: run this in Tumbler's checkout with the go command on PATH, " +
	"or put the program built from sandbox/dbserver/ferretdb as build/ferretdb next to this one")

// ferretTags leaves out what the server does not need.
const ferretTags = "ferretdb_no_postgresql"

// findFerretDB returns the server's program: the one that the checkout's pinned
// source gives, built when it is first asked for, and where there is no source
// one that has been built before.
func findFerretDB(ctx context.Context, as *account) (string, error) {
	source := findAbove(filepath.Join("sandbox", "dbserver", "ferretdb", "go.mod"), isFile)
	goCommand, err := exec.LookPath("go")
	if source != "" && err == nil {
		return buildFerretDB(ctx, as, goCommand, filepath.Dir(source))
	}
	for _, name := range []string{"ferretdb", filepath.Join("build", "ferretdb")} {
		if built := findAbove(name, isFile); built != "" {
			return keepFerretDB(as, built)
		}
	}
	return "", ErrNoFerretDB
}

// buildFerretDB builds the server into the cache, keyed by its source and the
// checksums of all that it is made of. Its SQLite is a large piece of generated
// code, so that it takes minutes.
func buildFerretDB(ctx context.Context, as *account, goCommand, source string) (string, error) {
	key := []string{runtime.Version(), ferretTags}
	for _, name := range []string{"main.go", "go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		key = append(key, string(text))
	}
	dir, err := cached(as, "ferretdb", strings.Join(key, "\x00"), func(dir string) error {
		cmd := exec.CommandContext(ctx, goCommand, "build", "-C", source, "-mod=readonly", "-trimpath", "-buildvcs=false",
			"-tags", ferretTags, "-ldflags", "-s -w", "-o", filepath.Join(dir, "ferretdb"), ".")
		// Unlike a server, the go command needs its user's settings; but what it
		// builds is for this machine, whatever this program is built for.
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOOS=", "GOARCH=", "GOFLAGS=")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building it: %w: %s", err, strings.TrimSpace(out.String()))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "ferretdb"), nil
}

// keepFerretDB copies a program that was built before to where the account can
// enter.
func keepFerretDB(as *account, built string) (string, error) {
	if as.canEnter(filepath.Dir(built)) {
		return built, nil
	}
	info, err := os.Stat(built)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("%s %d %d", built, info.Size(), info.ModTime().UnixNano())
	dir, err := cached(as, "ferretdb", key, func(dir string) error {
		return copyFile(built, filepath.Join(dir, "ferretdb"), 0o755)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "ferretdb"), nil
}
