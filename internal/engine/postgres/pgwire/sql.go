package pgwire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tumbler-rotation/tumbler/internal/engine"
)

// A tenant may own the database that a session is in, including the schemas in which
// names are looked up. Our statements must never use a tenant's objects (the class of
// CVE-2018-1058). There are two layers of protection, each sufficient by itself: every
// transaction begins by setting search_path, and statements qualify every relation,
// function, operator and type with its schema.

// Operators qualifies a statement's operators: {=} becomes OPERATOR(pg_catalog.=). It is
// applied to constant text, before names are inserted. IN, LIKE, BETWEEN, NULLIF, IS
// DISTINCT FROM and JOIN USING also look operators up in the search path and cannot be
// qualified, so statements do not use them. Operators does not use a regular expression,
// because it runs at every start of a function.
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
			spelt.WriteByte('{') // part of an array or an expression
			sql = after
			continue
		}
		spelt.WriteString("OPERATOR(pg_catalog." + symbol + ")")
		sql = rest
	}
}

// Identifier quotes a name.
func Identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// Literal quotes a text, whatever standard_conforming_strings is set to.
// [Dialect.Connect] makes sure of a client encoding in which no byte of a multibyte
// character looks like a quote or a backslash.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// Names returns names as an array, for = ANY.
func Names(names ...string) string {
	var literals []string
	for _, name := range names {
		literals = append(literals, Literal(name))
	}
	return "ARRAY[" + strings.Join(literals, ", ") + "]::pg_catalog.name[]"
}

// Literal quotes the verifier. It consists of letters, digits and $:+/=-, so nothing has
// to be escaped, whatever standard_conforming_strings is set to. Quotes are doubled in
// case that changes.
func (v Verifier) Literal() string { return "'" + strings.ReplaceAll(v.text, "'", "''") + "'" }

// OwnStatements returns this package's queries, for tests.
func OwnStatements() []string { return []string{probeSQL, clockSQL, inTimeSQL(1 << 60)} }

const (
	probeSQL    = "SELECT 1"
	rollbackSQL = "ROLLBACK"
)

// readWriteSQL is for roles and databases whose transactions are read-only by default.
const readWriteSQL = "SET TRANSACTION READ WRITE"

// pinSQL begins every transaction on PostgreSQL. It overrides the settings of the role
// and of the database, which the database's owner can change. Temporary tables come last
// in the search path, and the role is the given one or the one that has logged in.
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
	return append(pin, // limits first: the role's or the database's own may be very short
		"SET LOCAL statement_timeout = "+milliseconds(statementTimeout),
		"SET LOCAL search_path = pg_catalog, pg_temp",
		"SET LOCAL ROLE "+role,
		"SET LOCAL lock_timeout = "+milliseconds(engine.LockTimeout),
	)
}

// beginSQL does the same for Redshift, which has fewer settings. Source: Redshift
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

// clock is the server's time in milliseconds. It is a whole number, so extra_float_digits
// does not affect it.
var clock = Operators("CAST(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) {*} 1000 AS pg_catalog.int8)")

var clockSQL = "SELECT " + clock

// inTimeSQL fails if the server's clock is past the deadline.
func inTimeSQL(deadline int64) string {
	return AssertSQL(Operators(fmt.Sprintf("%s {<} %d", clock, deadline)))
}

// AssertSQL fails, and with it the transaction, unless the condition is true. See
// [Step].Refusal.
func AssertSQL(condition string) string {
	return Operators("SELECT 1 {/} CASE WHEN ") + condition + " THEN 1 ELSE 0 END"
}

// assertionFailed is the SQLSTATE of a division by zero.
const assertionFailed = "22012"
