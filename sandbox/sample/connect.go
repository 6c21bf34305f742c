package sample

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Connect logs in with AWSCURRENT, as an application would that caches nothing.
func Connect(ctx context.Context, secrets rotation.ValueReader, databases rotation.Databases, secretID string) (engine.Session, error) {
	doc, err := rotation.ReadDocument(ctx, secrets, secretID, rotation.Version{Label: rotation.Current})
	if err != nil {
		return nil, err
	}
	database, err := databases.For(doc)
	if err != nil {
		return nil, err
	}
	return database.Connect(ctx, doc)
}
