package postgres_test

import (
	"fmt"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
)

// With a pooler in front, which hands each transaction to another connection of the
// server and refuses startup parameters that it does not know, a rotation does what it
// does without one: no statement counts on the session that an earlier one ran in.
func TestBehindPgBouncer(t *testing.T) {
	for _, mode := range []string{"transaction", "session"} {
		for _, separate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s pooling, separateOwnership=%t", mode, separate), func(t *testing.T) {
				db := dbtest.Postgres(t)
				port := db.PgBouncer(mode)
				pooled := func(keys map[string]any) { keys["port"], keys["host"] = port, "127.0.0.1" }
				e := postgres.Engine{SeparateOwnership: separate}
				open := func(user string, password redact.String) engine.Session {
					t.Helper()
					doc := db.Document(pooled)
					if user == "" {
						doc = db.SuperuserDocument(pooled)
					} else {
						doc = doc.WithUsername(user).WithPassword(password)
					}
					s, err := e.Connect(t.Context(), doc)
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				db.Exec("CREATE TABLE orders (id int); CREATE SCHEMA own; ALTER ROLE " + db.User + " SET search_path = own")

				// What a rotation of a single user does, and as a pair, each twice.
				password := db.Password
				for i := range 2 {
					s := open(db.User, password)
					if _, err := s.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: db.User}); err != nil {
						t.Errorf("preflight: %v", err)
					}
					next := redact.New(fmt.Sprint("next-", i, "-", mode))
					if err := s.SetPassword(t.Context(), db.User, next); err != nil {
						t.Fatal(err)
					}
					s.Close()
					s, password = open(db.User, next), next
					if err := s.Probe(t.Context()); err != nil {
						t.Error(err)
					}
					s.Close()
				}
				for i := range 2 {
					admin := open("", redact.String{})
					r := engine.CloneRequest{
						Original: db.User, Clone: db.User + "_clone", Password: redact.New(fmt.Sprint("clone-", i)), Mark: "arn:app", Database: db.Name,
					}
					if _, err := admin.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &r}); err != nil {
						t.Errorf("preflight of a pair: %v", err)
					}
					made, err := admin.EnsureClone(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if i == 1 && (made.Created || len(made.Changes) > 0) {
						t.Errorf("a second time: %+v", made)
					}
					if err := admin.SetPassword(t.Context(), db.User, password); err != nil {
						t.Error(err)
					}
					admin.Close()
					clone := open(r.Clone, r.Password)
					privileges, err := clone.Privileges(t.Context(), r.Clone)
					if err != nil || fmt.Sprint(privileges) != fmt.Sprint(made.Privileges) {
						t.Errorf("the clone says of itself %q, %v, and the superuser %q", privileges, err, made.Privileges)
					}
					clone.Close()
				}
			})
		}
	}
}
