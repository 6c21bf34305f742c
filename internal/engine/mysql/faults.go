package mysql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Error numbers that are handled individually. Source: MySQL 8.4 error message reference;
// MariaDB error codes.
const (
	errNoSuchSchema           = 1049
	errNoSuchTable            = 1146
	errNotAllowed             = 1227
	errOutOfRange             = 1690
	errMustChangePassword     = 1820
	errStatementTimeout       = 1969
	errWrongCurrentPassword   = 3891
	errMissingCurrentPassword = 3892
)

const hintExpired = "An administrator ends it by setting the password that AWSCURRENT has once more: ALTER USER ... IDENTIFIED BY. " +
	"Rotate more often than default_password_lifetime says, or exempt the account: ALTER USER ... PASSWORD EXPIRE NEVER"

const hintLocked = "ALTER USER ... ACCOUNT UNLOCK, after finding out who locked it and why"

const hintLock = "Look in SHOW PROCESSLIST for FLUSH TABLES WITH READ LOCK, LOCK TABLES, LOCK INSTANCE FOR BACKUP, BACKUP STAGE " +
	"(a backup, usually) or a transaction on the schema mysql, and in performance_schema.metadata_locks for its owner"

const hintLook = "Look the error number up in the server's documentation, and the time in the server's error log"

// number returns the server's error number, or 0.
func number(err error) uint16 {
	if refusal, ok := errors.AsType[*driverpkg.MySQLError](err); ok {
		return refusal.Number
	}
	return 0
}

// fault classifies a failed login on an open connection.
func (w *wire) fault(t netfault.Target, err error) error {
	op := "logging in to " + t.String()
	if _, ok := errors.AsType[*driverpkg.MySQLError](err); ok {
		return loginRefusal(err, op, w.encrypted)
	}
	switch {
	case errors.Is(err, errNoTLS):
		return t.NoTLSFault(err, "Switch TLS on in the server")
	case errors.Is(err, errReadable):
		return t.ReadableFault(err, "the password")
	case errors.Is(err, driverpkg.ErrCleartextPassword), errors.Is(err, driverpkg.ErrOldPassword), errors.Is(err, driverpkg.ErrOldProtocol),
		errors.Is(err, driverpkg.ErrUnknownPlugin), errors.Is(err, driverpkg.ErrNativePassword):
		return fault.Wrap(err, fault.DatabaseError, op+": the server asks for a way to authenticate that Tumbler does not use",
			"Change the account to caching_sha2_password (MySQL), or to ed25519 or mysql_native_password (MariaDB); accounts with IAM, PAM or LDAP have no password to rotate")
	}
	if w.switches > 1 {
		// MariaDB asks for a second plugin when an account has two and the first has
		// refused the password. The driver switches only once.
		return fault.Wrap(err, fault.LoginRefused, op+": the credentials are not accepted, and the server asks for another way to authenticate",
			"The password in this version of the secret is not the account's. If it is, give the account one way to log in (ALTER USER ... IDENTIFIED VIA)")
	}
	if w.err == nil && errors.Is(err, driverpkg.ErrInvalidConn) { // how the driver reports a closed connection
		err = errors.Join(err, driver.ErrBadConn)
	}
	return t.BrokenFault(err, op, "")
}

// loginRefusal classifies an error that the server sends in answer to a login.
func loginRefusal(err error, op string, encrypted bool) error {
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (error %d)", op, what, number(err)), hint)
	}
	disabled := func(what, hint string) error { return answer(fault.AccountDisabled, what, hint) }
	switch number(err) {
	case 1045, 1698:
		hint := "The password in this version of the secret is not the account's, or there is no account of this name for our address"
		if !encrypted {
			hint += `, or the account requires TLS (then set "ssl" to true in the secret or remove it)`
		}
		return answer(fault.LoginRefused, "the credentials are not accepted", hint)
	case 1130: // the host is not allowed, whatever the user and password
		return disabled("no account may log in from our address", "Create the user for the function's subnets, such as 'user'@'10.0.%'")
	case 3118, 4151:
		return disabled("the account is locked (ACCOUNT LOCK)", hintLocked)
	case 3955:
		return disabled("the account is blocked after too many failed logins (FAILED_LOGIN_ATTEMPTS)",
			"Find the client that uses an old password. The block ends by itself after PASSWORD_LOCK_TIME days; ALTER USER ... ACCOUNT UNLOCK ends it now")
	case 4150:
		return disabled("the account is blocked after too many failed logins (max_password_errors)",
			"Find the client that uses an old password; FLUSH PRIVILEGES or a restart of the server ends the block")
	case errMustChangePassword, 1862:
		return answer(fault.PasswordExpired, "the password is right and has expired: the server accepts nothing but a new one", hintExpired)
	case 1044:
		return answer(fault.PrivilegeMissing, "the password was accepted, but the user has no right on the schema",
			`Grant one, or remove "dbname" from the secret: a rotation needs none`)
	case 1049:
		return answer(fault.DatabaseError, "the password was accepted, but there is no such schema", `Correct or remove "dbname" in the secret`)
	case 3159:
		return answer(fault.DatabaseError, "the server demands TLS (require_secure_transport)", `Set "ssl" to true in the secret or remove it`)
	case 1129:
		return answer(fault.DatabaseUnavailable, "the server has blocked our address after many broken connections",
			"FLUSH HOSTS or TRUNCATE TABLE performance_schema.host_cache lifts it; look for what breaks connections, such as a health check")
	}
	if unavailable(number(err)) {
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", netfault.HintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", hintLook)
}

// effect is what a statement changes when it reaches the server.
type effect int

const (
	reading effect = iota
	changing
)

// fault classifies a failed statement.
func (s *session) fault(err error, op string, does effect) error {
	if errors.Is(err, errAnswer) {
		return fault.Wrap(err, fault.DatabaseError, op+": the answer was not understood", "Report this to Tumbler with the server's version")
	}
	refusal, ok := errors.AsType[*driverpkg.MySQLError](err)
	if !ok {
		return netfault.LostFault(err, op, does == changing)
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (error %d)", op, what, refusal.Number), hint)
	}
	readOnly := func() error {
		return answer(fault.DatabaseReadOnly, "the server is read-only", `Put the writer's endpoint into "host" of the secret`)
	}
	rejected := func() error {
		return answer(fault.PasswordRejected, "the server's password policy refuses it",
			"Make generated passwords fit the policy (validate_password, simple_password_check)")
	}
	switch refusal.Number {
	case 1044, 1045, 1142, 1143, 1227, 1370, 1131, 1132, 1410, 1698, 3879:
		return answer(fault.PrivilegeMissing, "not allowed",
			"An account may change its own password. A superuser needs CREATE USER, SELECT on the schema mysql, and to grant rights it has to have them WITH GRANT OPTION (roles WITH ADMIN OPTION)")
	case 1819, 3638, 3894:
		return rejected()
	case 1290:
		// "... running with the --OPTION option so it cannot execute this".
		switch {
		case strings.Contains(refusal.Message, "read-only"), strings.Contains(refusal.Message, "read_only"):
			return readOnly()
		case strings.Contains(refusal.Message, "password"):
			return answer(fault.PasswordRejected, "the server has a password policy and does not accept hashes (strict_password_validation)",
				"Set strict_password_validation to OFF, or allow Tumbler to send passwords in clear, which the general log shows")
		}
	case 1792, 1836:
		return readOnly()
	case 1699:
		return answer(fault.DatabaseError, "the account's way to log in has no password that it could change", "Put the password first in ALTER USER ... IDENTIFIED VIA, or name a superuser's secret")
	case errMustChangePassword:
		return answer(fault.PasswordExpired, "the password has expired", hintExpired)
	case 1133, 1396, 3162:
		return answer(fault.DatabaseError, "there is no such account", "Correct the user name in the secret")
	case 1470:
		return answer(fault.DatabaseError, "the user name is longer than the server allows", "MySQL before 5.7.8 allows 16 characters, later versions 32, MariaDB 80, _clone included")
	case 1305, 1054, 1049:
		return answer(fault.DatabaseError, "what the right is for does not exist any more", "REVOKE the right from the original")
	case 1205, 1213, errStatementTimeout:
		if does == changing && s.server.mariadb {
			// Seen on 10.11: a statement that waited for the commit had changed the account.
			return answer(fault.OutcomeUnknown, "somebody holds a lock, and the server gave up and may or may not have made the change",
				"Tumbler finds out by logging in. "+hintLock)
		}
		return answer(fault.DatabaseUnavailable, "somebody holds a lock, and the server changed nothing", hintLock)
	case 1053, 1317, 1927, 3024, 4031:
		return netfault.EndedFault(err, fmt.Sprintf("%s: the server broke it off (error %d)", op, refusal.Number), does == changing)
	}
	if unavailable(refusal.Number) {
		return answer(fault.DatabaseUnavailable, "the server is short of resources", netfault.HintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", hintLook)
}

// unavailable reports whether an error is temporary: the server is shutting down or is
// out of connections, memory or threads.
func unavailable(n uint16) bool {
	switch n {
	case 1037, 1038, 1040, 1041, 1053, 1135, 1203, 1226, 3168, 3169:
		return true
	}
	return false
}

// noSuchGrant reports whether an error says that there is nothing to revoke.
func noSuchGrant(n uint16) bool { return n == 1141 || n == 1147 || n == 1403 || n == 3530 }
