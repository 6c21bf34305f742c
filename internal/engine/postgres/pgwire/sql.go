package pgwire

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statements are simple queries of several statements, which the server runs as
// one transaction: SET LOCAL holds until its end, and one round trip does all.

var timeLimit = fmt.Sprintf("SET LOCAL statement_timeout = %d", statementTimeout.Milliseconds())

// Limited gives the statements a time limit.
func Limited(statements ...string) string {
	return timeLimit + "; " + strings.Join(statements, "; ")
}

// Identifier quotes a name.
func Identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// Literal quotes a text, whatever standard_conforming_strings says.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// Literal quotes the verifier. It consists of letters, digits and $:+/=-, so
// there is nothing in it to be escaped, whatever standard_conforming_strings
// says; doubling quotes is for whoever changes that.
func (v Verifier) Literal() string { return "'" + strings.ReplaceAll(v.text, "'", "''") + "'" }
