// Package all is the explicit table of every engine.
package all

import (
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/engine/oracle"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/engine/redshift"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver"
)

// Engines serves every engine in [secretdoc.Engines] but Db2, for which there is
// no driver without IBM's library.
var Engines = engine.Table{
	"mongodb":   mongodb.Engine{},
	"mysql":     mysql.Engine{},
	"oracle":    oracle.Engine{},
	"postgres":  postgres.Engine{},
	"redshift":  redshift.Engine{},
	"sqlserver": sqlserver.Engine{},
}
