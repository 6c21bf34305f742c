package postgres

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The statements as they go over the wire.
func TestStatements(t *testing.T) {
	salt := []byte("0123456789abcdef")
	scram, err := scramVerifier(redact.New("pencil"), salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range []string{
		probeSQL(),
		passwordMethodSQL(),
		setPasswordSQL("app", scram),
		setPasswordSQL("app", md5Verifier("app", redact.New("pencil"))),
		setPasswordSQL(`Robert"; DROP ROLE "admin`, md5Verifier("app", redact.New("pencil"))),
		setPasswordSQL(`back\slash 'quote' Ünïcode`, md5Verifier("app", redact.New("pencil"))),
		setPasswordSQL("app", verifier{"no verifier has ' or '' in it"}),
	} {
		out.WriteString(s + "\n")
	}
	const golden = "testdata/statements.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("run with -update if this is meant to be:\n%s", diff)
	}
}
