package postgres_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/proof/pgsuite"
)

// versions are those that the tests' packages bring, and those that TUMBLER_POSTGRES
// names, such as "16 17", and somebody has installed.
func versions() []string {
	return append([]string{"15", ""}, strings.Fields(os.Getenv(moreVersions))...)
}

const moreVersions = "TUMBLER_POSTGRES"

// TestHostileTenants: what tenants plant against a real superuser, who has more to
// lose than the one of RDS in TestSuite.
func TestHostileTenants(t *testing.T) {
	t.Parallel()
	for _, version := range versions() {
		for _, separate := range []bool{false, true} {
			if version == "15" && separate || version == "" && !separate && os.Getenv(moreVersions) == "" {
				continue // the same statements as on another server, and as in TestSuite
			}
			// Settings of a database are seen by every role of the server.
			db := dbtest.Postgres(t, dbtest.Version(version), dbtest.Unshared(fmt.Sprint(t.Name(), separate)))
			f := pgsuite.New(db, "postgres")
			target := enginetest.Target{
				Name: "PostgreSQL " + db.Server.Version, Engine: postgres.Engine{SeparateOwnership: separate}, Fixture: f,
				Rights: []enginetest.Right{f.Attribute("CREATEDB", "rolcreatedb")}, Tenancy: f.Tenancy(f.PostgresPlants()...),
			}
			if separate {
				target.Name += " with SeparateOwnership"
			}
			t.Run(target.Name, func(t *testing.T) {
				t.Parallel()
				enginetest.Hostile(t, target)
			})
		}
	}
}

// Nothing that statements use is looked up along the path: the second layer, by
// itself, without the path that transactions pin.
func TestStatementsNameTheirSchemas(t *testing.T) {
	t.Parallel()
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			db := dbtest.Postgres(t, dbtest.Version(version), dbtest.Unshared(t.Name()))
			pgsuite.New(db, "postgres").WithoutPath(t, postgres.Reading("app", "it's"))
		})
	}
}

// An event trigger runs as whoever sets it off. One that the tenant can define is
// kept quiet, or the rotation ends before it.
func TestEventTriggers(t *testing.T) {
	t.Parallel()
	for _, version := range versions() {
		for _, separate := range []bool{false, true} {
			t.Run(fmt.Sprint(version, " ", separate), func(t *testing.T) {
				t.Parallel()
				w := newTwins(t, nil, dbtest.Version(version), dbtest.Unshared(t.Name()))
				w.engine.SeparateOwnership = separate
				w.admin.DBName = w.Server.AdminDatabase
				w.proven = true
				w.Exec("CREATE ROLE " + w.clone + " LOGIN PASSWORD 'theirs'; GRANT " + w.original + " TO " + w.clone + "; GRANT CREATE ON SCHEMA public TO " + w.original)
				w.run(w.clone, "theirs", "CREATE TABLE made (n int)")
				w.run(w.original, w.Password.Reveal(), `CREATE SEQUENCE fired; CREATE FUNCTION evil() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
					PERFORM nextval('public.fired'); BEGIN EXECUTE 'ALTER ROLE `+w.original+` SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$`)
				w.Exec("CREATE EVENT TRIGGER evil ON ddl_command_start EXECUTE FUNCTION evil()")
				w.dropTriggerLater("evil")
				before := w.everything()
				_, err := w.try(w.request())
				if w.Server.Version >= "17" {
					if err != nil {
						t.Fatal(err)
					}
				} else {
					if err == nil || !strings.Contains(err.Error(), `ALTER EVENT TRIGGER "evil" DISABLE`) {
						t.Fatalf("got %v", err)
					}
					if strings.Join(before, "") != strings.Join(w.everything(), "") {
						t.Error("something was changed")
					}
				}
				if fired := w.Exec("SELECT is_called FROM fired"); fired[0][0] != "f" {
					t.Error("the tenant's function has run")
				}
				// A superuser's own, such as one for auditing, runs as ever.
				w.Exec("ALTER FUNCTION evil() OWNER TO CURRENT_USER; CREATE OR REPLACE FUNCTION evil() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('public.fired'); END $$")
				w.Exec("CREATE TABLE more (n int); GRANT SELECT ON more TO " + w.original)
				w.Exec("ALTER SEQUENCE fired RESTART")
				if _, err := w.try(w.request()); err != nil {
					t.Error(err)
				}
				if fired := w.Exec("SELECT is_called FROM fired"); separate && fired[0][0] != "t" {
					t.Error("a superuser's event trigger was switched off")
				}
			})
		}
	}
}

func (w *twins) dropTriggerLater(name string) {
	w.t.Cleanup(func() {
		conn, err := w.Server.Login(context.Background(), w.Server.AdminUser, w.Server.AdminPassword, w.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "DROP EVENT TRIGGER "+name).ReadAll(); err != nil {
			w.t.Error(err)
		}
	})
}
