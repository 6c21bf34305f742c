package pgwire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// CheckName refuses a name that the product would reject or truncate. A truncated name
// could be another role's. The error is InvalidSecret.
func (d *Dialect) CheckName(what, name string) error {
	if len(name) > d.MaxName {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q has %d bytes, and %s's names have at most %d", what, name, len(name), d.Product, d.MaxName),
			"Use a role with a shorter name")
	}
	if name == "" || strings.ContainsRune(name, 0) || !utf8.ValidString(name) {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q is not a name %s can have", what, name, d.Product),
			"Correct the user name in the secret")
	}
	return nil
}

// EmptyPassword refuses an empty password.
func EmptyPassword(op string) error {
	return fault.New(fault.PasswordRejected, op+": the new password is empty", "Store a version with a password")
}

// VerifierFault classifies the failure of [PasswordMethod.Verifier].
func VerifierFault(err error, op string) error {
	if errors.Is(err, errIterations) {
		return fault.Wrap(err, fault.DatabaseError, op+": the server's "+err.Error(), "Set scram_iterations to a lower value: each login costs as much as this would")
	}
	return fault.Wrap(err, fault.Internal, op+": the verifier could not be computed", "")
}

// loginFault classifies a refused or broken login.
func (t Target) loginFault(err error, password redact.String) error {
	op := fmt.Sprintf("logging in to %s (database %q)", t, t.Database)
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if strings.Contains(err.Error(), "require_auth check failed") {
			return fault.Wrap(err, fault.TLSUnavailable, op+": the server asks for the password in clear on an unencrypted connection",
				"Switch TLS on in the server, or have it authenticate this user by scram-sha-256")
		}
		if strings.Contains(err.Error(), "nknown authentication type") {
			return fault.Wrap(err, fault.DatabaseError, op+": the server asks for a kind of login that only its maker's drivers know", t.Hints.Unknown)
		}
		return t.BrokenFault(err, op, "")
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (SQLSTATE %s)", op, what, refusal.Code), hint)
	}
	switch {
	case refusal.Code == "28P01":
		hint := "The password in this version of the secret is not the user's, its validity (VALID UNTIL) is over, or there is no such user"
		if preparedDifferently(password) {
			hint = "The password holds characters that PostgreSQL clients do not agree on how to prepare. Set a password of ASCII characters by hand, once. " +
				"Otherwise: " + hint
		}
		return answer(fault.LoginRefused, "the password is not accepted", hint)
	case strings.HasPrefix(refusal.Code, "28"):
		code, what, hint := t.notAllowed(refusal)
		return answer(code, what, hint)
	case refusal.Code == "3D000":
		return answer(fault.DatabaseError, "the password was accepted, but there is no such database", `Correct "dbname" in the secret`)
	case refusal.Code == "42501":
		return answer(fault.PrivilegeMissing, "the password was accepted, but the user may not connect to this database",
			`GRANT CONNECT ON DATABASE to the user, or put another database into "dbname" of the secret`)
	case refusal.Code == "53300":
		return answer(fault.DatabaseUnavailable, "too many connections",
			"The server's max_connections, or the limit of this user or database, is reached. "+netfault.HintBusy)
	case unavailable(refusal.Code):
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", netfault.HintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", "Look the SQLSTATE up in PostgreSQL's documentation, and the time in the server's log")
}

// notAllowed explains a login that was refused, as far as the server says, for a reason
// other than the password. It uses the name of the server's function, which is not
// translated, unlike the message.
func (t Target) notAllowed(refusal *pgconn.PgError) (code fault.Code, what, hint string) {
	switch refusal.Routine {
	case "InitializeSessionUserId", "InitializeSessionUserIdStandalone":
		if strings.Contains(refusal.Message, "does not exist") {
			return fault.LoginRefused, "the role does not exist", "Correct the user name in the secret, or create the role"
		}
		return fault.AccountDisabled, "the role is not permitted to log in", "ALTER ROLE with LOGIN, or correct the user name in the secret"
	case "ClientAuthentication":
		if !t.Encrypted {
			return fault.AccountDisabled, "pg_hba.conf does not admit this user without TLS from this address", t.Hints.DemandsTLS
		}
		return fault.AccountDisabled, "pg_hba.conf does not admit this user from this address", t.Hints.Admit
	}
	return t.AuthFailed, "the user is not admitted", t.Hints.Refused
}

// Effect is what a statement changes when it reaches the server.
type Effect int

const (
	Reading   Effect = iota
	Changing         // a password
	Levelling        // a clone
)

// StatementFault classifies a failed statement on a logged-in session. op describes the
// operation.
func (c *Conn) StatementFault(err error, op string, does Effect) error {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return netfault.LostFault(err, op, does != Reading)
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (SQLSTATE %s)", op, what, refusal.Code), hint)
	}
	// If the server ends the session (FATAL), it may already have committed.
	if fatal := refusal.SeverityUnlocalized != "ERROR" && refusal.Severity != "ERROR"; fatal || refusal.Code == "40003" {
		return netfault.EndedFault(err, fmt.Sprintf("%s: the server ended the session (SQLSTATE %s)", op, refusal.Code), does != Reading)
	}
	switch {
	case refusal.Code == "42501":
		return answer(fault.PrivilegeMissing, "not allowed",
			c.Target.Hints.NotAllowed)
	case refusal.Code == "25006":
		return answer(fault.DatabaseReadOnly, "the database is read-only",
			c.Target.Hints.ReadOnly)
	case does == Changing && passwordRefused(refusal.Code):
		return answer(fault.PasswordRejected, "the server's password policy refuses it",
			c.Target.Hints.Policy)
	case does == Levelling && refusal.Code == "42704", does != Reading && (refusal.Code == "42710" || refusal.Code == "23505"):
		return answer(fault.DatabaseUnavailable, "something has gone or come since it was read, and nothing was changed",
			"Somebody may be changing roles at the same moment: try again")
	case refusal.Code == "42704":
		return answer(fault.DatabaseError, "there is no such role", "Correct the user name in the secret")
	case refusal.Code == "57014" || refusal.Code == "55P03":
		return answer(fault.DatabaseUnavailable, "the server did not finish in time and changed nothing", hintLock)
	case refusal.Code == "0A000" && refusal.Routine == "call_bool_check_hook":
		return answer(fault.DatabaseReadOnly, "the server is a replica",
			c.Target.Hints.ReadOnly)
	case refusal.Routine == "simple_heap_update" || refusal.Routine == "simple_heap_delete" || strings.HasPrefix(refusal.Code, "40"):
		return answer(fault.DatabaseUnavailable, "somebody else changed the role at the same moment, and this change was not made", "Try again")
	case unavailable(refusal.Code):
		return answer(fault.DatabaseUnavailable, "the server is short of resources", netfault.HintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", "Look the SQLSTATE up in PostgreSQL's documentation, and the time in the server's log")
}

const hintLock = "Somebody may hold a lock on the account: look for long transactions in pg_stat_activity"

// unavailable reports whether a SQLSTATE means a temporary problem of the server. Source:
// PostgreSQL documentation, "Error Codes".
func unavailable(state string) bool {
	switch state {
	case "57P01", "57P02", "57P03", "57P05": // shutting down, crashed, starting up, idle for too long
		return true
	case "08P01": // protocol violation, which poolers use for all errors
		return false
	}
	return strings.HasPrefix(state, "53") || strings.HasPrefix(state, "08")
}

// passwordRefused reports whether a SQLSTATE, in answer to ALTER ROLE, comes from a
// password policy: passwordcheck, credcheck, or a hook of pg_tle, which raises an
// exception.
func passwordRefused(state string) bool {
	return state == "22023" || state == "P0001" || state == "28000" || state == "28P01"
}
