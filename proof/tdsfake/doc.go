// Package tdsfake is a fake of Microsoft SQL Server for tests and for the
// sandbox, on machines that cannot run the real one.
//
// It is a fake. What it proves is that the engine and the driver agree on a
// protocol, that each statement the engine sends parses under a strict grammar,
// and that the engine reaches the state it claims: logins, users, roles and
// permissions are kept, passwords are really compared, OLD_PASSWORD and the
// rights to change others are enforced. What it does not prove is that a real
// server takes the same statements, answers the same catalogue queries or gives
// the same errors: those are written down here from Microsoft's documentation.
//
//   - The grammar is the statements of package tsql and nothing else; anything
//     else is error 102, so that the engine and the fake cannot drift apart.
//   - The catalogue queries are known by their text, not understood: they are
//     answered from the model.
//   - Names are compared exactly. A real server mostly ignores case.
//   - A transaction is a batch that is checked before it is applied.
//   - There are no data: tables have names and columns.
//
// The protocol is TDS 7.4 as far as go-mssqldb uses it: PRELOGIN with its
// negotiation of encryption, TLS inside of PRELOGIN packets, LOGIN7, batches,
// sp_executesql and attention ([MS-TDS]: Tabular Data Stream Protocol).
package tdsfake
