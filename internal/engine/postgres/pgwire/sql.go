package pgwire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tumbler-rotation/tumbler/internal/engine"
)

// A tenant may own the database that a session is in, and with it the schemas
// that names are looked up in. What our statements name must never be theirs
// (the class of CVE-2018-1058), so there are two layers, each enough by itself:
// every transaction begins with the path pinned, and the statements say the
// schema of each relation, function, operator and type that they use.

// Operators spells out where the operators of a statement come from: {=} becomes
// OPERATOR(pg_catalog.=). It is for constant text, before names are put into it.
// IN, LIKE, BETWEEN, NULLIF, IS DISTINCT FROM and JOIN USING look operators up
// along the path, too, and cannot be spelt out: statements do without them.
// It is no regular expression, because it runs when a function starts.
func Operators(sql string) string {
	var spelt strings.Builder
	for {
		before, after, found := strings.Cut(sql, "{")
		spelt.WriteString(before)
		if !found {
			return spelt.String()
		}
		symbol, rest, closed := strings.Cut(after, "}")
		if !closed || symbol == "" || strings.Trim(symbol, "-+*/<>=~!@#%^&|") != "" {
			spelt.WriteByte('{') // of an array or an expression
			sql = after
			continue
		}
		spelt.WriteString("OPERATOR(pg_catalog." + symbol + ")")
		sql = rest
	}
}

// Identifier quotes a name.
func Identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// Literal quotes a text, whatever standard_conforming_strings says. That the
// client's encoding is one in which no byte of a longer character looks like a
// quote or a backslash is for [Dialect.Connect] to see to.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// Names renders names as an array, for = ANY.
func Names(names ...string) string {
	var literals []string
	for _, name := range names {
		literals = append(literals, Literal(name))
	}
	return "ARRAY[" + strings.Join(literals, ", ") + "]::pg_catalog.name[]"
}

// Literal quotes the verifier. It consists of letters, digits and $:+/=-, so
// there is nothing in it to be escaped, whatever standard_conforming_strings
// says; doubling quotes is for whoever changes that.
func (v Verifier) Literal() string { return "'" + strings.ReplaceAll(v.text, "'", "''") + "'" }

// OwnStatements are those of this package that read, for tests.
func OwnStatements() []string { return []string{probeSQL, clockSQL, inTimeSQL(1 << 60)} }

const (
	probeSQL    = "SELECT 1"
	rollbackSQL = "ROLLBACK"
)

// readWriteSQL is for roles and databases whose transactions are read-only by
// default.
const readWriteSQL = "SET TRANSACTION READ WRITE"

// pinSQL begins every transaction on PostgreSQL: it owes nothing to the settings
// of the role and the database, which its owner makes. Temporary tables come
// last, and the role is the one that has logged in, or the one that it is to be.
func pinSQL(version int, role string) []string {
	if role != "" {
		role = Identifier(role)
	} else {
		role = "none"
	}
	var pin []string
	if version >= 17 {
		pin = append(pin, "SET LOCAL transaction_timeout = 0")
	}
	return append(pin, // limits first: those of the role or the database may be tiny
		"SET LOCAL statement_timeout = "+milliseconds(statementTimeout),
		"SET LOCAL search_path = pg_catalog, pg_temp",
		"SET LOCAL ROLE "+role,
		"SET LOCAL lock_timeout = "+milliseconds(engine.LockTimeout),
	)
}

// beginSQL is the same for Redshift, which has fewer settings. Source: Redshift
// documentation, "BEGIN", "SET", "search_path", "statement_timeout".
func beginSQL(timeout time.Duration) []string {
	return []string{
		"BEGIN READ WRITE",
		"SET LOCAL search_path TO pg_catalog",
		"SET LOCAL statement_timeout TO " + milliseconds(timeout),
	}
}

const commitSQL = "COMMIT"

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// clock is the server's, in milliseconds. As a whole number it reads the same
// whatever extra_float_digits is.
var clock = Operators("CAST(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) {*} 1000 AS pg_catalog.int8)")

var clockSQL = "SELECT " + clock

// inTimeSQL fails when the server's clock has gone past the deadline.
func inTimeSQL(deadline int64) string {
	return AssertSQL(Operators(fmt.Sprintf("%s {<} %d", clock, deadline)))
}

// AssertSQL fails, and with it the transaction, unless the condition holds. See
// [Step].Refusal.
func AssertSQL(condition string) string {
	return Operators("SELECT 1 {/} CASE WHEN ") + condition + " THEN 1 ELSE 0 END"
}

// assertionFailed is the SQLSTATE of a division by zero.
const assertionFailed = "22012"
