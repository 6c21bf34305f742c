package pggrant

import (
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

const (
	withGrant      = " WITH GRANT OPTION"
	grantOptionFor = "GRANT OPTION FOR "
)

func (g Grant) grant(to string, o Option) string {
	sql := g.prefix() + "GRANT " + g.Privilege + g.column() + " ON " + g.target() + " TO " + pgwire.Identifier(to)
	if o.Grantable {
		sql += withGrant
	}
	return sql
}

func (g Grant) revoke(from, option string) string {
	return g.prefix() + "REVOKE " + option + g.Privilege + g.column() + " ON " + g.target() + " FROM " + pgwire.Identifier(from)
}

const defaultKind = "DEFAULT "

// prefix begins a statement about a default privilege. PostgreSQL calls the owner a role
// and Redshift a user; both accept USER.
func (g Grant) prefix() string {
	if !strings.HasPrefix(g.Kind, defaultKind) {
		return ""
	}
	sql := "ALTER DEFAULT PRIVILEGES FOR USER " + pgwire.Identifier(g.Owner) + " "
	if g.Schema != "" {
		sql += "IN SCHEMA " + pgwire.Identifier(g.Schema) + " "
	}
	return sql
}

func (g Grant) target() string {
	if kind, ok := strings.CutPrefix(g.Kind, defaultKind); ok {
		return kind
	}
	return g.on()
}

func (g Grant) on() string {
	if strings.HasPrefix(g.Kind, defaultKind) {
		where := ""
		if g.Schema != "" {
			where = " in schema " + pgwire.Identifier(g.Schema)
		}
		return "future " + strings.TrimPrefix(g.Kind, defaultKind) + " of " + pgwire.Identifier(g.Owner) + where
	}
	name := pgwire.Identifier(g.Object)
	if g.Kind == "LARGE OBJECT" {
		name = g.Object // a number
	}
	if g.Schema != "" {
		name = pgwire.Identifier(g.Schema) + "." + name
	}
	if g.Kind == "FUNCTION" || g.Kind == "PROCEDURE" {
		name += "(" + g.Args + ")"
	}
	return g.Kind + " " + name
}

func (g Grant) column() string {
	if g.Column == "" {
		return ""
	}
	return " (" + pgwire.Identifier(g.Column) + ")"
}
