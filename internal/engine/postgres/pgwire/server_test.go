package pgwire_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

// Passwords that are not ASCII are stored as the server would store them, so
// that every client which could log in still can.
func TestVerifierIsTheServersOwn(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	const stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'twin'"
	for _, password := range []string{
		"ascii", "grün", "gru\u0308n", "ﬁne", "x²", "a\u00a0b", "soft\u00adhyphen", "\u00ad", "ª", "Ａ", "א1", "אa", "😀ﬁ", "\u0007bell", "bell\u0007é", "\ufffd",
	} {
		db.Exec("CREATE ROLE twin PASSWORD '" + password + "'")
		servers := db.Exec(stored)[0][0]
		db.Exec("DROP ROLE twin")
		ours, err := pgwire.VerifierLike(servers, redact.New(password))
		if err != nil {
			t.Fatal(err)
		}
		if ours != servers {
			t.Errorf("%+q: the server stores something else", password)
		}
	}
}
