package mysql

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
)

// ExecForTest runs a statement on a session.
func ExecForTest(ctx context.Context, s engine.Session, statement string) error {
	return s.(*session).exec(ctx, statement)
}
