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
	built := func(arch string, machine elf.Machine) []byte {
		t.Helper()
		if err := rotation.BuildFunctions("", arch); err != nil {
			t.Fatal(err)
		}
		src := read(t, filepath.Join("build", "lambda", arch, "plan", "bootstrap"))
		f, err := elf.NewFile(bytes.NewReader(src))
		if err != nil || f.Machine != machine {
			t.Fatalf("%s: built for %v, %v", arch, f.Machine, err)
		}
		return src
	}
	write("go.mod", "module github.com/tumbler-rotation/tumbler\n\ngo 1.24\n")
	write("functions/plan/main.go", "package main\n\nfunc main() { println(1) }\n")
	// What somebody built once, and is not to be deployed.
	write(filepath.Join("build", "lambda", "x86_64", "plan", "bootstrap"), "old")
	first := built(x86, elf.EM_X86_64)
	if !bytes.Equal(first, built(x86, elf.EM_X86_64)) {
		t.Error("the same source gives other bytes")
	}
	built("arm64", elf.EM_AARCH64)
	write("functions/plan/main.go", "package main\n\nfunc main() { println(2) }\n")
	if bytes.Equal(first, built(x86, elf.EM_X86_64)) {
		t.Error("a change of the source is none of what is deployed")
	}
	write("functions/plan/main.go", "package main\n\nfunc main() { println(three) }\n")
	if err := rotation.BuildFunctions("", x86); err == nil || !strings.Contains(err.Error(), "undefined: three") {
		t.Errorf("got %v", err)
	}
}
