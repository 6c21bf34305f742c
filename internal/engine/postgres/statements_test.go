package postgres

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The statements as they go over the wire.
func TestStatements(t *testing.T) {
	verifier := pgwire.MD5("app", redact.New("pencil"))
	var out strings.Builder
	for _, s := range []string{
		stateSQL,
		strangersSQL,
		policiesSQL,
		noEventTriggersSQL,
		accountSQL("app"),
		defaultsSQL("app", "it's"),
		giveDefaultSQL("app", defaultPrivilege{Kind: "TABLES", Schema: `odd " schema`, Grantee: `odd " role`, Privilege: "SELECT", Grantable: true}),
		takeDefaultSQL("app", defaultPrivilege{Kind: "FUNCTIONS", Privilege: "EXECUTE"}),
		enabledSQL("it's"),
		alterPasswordSQL("app", verifier),
		alterPasswordSQL(`Robert"; DROP ROLE "admin`, verifier),
		alterPasswordSQL(`back\slash 'quote' Ünïcode`, verifier),
		catalogSQL("app", "it's"),
		pggrant.PostgresSQL("app", "it's"),
		createRoleSQL("app_clone", verifier),
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
