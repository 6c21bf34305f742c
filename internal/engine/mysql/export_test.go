package mysql

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// ExecForTest runs a statement on a session.
func ExecForTest(ctx context.Context, s engine.Session, statement string) error {
	return s.(*session).exec(ctx, statement)
}

// Ed25519HashForTest is what MariaDB stores: the public key.
func Ed25519HashForTest(password redact.String) string { return ed25519Hash(password) }
