// Command release makes what a release consists of, in dist: archives of the command for
// each platform, for each architecture a bundle of what is deployed (a template that takes
// neither Node nor Go, and the functions' code), lists of what is in them (SBOM), and
// checksums. `make release` runs it at the root of the checkout.
//
// The same source gives the same bytes: nothing in them is of the time or the machine that
// they were made at.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const dist = "dist"

// platforms that the command is built for.
var platforms = []platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

// beside are the files that each archive of the command has beside it.
var beside = []string{"LICENSE", "README.md", "CHANGELOG.md", "rotations.example.yaml"}

type platform struct{ os, arch string }

// release is one: of a version, whose files say that they are of a time.
type release struct {
	version string
	at      time.Time
	dir     string
}

func main() {
	if err := releaseAll(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func releaseAll() error {
	version, at, err := source()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	r := release{version, at, dist}
	fmt.Printf("==> releasing %s into %s\n", version, dist)
	for _, p := range platforms {
		if err := r.command(p); err != nil {
			return err
		}
	}
	if err := r.bundles(); err != nil {
		return err
	}
	return r.sums()
}

// source is what git says of it: the tag or commit, and its time.
func source() (version string, at time.Time, err error) {
	described, err := output("git", "describe", "--tags", "--always", "--dirty")
	if err != nil {
		return "", at, err
	}
	text, err := output("git", "log", "-1", "--format=%ct")
	if err != nil {
		return "", at, err
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return described, time.Unix(seconds, 0).UTC(), err
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goRun runs go with these variables.
func goRun(env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// file is one in an archive.
type file struct {
	name string
	src  []byte
	mode fs.FileMode
}

// command builds the command for a platform and packs it.
func (r release) command(p platform) error {
	fmt.Printf("    tumbler for %s %s\n", p.os, p.arch)
	made, err := os.MkdirTemp("", "tumbler-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	name := "tumbler"
	if p.os == "windows" {
		name += ".exe"
	}
	module, err := output("go", "list", "-m")
	if err != nil {
		return err
	}
	binary := filepath.Join(made, name)
	err = goRun([]string{"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0"},
		"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X "+module+"/internal/cli.Version="+r.version, "-o", binary, "./cmd/tumbler")
	if err != nil {
		return err
	}
	list, err := r.bill(binary)
	if err != nil {
		return err
	}
	src, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files := []file{{name, src, 0o755}, {"tumbler.cdx.json", list, 0o644}}
	for _, other := range beside {
		src, err := os.ReadFile(other)
		if err != nil {
			return err
		}
		files = append(files, file{other, src, 0o644})
	}
	to := fmt.Sprintf("tumbler_%s_%s_%s", strings.TrimPrefix(r.version, "v"), p.os, p.arch)
	if p.os == "windows" {
		return r.zip(filepath.Join(r.dir, to+".zip"), files)
	}
	return r.tarball(filepath.Join(r.dir, to+".tar.gz"), files)
}

// bill of materials of a binary: CycloneDX, as the binary itself says.
func (r release) bill(binary string) ([]byte, error) {
	to := binary + ".cdx.json"
	defer os.Remove(to)
	err := goRun(nil, "tool", "-modfile=tools/go.mod", "cyclonedx-gomod", "bin",
		"-json", "-std", "-noserial", "-notimestamp", "-version", r.version, "-output", to, binary)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(to)
}

// bundles are what is deployed, by architecture: a template, and the functions' code, which
// make has compiled, where it is looked for.
func (r release) bundles() error {
	made, err := os.MkdirTemp("", "tumbler-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	fmt.Println("    templates")
	if err := goRun([]string{"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20"}, "run", "./infra", "plain", made); err != nil {
		return err
	}
	for _, arch := range []string{"arm64", "x86_64"} {
		if err := r.bundle(made, arch); err != nil {
			return err
		}
	}
	return nil
}

func (r release) bundle(made, arch string) error {
	template := "tumbler-" + arch + ".template.json"
	src, err := os.ReadFile(filepath.Join(made, template))
	if err != nil {
		return err
	}
	files := []file{{template, src, 0o644}}
	root := filepath.Join(made, "functions", arch)
	functions, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, f := range functions {
		code, err := r.code(filepath.Join(root, f.Name()))
		if err != nil {
			return err
		}
		name := "functions/" + arch + "/" + f.Name()
		list, err := r.bill(filepath.Join(root, f.Name(), "bootstrap"))
		if err != nil {
			return err
		}
		files = append(files, file{name + ".zip", code, 0o644}, file{name + ".cdx.json", list, 0o644})
	}
	return r.zip(filepath.Join(r.dir, fmt.Sprintf("tumbler_%s_aws_%s.zip", strings.TrimPrefix(r.version, "v"), arch)), files)
}

// code is a function's folder as Lambda wants it.
func (r release) code(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		src, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o644)
		if e.Name() == "bootstrap" {
			mode = 0o755
		}
		files = append(files, file{e.Name(), src, mode})
	}
	var b bytes.Buffer
	err = r.writeZip(&b, files)
	return b.Bytes(), err
}

func (r release) zip(path string, files []file) error {
	var b bytes.Buffer
	if err := r.writeZip(&b, files); err != nil {
		return err
	}
	return write(path, b.Bytes())
}

func (r release) writeZip(w io.Writer, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: r.at}
		header.SetMode(f.mode)
		entry, err := z.CreateHeader(header)
		if err == nil {
			_, err = entry.Write(f.src)
		}
		if err != nil {
			return fmt.Errorf("packing %s: %w", f.name, err)
		}
	}
	return z.Close()
}

func (r release) tarball(path string, files []file) error {
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	t := tar.NewWriter(packed)
	for _, f := range files {
		err := t.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.src)), Mode: int64(f.mode), ModTime: r.at, Format: tar.FormatPAX})
		if err == nil {
			_, err = t.Write(f.src)
		}
		if err != nil {
			return fmt.Errorf("packing %s: %w", f.name, err)
		}
	}
	if err := errors.Join(t.Close(), packed.Close()); err != nil {
		return err
	}
	return write(path, b.Bytes())
}

func write(path string, src []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, src, 0o644)
}

// sums writes SHA256SUMS, as sha256sum -c reads it.
func (r release) sums() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Name() == sumsFile {
			continue
		}
		src, err := os.ReadFile(filepath.Join(r.dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(src), e.Name())
	}
	lines := slices.Sorted(strings.Lines(b.String()))
	fmt.Print(strings.Join(lines, ""))
	return os.WriteFile(filepath.Join(r.dir, sumsFile), []byte(strings.Join(lines, "")), 0o644)
}

const sumsFile = "SHA256SUMS"
