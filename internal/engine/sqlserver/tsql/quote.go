// Package tsql builds the Transact-SQL that the SQL Server engine sends.
//
// Statements that hold a password are [redact.String]s. SQL Server itself keeps
// them out of its traces, its audit and its extended events: text in which it
// finds a password is replaced by a comment there (SQL Server documentation,
// "SQL Trace", "Security considerations"). That works on the text of a batch,
// which is why such statements are sent alone and as they are, never wrapped in
// EXECUTE or sp_executesql.
//
// PASSWORD = 0x... HASHED is not used, although it would keep the text away
// from the server altogether: it skips the password policy, it cannot be given
// together with OLD_PASSWORD (so an account could not change its own), and it
// asks for rights that the master user of Amazon RDS does not have.
package tsql

import "strings"

// Name quotes an identifier as QUOTENAME does.
func Name(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }

// Text quotes a Unicode literal. SQL Server has no escape character in it but
// one: see [Quotable].
func Text(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Quotable reports whether a quoted s reads as s again. A backslash before a
// line break is a continuation, which swallows both, inside a literal as well
// (SQL Server documentation, "Backslash (Line Continuation)"), and a NUL ends
// text in some clients.
func Quotable(s string) bool {
	return !strings.Contains(s, "\\\n") && !strings.Contains(s, "\\\r") && !strings.ContainsRune(s, 0)
}
