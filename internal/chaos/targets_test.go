package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/chaos"
	"github.com/tumbler-rotation/tumbler/internal/dbserver/dbtest"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

func postgresTarget(t *testing.T, strategy rotation.Strategy) chaos.Target {
	t.Helper()
	db := dbtest.Postgres(t)
	admin := db.Admin()
	var users atomic.Int64
	return chaos.Target{
		Name: "PostgreSQL " + db.Server.Version, Strategy: strategy,
		Engine: postgres.Engine{}, Family: "postgres", Host: db.Host, Port: db.Port,
		Superuser: db.SuperuserDocument(nil),
		NewUser: func(ctx context.Context) (secretdoc.Document, error) {
			user := fmt.Sprintf("%s_%d", db.User, users.Add(1))
			password := fmt.Sprintf("first-password-of-%s", user)
			_, err := admin.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", user, password)).ReadAll()
			return db.Document(func(keys map[string]any) { keys["username"], keys["password"] = user, password }), err
		},
		Goodbye: func(chunk []byte) bool { return slices.Equal(chunk, []byte{'X', 0, 0, 0, 4}) },
	}
}
