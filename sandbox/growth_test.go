package sandbox_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

// A configured secret leaves no connection open: with 1024 files, as many shells allow,
// 600 secrets were too many.
func TestConfiguredSecretsKeepNothingOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files are counted in /proc")
	}
	box, err := sandbox.Start(t.Context(), sandbox.Config{Registry: true})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	configure := func(from, to int) {
		for i := from; i < to; i++ {
			if err := box.Configure(t.Context(), rotation.Request{SecretID: fmt.Sprintf("app-%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	configure(0, 1) // which opens what is used again
	before := openFiles(t)
	configure(1, 101)
	if more := openFiles(t) - before; more > 20 {
		t.Errorf("%d more files are open after 100 secrets", more)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
