package main

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// TestBuild: for the architecture of the configuration, from the source as it is now,
// the same bytes from the same source; what does not compile is not deployed.
func TestBuild(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOWORK", "off")
	t.Chdir(t.TempDir())
	const x86 = "x86_64"
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stat := func(path string) os.FileInfo {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	built := func(arch string, machine elf.Machine) []byte {
		t.Helper()
		if err := rotation.BuildFunctions("", arch); err != nil {
			t.Fatal(err)
		}
		src := read(t, filepath.Join("build", "lambda", arch, "plan", "bootstrap"))
		f, err := elf.NewFile(bytes.NewReader(src))
		if err != nil || f.Machine != machine {
			t.Fatalf("%s: built %+v, %v", arch, f, err)
		}
		return src
	}
	write("go.mod", "module github.com/tumbler-rotation/tumbler\n\ngo 1.24\n")
	write("functions/plan/main.go", "package main\n\nfunc main() { println(1) }\n")
	write("functions/words/words.go", "package words\n")
	// What somebody built once, and is not to be deployed.
	write(filepath.Join("build", "lambda", "x86_64", "plan", "bootstrap"), "old")
	first := built(x86, elf.EM_X86_64)
	if !bytes.Equal(first, built(x86, elf.EM_X86_64)) {
		t.Error("the same source gives other bytes")
	}
	plan := filepath.Join("build", "lambda", "x86_64", "plan", "bootstrap")
	linked := stat(plan)
	built(x86, elf.EM_X86_64)
	if !os.SameFile(linked, stat(plan)) {
		t.Error("linked again, with nothing changed")
	}
	write(plan, "not what was built")
	if !bytes.Equal(first, built(x86, elf.EM_X86_64)) {
		t.Error("what somebody put there since is deployed")
	}
	built("arm64", elf.EM_AARCH64)
	write("functions/plan/main.go", "package main\n\nfunc main() { println(2) }\n")
	if bytes.Equal(first, built(x86, elf.EM_X86_64)) {
		t.Error("a change of the source is none of what is deployed")
	}
	write("functions/plan/main.go", "package main\n\nimport _ \"embed\"\n\n//go:embed word\nvar word string\n\nfunc main() { println(word) }\n")
	write("functions/plan/word", "four")
	second := built(x86, elf.EM_X86_64)
	write("functions/plan/word", "five")
	if bytes.Equal(second, built(x86, elf.EM_X86_64)) {
		t.Error("a change of an embedded file is none of what is deployed")
	}
	write("functions/plan/main.go", "package main\n\nfunc main() { println(three) }\n")
	if err := rotation.BuildFunctions("", x86); err == nil || !strings.Contains(err.Error(), "undefined: three") {
		t.Errorf("got %v", err)
	}
}
