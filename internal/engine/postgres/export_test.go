package postgres

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// Reading is every statement that reads.
func Reading(roles ...string) []string {
	return append([]string{
		stateSQL, strangersSQL, policiesSQL, accountSQL(roles[0]), enabledSQL(roles[0]), catalogSQL(roles...), defaultsSQL(roles[0], roles[1]), pggrant.PostgresSQL(roles...),
	}, pgwire.OwnStatements()...)
}
