package mongodb

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The commands as they go over the wire, but for the database.
func TestStatements(t *testing.T) {
	roles := []role{{"readWrite", "shop"}, {`odd"role`, "o'db"}}
	var out strings.Builder
	for _, c := range []bson.D{
		helloCommand("app"),
		saslStartCommand(scramSHA1, []byte("n,,n=app,r=nonce")),
		saslContinueCommand(int32(1), []byte("c=biws,r=nonce,p=proof")),
		pingCommand(),
		setPasswordCommand("app", redact.New("pencil")),
		setPasswordCommand(`$where "quoted" Ünïcode`, redact.New(`"}, $x: {`)),
		usersInfoCommand("app_clone"),
		createUserCommand("app_clone", redact.New("pencil"), roles, "arn:aws:secretsmanager:..."),
		createUserCommand("app_clone", redact.New("pencil"), nil, ""),
		grantCommand("app_clone", roles),
		revokeCommand("app_clone", roles[:1]),
	} {
		text, err := bson.MarshalExtJSON(c, false, false)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(string(text) + "\n")
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
