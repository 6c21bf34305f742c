package mongodb

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

const hintCode = "Look the code up in MongoDB's documentation (\"Error Codes\")"

// Error codes of the servers. Source: MongoDB manual, "Error Codes".
const (
	codeBadValue             = 2
	codeFailedToParse        = 9
	codeUserNotFound         = 11
	codeUnauthorized         = 13
	codeProtocolError        = 17
	codeAuthFailed           = 18
	codeRoleNotFound         = 31
	codeMaxTimeExpired       = 50
	codeNoCommand            = 59
	codeWriteConcern         = 64
	codeShutdown             = 91
	codeCommandNotSupported  = 115
	codeSteppedDown          = 189
	codeNotImplemented       = 238
	codeExceededTimeLimit    = 262
	codeNotSupported         = 303 // DocumentDB's
	codeMechanismUnavailable = 334
	codeNotPrimaryOld        = 10058
	codeNotPrimary           = 10107
	codeInterrupted          = 11600
	codeStateChange          = 11602
	codeNotPrimaryNoSecond   = 13435
	codeRecovering           = 13436
	codeUnknownField         = 40415
	codeEmptyPassword        = 50687
	codeProhibited           = 50692
	codeUserExists           = 51003
)

// unknownField reports whether a refusal may mean that the server does not support a
// field.
func unknownField(code int32) bool {
	switch code {
	case codeFailedToParse, codeCommandNotSupported, codeNotImplemented, codeNotSupported, codeUnknownField:
		return true
	}
	return false
}

// maxName is the longest user name that AWS's rotation functions accept for DocumentDB.
const maxName = 128

func checkName(what, name string) error {
	if n := utf8.RuneCountInString(name); n > maxName {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q has %d characters, and DocumentDB's names have at most %d", what, name, n, maxName),
			"Use a user with a shorter name")
	}
	if name == "" || strings.ContainsRune(name, 0) || !utf8.ValidString(name) {
		return fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q is not a name DocumentDB can have", what, name),
			"Correct the user name in the secret")
	}
	return nil
}

func emptyPassword(op string) error {
	return fault.New(fault.PasswordRejected, op+": the new password is empty", "Store a version with a password")
}

// greetingFault classifies the failure of a greeting.
func greetingFault(t netfault.Target, err error, encrypted bool) error {
	op, hint := "greeting "+t.Address(), ""
	if refused, ok := errors.AsType[refusal](err); ok {
		return fault.Wrap(err, fault.DatabaseError, fmt.Sprintf("%s: the server refused (code %d)", op, refused.code), hintCode)
	}
	if !encrypted {
		hint = `The server probably demands TLS (DocumentDB: parameter "tls"): set "ssl" to true in the secret or remove it. Otherwise: `
	}
	return t.BrokenFault(err, op, hint)
}

// noAnswerFault is for a server that answers neither with TLS nor without.
func noAnswerFault(t netfault.Target, err error) error {
	if _, notTLS := errors.AsType[tls.RecordHeaderError](err); notTLS {
		return fault.Wrap(err, fault.DatabaseError, t.Address()+" speaks neither TLS nor MongoDB's protocol",
			`Check "host", "port" and "engine" in the secret`)
	}
	return fault.Wrap(err, fault.DatabaseUnavailable, t.Address()+" closes connections, with TLS and without", netfault.HintBusy)
}

// loginFault classifies a refused or broken login.
func loginFault(t netfault.Target, err error) error {
	op := "logging in to " + t.String()
	switch {
	case errors.Is(err, errPrepare):
		return fault.Wrap(err, fault.LoginRefused, op+": the password has characters that SCRAM-SHA-256 does not allow",
			"Set a password of ASCII characters by hand, once")
	case errors.Is(err, errUnproven):
		return fault.Wrap(err, fault.DatabaseError, op+": the server did not prove that it knows the password",
			"Find out who answers at this address: it may not be the database")
	}
	refused, ok := errors.AsType[refusal](err)
	if !ok {
		return t.BrokenFault(err, op, "")
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (code %d)", op, what, refused.code), hint)
	}
	switch refused.code {
	case codeAuthFailed, codeUserNotFound, codeProtocolError:
		return answer(fault.LoginRefused, "the password is not accepted",
			"The password in this version of the secret is not the user's, or there is no such user. DocumentDB keeps users in the database admin")
	case codeMechanismUnavailable:
		return answer(fault.DatabaseError, "the user cannot log in with a password of this kind",
			"The user has to have SCRAM-SHA-1 or SCRAM-SHA-256; users for IAM authentication have no password to rotate")
	case codeUnauthorized:
		return answer(fault.PrivilegeMissing, "not allowed", "Check the user's authentication restrictions")
	case codeShutdown, codeSteppedDown, codeInterrupted, codeStateChange, codeRecovering:
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", netfault.HintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// effect is what a command changes when it reaches the server.
type effect int

const (
	reading effect = iota
	changing
	changingPassword
)

// commandFault classifies a failed command on a logged-in session.
func commandFault(err error, op string, does effect) error {
	refused, ok := errors.AsType[refusal](err)
	if !ok {
		return netfault.LostFault(err, op, does != reading)
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (code %d)", op, what, refused.code), hint)
	}
	switch refused.code {
	case codeUnauthorized, codeAuthFailed:
		return answer(fault.PrivilegeMissing, "not allowed",
			"To change its own password a user needs changeOwnPassword, to change another's changePassword, and to look after clones "+
				"createUser, viewUser, grantRole and revokeRole. Put them into a role of the user, or rotate it as alternating users with a superuser")
	case codeNotPrimary, codeNotPrimaryOld, codeNotPrimaryNoSecond:
		return answer(fault.DatabaseReadOnly, "this instance does not take writes",
			`Put the cluster endpoint into "host" of the secret, not the reader endpoint or that of an instance. If it is, a failover is under way: try again`)
	case codeInterrupted, codeStateChange, codeShutdown, codeSteppedDown, codeWriteConcern, codeMaxTimeExpired, codeExceededTimeLimit:
		// The server may have made the change before it ended the command.
		return netfault.EndedFault(err, fmt.Sprintf("%s: the server broke it off (code %d)", op, refused.code), does != reading)
	case codeRecovering:
		return answer(fault.DatabaseUnavailable, "the server is not ready", netfault.HintBusy)
	case codeUserNotFound:
		return answer(fault.DatabaseError, "there is no such user", `Correct the user name in the secret; DocumentDB keeps users in the database admin`)
	case codeRoleNotFound:
		return answer(fault.DatabaseError, "a role of the user does not exist", "Revoke the role from the original user, or create it")
	case codeUserExists:
		return answer(fault.DatabaseUnavailable, "somebody else created the user at the same moment", "Try again")
	case codeEmptyPassword, codeProhibited, codeBadValue:
		if does == changingPassword {
			return answer(fault.PasswordRejected, "the server does not accept the password",
				"Passwords of printable ASCII characters are accepted everywhere: make generated ones of these")
		}
	case codeNoCommand:
		return answer(fault.DatabaseError, "the server does not know the command", `Check that "host" is a DocumentDB cluster or a MongoDB server`)
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}
