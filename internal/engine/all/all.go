// Package all is the explicit table of every engine.
package all

import (
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/engine/redshift"
)

// Engines serves every engine in [secretdoc.Engines].
var Engines = engine.Table{
	"postgres": postgres.Engine{},
	"redshift": redshift.Engine{},
}
