package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/proof/pgsuite"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// TestSuite runs the suite that every engine has to pass, with a superuser such
// as RDS has it.
func TestSuite(t *testing.T) {
	t.Parallel()
	ca := certs.New("our CA")
	for _, tc := range []struct {
		version  string
		separate bool
	}{{"15", false}, {"", false}, {"", true}} {
		db := dbtest.Postgres(t, dbtest.Version(tc.version), dbtest.TLS(ca.Server("127.0.0.1")), dbtest.Unshared(fmt.Sprint(t.Name(), tc.separate)))
		plain := dbtest.Postgres(t, dbtest.Version(tc.version))
		f := pgsuite.New(db, "postgres").WithMaster()
		target := enginetest.Target{
			Name:    "PostgreSQL " + db.Server.Version,
			Engine:  postgres.Engine{Roots: ca.Pool(), SeparateOwnership: tc.separate},
			Fixture: f,
			// Such as show in the clone itself: what the original is granted on
			// tables and by memberships comes to a clone that acts as it
			// without a change.
			Rights:    []enginetest.Right{f.Attribute("CREATEDB", "rolcreatedb"), f.Attribute("CREATEROLE", "rolcreaterole")},
			Marks:     true,
			Scenes:    f.Scenes(),
			Catalogue: f.Catalogue,
			Barred:    f.Barred(),
			Locks:     f.Locks(),
			Waiting:   f.Waiting(t),
			TLS:       &enginetest.TLS{Distrusting: postgres.Engine{Roots: certs.New("another").Pool()}, WrongHost: "localhost"},
			NoTLS:     new(plain.Document(nil)),
			Log:       f.Log,
			Logins:    f.Logins,
			UserName:  func(name string) bool { return legalName(name) && len(name) < 50 },
		}
		if tc.version == "" && !tc.separate { // see TestHostileTenants for the others
			target.Tenancy = f.Tenancy(f.PostgresPlants()...)
		}
		if tc.separate {
			target.Name += " with separateOwnership"
			target.Scenes = slices.DeleteFunc(target.Scenes, func(s enginetest.Scene) bool { return s.Code != "" }) // a clone takes no right over its original
			target.Rights = append(f.GrantRights(), f.Attribute("CREATEDB", "rolcreatedb"))
		}
		t.Run(target.Name, func(t *testing.T) {
			t.Parallel()
			enginetest.Run(t, target)
		})
	}
}
