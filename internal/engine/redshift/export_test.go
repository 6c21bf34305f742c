package redshift

import "github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"

// OnPostgres asks PostgreSQL's catalogs where Redshift has views of its own.
func OnPostgres(e Engine) Engine {
	e.views = &views{
		about: func(users ...string) string {
			return "SELECT rolname, rolconnlimit, '', 0 FROM pg_catalog.pg_roles WHERE " + oneOf("rolname", users)
		},
		roles:     func(...string) string { return "SELECT '', '', false WHERE false" },
		rights:    func(users ...string) []string { return []string{pggrant.PostgresSQL(users...)} },
		superuser: "SUPERUSER",
		unlimited: "-1",
	}
	return e
}

// Reading is every statement that reads what PostgreSQL has, too.
func Reading(users ...string) []string {
	return []string{usersSQL(users...), groupsSQL(users...), validitySQL(users[0]), disabledSQL(users[0]), owned(users, "'TABLE', '', n.nspname, c.relname", tablesFrom, tablesOnly, "SELECT")}
}
