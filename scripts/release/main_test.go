package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A release of this machine's platform, and a bundle, made twice: they are the same to the
// byte, whatever the files' times; the command tells its version, and each binary has its
// bill of materials beside it.
func TestRelease(t *testing.T) {
	t.Chdir("../..")
	host := platform{runtime.GOOS, runtime.GOARCH}
	if !slices.Contains(platforms, host) {
		t.Errorf("nothing is released for %v", host)
	}
	made := t.TempDir()
	self, err := os.Executable()
	check(t, err)
	binary, err := os.ReadFile(self)
	check(t, err)
	check(t, write(filepath.Join(made, "tumbler-arm64.template.json"), []byte("{}\n")))
	for _, name := range []string{"plan-0123456789ab", "registry-0123456789ab"} { // any Go program
		dir := filepath.Join(made, "functions", "arm64", name)
		check(t, os.MkdirAll(dir, 0o755))
		check(t, os.WriteFile(filepath.Join(dir, "bootstrap"), binary, 0o755))
	}
	check(t, write(filepath.Join(made, "functions", "arm64", "registry-0123456789ab", "schedules.json"), []byte("[]")))

	at := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	var sums []string
	var dirs []string
	for range 2 {
		r := release{"v1.2.3", at, t.TempDir()}
		check(t, r.command(host))
		check(t, r.bundle(made, "arm64"))
		check(t, r.sums())
		src, err := os.ReadFile(filepath.Join(r.dir, sumsFile))
		check(t, err)
		sums, dirs = append(sums, string(src)), append(dirs, r.dir)
		later := time.Now().Add(time.Hour)
		check(t, os.Chtimes(filepath.Join(made, "functions", "arm64", "plan-0123456789ab", "bootstrap"), later, later))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 2 {
		t.Errorf("two runs differ:\n%s\n%s", sums[0], sums[1])
	}
	if out, err := (&exec.Cmd{Path: lookUp(t, "sha256sum"), Args: []string{"sha256sum", "-c", sumsFile}, Dir: dirs[0]}).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}

	files := unpack(t, filepath.Join(dirs[0], "tumbler_1.2.3_"+host.os+"_"+host.arch+".tar.gz"))
	for _, name := range append([]string{"tumbler", "tumbler.cdx.json"}, beside...) {
		if len(files[name]) == 0 {
			t.Errorf("the archive has no %s", name)
		}
	}
	command := filepath.Join(t.TempDir(), "tumbler")
	check(t, os.WriteFile(command, files["tumbler"], 0o755))
	out, err := exec.Command(command, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "tumbler v1.2.3 (go") {
		t.Errorf("%s, %v", out, err)
	}
	var bill struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	check(t, json.Unmarshal(files["tumbler.cdx.json"], &bill))
	if bill.BOMFormat != "CycloneDX" || bill.Metadata.Component.Version != "v1.2.3" || len(bill.Components) < 20 {
		t.Errorf("%s of %+v with %d components", bill.BOMFormat, bill.Metadata.Component, len(bill.Components))
	}

	bundle := unzip(t, filepath.Join(dirs[0], "tumbler_1.2.3_aws_arm64.zip"))
	for _, name := range []string{"tumbler-arm64.template.json", "functions/arm64/plan-0123456789ab.zip", "functions/arm64/plan-0123456789ab.cdx.json", "functions/arm64/registry-0123456789ab.zip"} {
		if len(bundle[name]) == 0 {
			t.Errorf("the bundle has no %s", name)
		}
	}
	code, err := zip.NewReader(bytes.NewReader(bundle["functions/arm64/registry-0123456789ab.zip"]), int64(len(bundle["functions/arm64/registry-0123456789ab.zip"])))
	check(t, err)
	modes := map[string]fs.FileMode{}
	for _, f := range code.File {
		modes[f.Name] = f.Mode()
	}
	if modes["bootstrap"] != 0o755 || modes["schedules.json"] != 0o644 || len(modes) != 2 {
		t.Errorf("Lambda gets %v", modes)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lookUp(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	check(t, err)
	return path
}

func unpack(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	plain, err := gzip.NewReader(f)
	check(t, err)
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		check(t, err)
		files[header.Name], err = io.ReadAll(archive)
		check(t, err)
	}
}

func unzip(t *testing.T, path string) map[string][]byte {
	t.Helper()
	archive, err := zip.OpenReader(path)
	check(t, err)
	defer archive.Close()
	files := map[string][]byte{}
	for _, f := range archive.File {
		in, err := f.Open()
		check(t, err)
		files[f.Name], err = io.ReadAll(in)
		check(t, err)
		check(t, in.Close())
	}
	return files
}
