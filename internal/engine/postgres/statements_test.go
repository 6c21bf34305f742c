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
		catalogSQL("app", "it's"),
		createRoleSQL("app_clone", md5Verifier("app_clone", redact.New("pencil"))),
		alterRoleSQL(`a"b`, "NOCREATEDB"),
		grantRoleSQL("app", "app_clone", membership{Inherit: true, Set: true}, true),
		grantRoleSQL("app", "app_clone", membership{Admin: true, Inherit: true, Set: true}, false),
		grantRoleSQL("app", "app_clone", membership{Inherit: true, Set: true}, false),
		revokeRoleSQL("ADMIN OPTION FOR ", "app", "app_clone", "master"),
		revokeRoleSQL("", "app", "app_clone", ""),
		setSQL("app_clone", "", "role", `Odd "name" it's back\slash`),
		setSQL("app_clone", "my db", "search_path", `"$user", public, "odd "" , name"`),
		setSQL("app_clone", "", "search_path", `""`),
		setSQL("app_clone", "", "shop.tenant", "a, b"),
		resetSQL("app_clone", "my db", "shop.tenant"),
		commentSQL("app_clone", "tumbler:arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-AbCdEf"),
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
