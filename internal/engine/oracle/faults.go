package oracle

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

const hintCode = "Look the ORA number up in Oracle's documentation (\"Database Error Messages\")"

// Error numbers that are used in more than one place. Source: Oracle Database Error
// Messages.
const (
	codeNoTable         = 942
	codePrivilege       = 1031
	codeNoCreateSession = 1045
	codePasswordExpired = 28001
	codeExpiresIn       = 28002
	codeExpiresSoon     = 28011
	codeReplaceMissing  = 28221
	codeWrongOld        = 28008
)

// loginFault classifies a refused or broken login, which changes nothing.
func (t target) loginFault(err error) error {
	op := fmt.Sprintf("logging in to %s (service %q)", t, t.service)
	refused, ok := errors.AsType[refusal](err)
	switch {
	case ok:
		return t.loginRefused(refused, op)
	case errors.Is(err, errElsewhere):
		return fault.Wrap(err, fault.DatabaseError, op+": the listener passes clients on to another host, which Tumbler does not follow",
			`Put the host of the database itself into "host" of the secret`)
	}
	if _, notTLS := errors.AsType[tls.RecordHeaderError](err); notTLS {
		return t.NoTLSFault(err, `Put the port of the TCPS listener into "port" (RDS: the option SSL has a port of its own)`)
	}
	hint := `A TCPS port needs "ssl": true in the secret. Otherwise: `
	if t.tls {
		hint = `The port may have no TLS: check that "port" is that of the TCPS listener (RDS: the option SSL has a port of its own). Otherwise: `
	}
	return t.BrokenFault(err, op, hint)
}

func (t target) loginRefused(refused refusal, op string) error {
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(refused, code, fmt.Sprintf("%s: %s (%s)", op, what, refused), hint)
	}
	switch refused.code {
	case 1017, 1005:
		return answer(fault.LoginRefused, "the password is not accepted",
			"The password in this version of the secret is not the user's, or there is no such user")
	case 28000:
		return answer(fault.AccountDisabled, "the account is locked",
			"ALTER USER ... ACCOUNT UNLOCK, after finding out why. If refused logins locked it (FAILED_LOGIN_ATTEMPTS of its profile), find out who still uses an old password")
	case codePasswordExpired:
		return answer(fault.PasswordExpired, "the password is right and has expired",
			"As an administrator give the user the password that AWSCURRENT has once more: ALTER USER ... IDENTIFIED BY, "+
				"and a profile whose PASSWORD_LIFE_TIME is longer than the rotation's interval")
	case codeExpiresSoon, codeExpiresIn:
		// Oracle admits the user with a warning; the driver continues after a warning.
		return answer(fault.DatabaseError, "the password was accepted and expires soon, and the driver took the warning for a refusal",
			"As an administrator give the user the password that AWSCURRENT has once more: ALTER USER ... IDENTIFIED BY. Please report this with the server's version")
	case codeNoCreateSession:
		return answer(fault.PrivilegeMissing, "the password was accepted, but the user may not log in", "GRANT CREATE SESSION to the user")
	case 28040, 28030:
		return answer(fault.DatabaseError, "the server and Tumbler have no way in common to check the password",
			"Set the password once with a current client, and check SQLNET.ALLOWED_LOGON_VERSION_SERVER")
	case 12541, 12543, 12545, 12170, 12535:
		return answer(fault.DatabaseUnreachable, "nobody answers", netfault.HintSilence)
	case 12514, 12505, 12504, 12521:
		return answer(fault.DatabaseUnavailable, "the listener does not know the service",
			`The database is starting, or "dbname" of the secret is not its service name. `+netfault.HintBusy)
	case 12506, 12529:
		return answer(fault.DatabaseUnreachable, "the listener does not admit this address", "Correct the listener's access control list")
	case 18, 20, 1033, 1034, 1035, 1089, 1090, 1092, 1109, 2391, 3113, 3114, 3135, 12516, 12518, 12519, 12520, 12526, 12527, 12528,
		12537, 12547, 12564, 12571, 17002, 1219:
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", netfault.HintBusy)
	case 28860, 28864, 29024:
		return answer(fault.TLSUnavailable, "TLS could not be negotiated", "Check the wallet and the TLS versions of the server")
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// effect is what a statement changes when it reaches the server.
type effect int

const (
	reading effect = iota
	changing
	changingPassword
)

// statementFault classifies a failed statement on a logged-in session.
func statementFault(err error, op string, does effect) error {
	if errors.Is(err, errDictionary) {
		return fault.Wrap(err, fault.DatabaseError, op+": the data dictionary was not understood", "Please report this with the server's version")
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	refused, ok := errors.AsType[refusal](err)
	if !ok {
		return netfault.LostFault(err, op, does != reading)
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (%s)", op, what, refused), hint)
	}
	switch code := refused.code; code {
	case codePrivilege, codeNoTable, 990, 1720, 1749, 1927, 1932, 1953, 28702:
		return answer(fault.PrivilegeMissing, "not allowed",
			"A user may change its own password. A superuser that looks after clones needs ALTER USER, CREATE USER, GRANT ANY ROLE, "+
				"GRANT ANY PRIVILEGE, GRANT ANY OBJECT PRIVILEGE and SELECT_CATALOG_ROLE (RDS: the master user has them); "+
				"what it may not grant is better given to both users through a role")
	case 16000, 16092, 16224:
		return answer(fault.DatabaseReadOnly, "the database is read-only", `Put the primary's endpoint into "host" of the secret, not a replica's`)
	case 28, 1012, 1014, 1033, 1034, 1089, 1090, 1092, 1013, 2396, 2399, 3113, 3114, 3135, 12537, 12547, 12571, 25408:
		// The implicit commit may have happened already.
		return netfault.EndedFault(err, fmt.Sprintf("%s: the server ended the session (%s)", op, refused), does != reading)
	case 1918:
		return answer(fault.DatabaseError, "there is no such user", "Correct the user name in the secret")
	case 1920:
		return answer(fault.DatabaseUnavailable, "somebody else created the user at the same moment", "Try again")
	case 1919, 1924:
		return answer(fault.DatabaseUnavailable, "a role was dropped at the same moment", "Try again")
	case 972:
		return answer(fault.DatabaseError, "the name is too long for this server", "Before Oracle 12.2 names have at most 30 bytes, _CLONE included")
	case 65096, 65066:
		return answer(fault.DatabaseError, "this is the root of a container database", `Put the service of the pluggable database into "dbname" of the secret`)
	case 54, 60, 4021, 4020, 30006, 1555, 8177:
		return answer(fault.DatabaseUnavailable, "somebody else is changing the same, and this change was not made",
			"If it lasts, look in V$SESSION (BLOCKING_SESSION, EVENT) for who holds the lock")
	case 4031, 4030, 18, 20, 1653, 1654, 257:
		return answer(fault.DatabaseUnavailable, "the server is short of resources", netfault.HintBusy)
	default:
		if does == changingPassword && passwordRefused(code) {
			return answer(fault.PasswordRejected, "the profile of the user does not admit the password",
				"Make generated passwords fit the profile's PASSWORD_VERIFY_FUNCTION, PASSWORD_REUSE_TIME and PASSWORD_REUSE_MAX")
		}
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// passwordRefused reports whether an error number, in answer to a new password, comes
// from a profile's limits or from its verification function. Verification functions may
// raise their own numbers.
func passwordRefused(code int) bool {
	switch code {
	case 988, 28003, 28007, codeWrongOld, 28218, 28219, 28220, codeReplaceMissing, 1017:
		return true
	}
	return code >= 20000 && code <= 20999
}
