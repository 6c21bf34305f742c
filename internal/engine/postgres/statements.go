package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statements are simple queries of several statements, which PostgreSQL runs as
// one transaction: SET LOCAL holds until its end, and one round trip does both.

// limited gives the statement a time limit.
func limited(statement string) string {
	return fmt.Sprintf("SET LOCAL statement_timeout = %d; %s", statementTimeout.Milliseconds(), statement)
}

// probeSQL touches no table.
func probeSQL() string { return limited("SELECT 1") }

// passwordMethodSQL asks for what passwordMethod holds. scram_iterations came
// with PostgreSQL 16; before, it is NULL.
func passwordMethodSQL() string {
	return limited("SELECT pg_catalog.current_setting('password_encryption'), pg_catalog.current_setting('scram_iterations', true)")
}

// setPasswordSQL stores a verifier. ALTER ROLE takes no parameters.
func setPasswordSQL(role string, v verifier) string {
	return limited("ALTER ROLE " + identifier(role) + " PASSWORD " + v.literal())
}

// identifier quotes a name.
func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes the verifier. It consists of letters, digits and $:+/=-, so
// there is nothing in it to be escaped, whatever standard_conforming_strings
// says; doubling quotes is for whoever changes that.
func (v verifier) literal() string { return "'" + strings.ReplaceAll(v.text, "'", "''") + "'" }
