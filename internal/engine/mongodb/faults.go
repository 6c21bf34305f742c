package mongodb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Hints that several faults share. They speak to somebody who operates AWS.
const (
	hintSilence = "Check that the function's security group may send to the cluster's port, that the cluster's security group " +
		"admits the function's, that network ACLs and route tables of both subnets let the traffic pass, and that the cluster is running"
	hintBusy = "Usually over by itself: an instance is starting, failing over or out of connections or memory. " +
		"If it lasts, look at the cluster's events and at DatabaseConnections in CloudWatch"
	hintLost = "Usually over by itself: look at the cluster's events for a failover or a restart"
	hintCode = "Look the code up in MongoDB's documentation (\"Error Codes\")"
)

// Codes that servers answer with. Source: MongoDB manual, "Error Codes".
const (
	codeBadValue             = 2
	codeUserNotFound         = 11
	codeUnauthorized         = 13
	codeProtocolError        = 17
	codeAuthFailed           = 18
	codeRoleNotFound         = 31
	codeMaxTimeExpired       = 50
	codeNoCommand            = 59
	codeWriteConcern         = 64
	codeShutdown             = 91
	codeSteppedDown          = 189
	codeExceededTimeLimit    = 262
	codeMechanismUnavailable = 334
	codeNotPrimaryOld        = 10058
	codeNotPrimary           = 10107
	codeInterrupted          = 11600
	codeStateChange          = 11602
	codeNotPrimaryNoSecond   = 13435
	codeRecovering           = 13436
	codeEmptyPassword        = 50687
	codeProhibited           = 50692
	codeUserExists           = 51003
)

// maxName is the longest user name that AWS's rotation accepts for DocumentDB.
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

// dialFault classifies a failure before there was a TCP connection.
func (t target) dialFault(err error) error {
	op := "connecting to " + t.address() + ": "
	unreachable := func(what, hint string) error {
		return fault.Wrap(err, fault.DatabaseUnreachable, op+what, hint)
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return unreachable("cancelled", "")
	case isDNS && dns.IsNotFound:
		return unreachable("the host name does not exist",
			`Check "host" in the secret, and that the cluster was not deleted or renamed; a private zone has to be associated with the function's VPC`)
	case isDNS:
		return unreachable("the host name could not be looked up",
			"Check that DNS resolution is enabled in the function's VPC and that its DNS servers answer")
	case isTimeout(err):
		return unreachable("no answer within "+limit(), hintSilence)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable("the host refuses connections on this port",
			`Check "port" in the secret, and that the cluster is running`)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return unreachable("there is no route to the host",
			"Check the route tables of the function's subnets: a private address needs the same VPC, a peering or a transit gateway")
	}
	return unreachable("the connection could not be made", hintSilence)
}

// brokenFault classifies a connection that failed before the login was over.
// Nothing was changed.
func (t target) brokenFault(err error, op, hintClosed string) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": cancelled", "")
	case isTimeout(err):
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": connected, but no answer within "+limit(),
			`The host accepts connections and stays silent. Check that "host" and "port" are the cluster's. `+hintBusy)
	case isLost(err):
		return fault.Wrap(err, fault.DatabaseUnavailable, op+": the server closed the connection", hintClosed)
	}
	return fault.Wrap(err, fault.DatabaseError, op+": the answer was not understood",
		`Check that "host" and "port" are those of a DocumentDB cluster or a MongoDB server`)
}

// greetingFault classifies a server that did not answer our greeting.
func (t target) greetingFault(err error, encrypted bool) error {
	op, hint := "greeting "+t.address(), hintBusy
	if refused, ok := errors.AsType[refusal](err); ok {
		return fault.Wrap(err, fault.DatabaseError, fmt.Sprintf("%s: the server refused (code %d)", op, refused.code), hintCode)
	}
	if !encrypted {
		hint = `The server probably demands TLS (DocumentDB: parameter "tls"): set "ssl" to true in the secret or remove it. Otherwise: ` + hintBusy
	}
	return t.brokenFault(err, op, hint)
}

// noAnswerFault is for a server that answers neither with TLS nor without.
func (t target) noAnswerFault(err error) error {
	if _, notTLS := errors.AsType[tls.RecordHeaderError](err); notTLS {
		return fault.Wrap(err, fault.DatabaseError, t.address()+" speaks neither TLS nor MongoDB's protocol",
			`Check "host", "port" and "engine" in the secret`)
	}
	return fault.Wrap(err, fault.DatabaseUnavailable, t.address()+" closes connections, with TLS and without", hintBusy)
}

// tlsFault classifies a failed TLS handshake.
func (t target) tlsFault(err error) error {
	rejected := func(what, hint string) error {
		return fault.Wrap(err, fault.CertificateRejected, "the certificate of "+t.address()+" "+what, hint)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return rejected("is signed by an authority that is not trusted",
			"For DocumentDB update Tumbler, which brings its authorities. Other servers need a certificate from a public authority. "+
				"Should this have worked before, find out who answers at this address")
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return rejected("is for another host name",
			`Put the endpoint that DocumentDB shows into "host" of the secret: certificates are not issued for aliases and IP addresses`)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return rejected("has expired or is not valid yet",
			"Rotate the cluster's certificate (DocumentDB: modify the instance's certificate authority)")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return rejected("does not verify", "Rotate the cluster's certificate (DocumentDB: modify the instance's certificate authority)")
	}
	op := "negotiating TLS with " + t.address()
	// That is how crypto/tls reports an alert of the other side.
	network, ok := errors.AsType[*net.OpError](err)
	alert := ok && network.Op == "remote error"
	if !alert && (isTimeout(err) || isLost(err) || errors.Is(err, context.Canceled)) {
		return t.brokenFault(err, op, hintBusy)
	}
	return fault.Wrap(err, fault.TLSUnavailable, op+": the server offers TLS, but none that we may use",
		`It has to offer TLS 1.2 or later (DocumentDB: parameter "tls" of the cluster's parameter group)`)
}

// loginFault classifies a refused or broken login.
func (t target) loginFault(err error) error {
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
		return t.brokenFault(err, op, hintBusy)
	}
	answer := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, fmt.Sprintf("%s: %s (code %d)", op, what, refused.code), hint)
	}
	switch refused.code {
	case codeAuthFailed, codeUserNotFound, codeProtocolError:
		return answer(fault.LoginRefused, "the password is not accepted",
			"The password in this version of the secret is not the user's, or there is no such user. DocumentDB keeps users in the database admin")
	case codeMechanismUnavailable:
		return answer(fault.LoginRefused, "the user cannot log in with a password of this kind",
			"The user has to have SCRAM-SHA-1 or SCRAM-SHA-256; users for IAM authentication have no password to rotate")
	case codeUnauthorized:
		return answer(fault.PrivilegeMissing, "not allowed", "Check the user's authentication restrictions")
	case codeShutdown, codeSteppedDown, codeInterrupted, codeStateChange, codeRecovering:
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", hintBusy)
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// effect says what a command does when it reaches the server.
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
		return lostFault(err, op, does)
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
		// The command may have got as far as to make the change.
		return lostFault(err, fmt.Sprintf("%s: the server broke it off (code %d)", op, refused.code), does)
	case codeRecovering:
		return answer(fault.DatabaseUnavailable, "the server is not ready", hintBusy)
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

// lostFault classifies a session that ended while we waited for an answer.
func lostFault(err error, op string, does effect) error {
	why := ""
	_, refused := errors.AsType[refusal](err)
	switch {
	case refused:
	case errors.Is(err, context.Canceled):
		why = ": cancelled"
	case isTimeout(err):
		why = ": no answer in time"
	case errors.Is(err, errProtocol):
		why = ": the answer was not understood"
	default:
		why = ": the connection was lost"
	}
	if _, safe := errors.AsType[notSent](err); does != reading && !safe {
		return fault.Wrap(err, fault.OutcomeUnknown, op+why+", and the change may or may not have been made",
			"Tumbler finds out by logging in. "+hintLost)
	}
	return fault.Wrap(err, fault.DatabaseUnavailable, op+why+" before anything was changed", hintLost)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// isLost reports whether the other side, or the network, ended the connection.
func isLost(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func limit() string { return engine.ConnectTimeout.Round(time.Second).String() }
