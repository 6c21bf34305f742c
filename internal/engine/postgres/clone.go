package postgres

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Alternating users are still to come; until then a rotation that asks for them
// ends before it changes anything.

// EnsureClone implements [engine.Session].
func (s *session) EnsureClone(context.Context, engine.CloneRequest) (engine.CloneResult, error) {
	return engine.CloneResult{}, alternatingUsers()
}

// Privileges implements [engine.Session].
func (s *session) Privileges(context.Context, string) ([]string, error) {
	return nil, alternatingUsers()
}

func alternatingUsers() error {
	return fault.New(fault.InvalidRequest, "alternating users are not supported for PostgreSQL yet", "Use the strategy single-user")
}
