package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine"
)

// Run runs a command of a test's own on a session.
func Run(ctx context.Context, s engine.Session, command bson.D) (bson.Raw, error) {
	return s.(*session).run(ctx, command)
}

// MarkKey is where a clone's custom data has the secret's ARN.
const MarkKey = markKey
