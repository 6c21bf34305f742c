package all_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

// A server whose certificate a private authority has signed is refused, unless that
// authority is configured; and then every engine trusts it.
func TestPrivateAuthority(t *testing.T) {
	authority := certs.New("a private authority")
	db := dbtest.Postgres(t, dbtest.TLS(authority.Server("127.0.0.1")))
	doc := db.Document(func(keys map[string]any) { keys["ssl"] = true })
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := all.Engines["postgres"].Connect(t.Context(), doc); !fault.Is(err, fault.CertificateRejected) {
		t.Errorf("without it: %v", err)
	}
	t.Setenv(all.AuthoritiesVariable, file)
	trusting := all.Deployed()
	session, err := trusting["postgres"].Connect(t.Context(), doc)
	if err != nil {
		t.Fatalf("with it: %v", err)
	}
	session.Close()
	for family, e := range trusting {
		if reflect.ValueOf(e).FieldByName("Roots").IsNil() {
			t.Errorf("%s does not trust it", family)
		}
	}
	if len(trusting) != len(all.Engines) {
		t.Errorf("%d of %d engines", len(trusting), len(all.Engines))
	}
}

// A function whose authorities are gone ends, and does without them in no case.
func TestAuthoritiesAreThere(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".gone"} {
		t.Setenv(all.AuthoritiesVariable, file)
		func() {
			defer func() {
				if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), "certificate authorities") {
					t.Errorf("%s: got %v", file, err)
				}
			}()
			all.Deployed()
		}()
	}
}
