package oracle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Hints that several faults share. They speak to somebody who operates AWS.
const (
	hintSilence = "Check that the function's security group may send to the database's port, that the database's security group " +
		"admits the function's, that network ACLs and route tables of both subnets let the traffic pass, and that the instance is running"
	hintBusy = "Usually over by itself: the server is starting, failing over or out of connections or memory. " +
		"If it lasts, look at the instance's events and at DatabaseConnections in CloudWatch"
	hintLost = "Usually over by itself: look at the instance's events for a failover or a restart"
	hintCode = "Look the ORA number up in Oracle's documentation (\"Database Error Messages\")"
)

// Numbers that are asked for in more than one place. Source: Oracle Database
// Error Messages.
const (
	codeNoTable         = 942
	codePrivilege       = 1031
	codeNoCreateSession = 1045
	codeReplaceMissing  = 28221
)

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
			`Check "host" in the secret, and that the instance was not deleted or renamed; a private zone has to be associated with the function's VPC`)
	case isDNS:
		return unreachable("the host name could not be looked up",
			"Check that DNS resolution is enabled in the function's VPC and that its DNS servers answer")
	case isTimeout(err):
		return unreachable("no answer within "+limit(), hintSilence)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable("the host refuses connections on this port",
			`Check "port" in the secret, and that the database is running`)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return unreachable("there is no route to the host",
			"Check the route tables of the function's subnets: a private address needs the same VPC, a peering or a transit gateway")
	}
	return unreachable("the connection could not be made", hintSilence)
}

// tlsFault classifies a failed TLS handshake; nil if it was none.
func (t target) tlsFault(err error) error {
	rejected := func(what, hint string) error {
		return fault.Wrap(err, fault.CertificateRejected, "the certificate of "+t.address()+" "+what, hint)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return rejected("is signed by an authority that is not trusted",
			"For RDS update Tumbler, which brings its authorities. Other servers need a certificate from a public authority. "+
				"Should this have worked before, find out who answers at this address")
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return rejected("is for another host name",
			`Put the endpoint that RDS shows into "host" of the secret: certificates are not issued for aliases and IP addresses`)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return rejected("has expired or is not valid yet",
			"Rotate the server's certificate (RDS: modify the instance's certificate authority)")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return rejected("does not verify", "Rotate the server's certificate (RDS: modify the instance's certificate authority)")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fault.Wrap(err, fault.TLSUnavailable, t.address()+` has no TLS, and the secret says "ssl": true`,
			`Put the port of the TCPS listener into "port" (RDS: the option SSL has a port of its own), or remove "ssl" from the secret`)
	}
	// That is how crypto/tls reports an alert of the other side.
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "remote error" {
		return fault.Wrap(err, fault.TLSUnavailable, "negotiating TLS with "+t.address()+": the server offers TLS, but none that we may use",
			"It has to offer TLS 1.2 or later (RDS: SQLNET.SSL_VERSION and SQLNET.CIPHER_SUITE of the option SSL)")
	}
	return nil
}

// loginFault classifies a refused or broken login. Nothing was changed.
func (t target) loginFault(err error) error {
	op := fmt.Sprintf("logging in to %s (service %q)", t, t.service)
	if rejected := t.tlsFault(err); rejected != nil {
		return rejected
	}
	refused, ok := errors.AsType[refusal](err)
	switch {
	case ok:
		return t.loginRefused(refused, op)
	case errors.Is(err, errElsewhere):
		return fault.Wrap(err, fault.DatabaseError, op+": the listener passes clients on to another host, which Tumbler does not follow",
			`Put the host of the database itself into "host" of the secret`)
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": cancelled", "")
	case isTimeout(err):
		hint := `The host accepts connections and stays silent. Check that "host" and "port" are the database's`
		if !t.tls {
			hint += `; a TCPS port needs "ssl": true in the secret`
		}
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": connected, but no answer within "+limit(), hint+". "+hintBusy)
	case isLost(err):
		hint := hintBusy
		if t.tls {
			hint = `The port may have no TLS: check that "port" is that of the TCPS listener (RDS: the option SSL has a port of its own). Otherwise: ` + hint
		}
		return fault.Wrap(err, fault.DatabaseUnavailable, op+": the server closed the connection", hint)
	}
	return fault.Wrap(err, fault.DatabaseError, op+": the answer was not understood",
		`Check that "host" and "port" are those of an Oracle listener`)
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
		return answer(fault.LoginRefused, "the account is locked",
			"ALTER USER ... ACCOUNT UNLOCK. If refused logins locked it (FAILED_LOGIN_ATTEMPTS of its profile), find out who still uses an old password")
	case 28001, 28002, 28011:
		return answer(fault.LoginRefused, "the password has expired",
			"An expired password cannot be used to set another: ALTER USER ... IDENTIFIED BY the password of the secret, as an administrator, "+
				"and give the user a profile whose PASSWORD_LIFE_TIME is longer than the rotation's interval")
	case codeNoCreateSession:
		return answer(fault.LoginRefused, "the password was accepted, but the user may not log in", "GRANT CREATE SESSION to the user")
	case 28040, 28030:
		return answer(fault.LoginRefused, "the server and Tumbler have no way in common to check the password",
			"Set the password once with a current client, and check SQLNET.ALLOWED_LOGON_VERSION_SERVER")
	case 12541, 12543, 12545, 12170, 12535:
		return answer(fault.DatabaseUnreachable, "nobody answers", hintSilence)
	case 12514, 12505, 12504, 12521:
		return answer(fault.DatabaseUnavailable, "the listener does not know the service",
			`The database is starting, or "dbname" of the secret is not its service name. `+hintBusy)
	case 12506, 12529:
		return answer(fault.DatabaseUnreachable, "the listener does not admit this address", "Correct the listener's access control list")
	case 18, 20, 1033, 1034, 1035, 1089, 1090, 1092, 1109, 2391, 3113, 3114, 3135, 12516, 12518, 12519, 12520, 12526, 12527, 12528,
		12537, 12547, 12564, 12571, 17002, 1219:
		return answer(fault.DatabaseUnavailable, "the server takes no logins now", hintBusy)
	case 28860, 28864, 29024:
		return answer(fault.TLSUnavailable, "TLS could not be negotiated", "Check the wallet and the TLS versions of the server")
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// effect says what a statement does when it reaches the server.
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
	refused, ok := errors.AsType[refusal](err)
	if !ok {
		return lostFault(err, op, does)
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
		// The statement may have got as far as its implicit commit.
		return lostFault(err, fmt.Sprintf("%s: the server ended the session (%s)", op, refused), does)
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
		return answer(fault.DatabaseUnavailable, "somebody else is changing the same, and this change was not made", "Try again")
	case 4031, 4030, 18, 20, 1653, 1654, 257:
		return answer(fault.DatabaseUnavailable, "the server is short of resources", hintBusy)
	default:
		if does == changingPassword && passwordRefused(code) {
			return answer(fault.PasswordRejected, "the profile of the user does not admit the password",
				"Make generated passwords fit the profile's PASSWORD_VERIFY_FUNCTION, PASSWORD_REUSE_TIME and PASSWORD_REUSE_MAX")
		}
	}
	return answer(fault.DatabaseError, "the server refused", hintCode)
}

// passwordRefused reports whether a number, in answer to a new password, is that
// of a profile's limits or of its verification function, which may raise numbers
// of its own.
func passwordRefused(code int) bool {
	switch code {
	case 988, 28003, 28007, 28008, 28218, 28219, 28220, codeReplaceMissing, 1017:
		return true
	}
	return code >= 20000 && code <= 20999
}

// lostFault classifies a session that ended while we waited for an answer.
func lostFault(err error, op string, does effect) error {
	why := ": the connection was lost"
	_, refused := errors.AsType[refusal](err)
	switch {
	case refused:
		why = ""
	case errors.Is(err, context.Canceled):
		why = ": cancelled"
	case isTimeout(err):
		why = ": no answer in time"
	case errors.Is(err, errDefect):
		why = ": the answer was not understood"
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
