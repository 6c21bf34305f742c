// Package tsql builds the Transact-SQL that the SQL Server engine sends.
//
// Statements with a password are [redact.String]s. SQL Server keeps such passwords out of
// its traces, its audit and its extended events by replacing the text of the statement
// with a comment (SQL Server documentation, "SQL Trace", "Security considerations"). It
// recognises them by the text of the batch. Each is therefore sent alone, never wrapped
// in EXECUTE or sp_executesql.
//
// PASSWORD = 0x... HASHED would keep the password away from the server, but is not used:
// it bypasses the password policy, cannot be combined with OLD_PASSWORD (so an account
// could not change its own password), and needs rights that the master user of Amazon RDS
// does not have.
package tsql

import "strings"

// Name quotes an identifier as QUOTENAME does.
func Name(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }

// Text quotes a Unicode literal. SQL Server has no escape character in literals except
// for a line continuation: see [Quotable].
func Text(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Quotable reports whether the server reads a quoted s as s. A backslash before a line
// break is a continuation, which removes both even in a literal (SQL Server
// documentation, "Backslash (Line Continuation)"), and a NUL ends the text in some
// clients.
func Quotable(s string) bool {
	return !strings.Contains(s, "\\\n") && !strings.Contains(s, "\\\r") && !strings.ContainsRune(s, 0)
}
