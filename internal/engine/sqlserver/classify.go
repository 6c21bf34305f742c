package sqlserver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// attempt is a login under way: whom to name in errors, and how far it got.
type attempt struct {
	host        string
	port        int
	user        string
	database    string
	wire        *wire
	handshaken  bool  // TLS stands
	certificate error // why the certificate was refused
}

// errNoEncryption is the cause when the server itself says that it has none.
var errNoEncryption = errors.New("the server has no encryption")

// unencrypted reports whether the server itself said that it has no encryption.
func unencrypted(err error) bool { return errors.Is(err, errNoEncryption) }

// fault tells why a login failed.
func (a *attempt) fault(ctx context.Context, err error) error {
	at := fmt.Sprintf("%s:%d", a.host, a.port)
	numbers := numbersOf(err)
	switch {
	case len(numbers) > 0:
		return a.refused(at, err, numbers)
	case errors.Is(err, errSecondDial):
		return fault.Wrap(err, fault.DatabaseError, at+" sends the client on to another server",
			"Name the server that holds the databases in the secret's host, not one that only redirects")
	case a.certificate != nil:
		return fault.Wrap(a.certificate, fault.CertificateRejected,
			fmt.Sprintf("the certificate of %s does not verify: %s", at, why(a.certificate)),
			"Use the endpoint's own DNS name as the secret's host, and a server certificate of a current RDS authority. Nothing was sent to the server")
	case a.wire.Conn == nil:
		return unreachable(ctx, err, at)
	case ctx.Err() != nil || a.wire.timedOut():
		return fault.Wrap(err, fault.DatabaseUnreachable,
			fmt.Sprintf("%s took the connection and did not answer within %s", at, engine.ConnectTimeout),
			"Check that the secret's port is SQL Server's and that no firewall swallows the packets, then look at the database's load")
	case a.wire.encryption() == encryptNotSupported:
		return fault.Wrap(errors.Join(errNoEncryption, err), fault.TLSUnavailable,
			at+" says that it has no encryption, and the secret's ssl key requires it",
			"Give the server a certificate, or set the secret's ssl key to false if the network may be trusted with passwords")
	case a.wire.encryption() == encryptUnknown && !a.wire.lost():
		return fault.Wrap(err, fault.DatabaseError, at+" does not speak SQL Server's protocol",
			"Check the secret's host, port and engine")
	case !a.handshaken && a.wire.encryption() != encryptUnknown && !a.wire.lost():
		return fault.Wrap(err, fault.TLSUnavailable, at+" and Tumbler found no TLS version and cipher in common",
			"Allow TLS 1.2 on the server (on RDS: the parameters rds.tls12 and rds.ciphers of its parameter group)")
	}
	return fault.Wrap(err, fault.DatabaseUnavailable, "the connection to "+at+" was lost during the login",
		"The server may be starting, failing over or out of memory: look at the RDS events of the instance")
}

// refused explains the server's own answer to a login.
func (a *attempt) refused(at string, err error, numbers []int32) error {
	who := fmt.Sprintf("%s refuses user %q", at, a.user)
	for _, n := range numbers {
		switch n {
		case 4060, 4064: // cannot open database requested by the login; ... default database
			return fault.Wrap(err, fault.DatabaseError,
				fmt.Sprintf("%s knows no database %q that user %q may open", at, a.database, a.user),
				"Correct the secret's dbname, or make the user in that database. The password was not the reason")
		case 18486:
			return fault.Wrap(err, fault.LoginRefused, who+": it is locked after failed logins",
				"Find who tries wrong passwords, then run ALTER LOGIN ... WITH PASSWORD = ... UNLOCK")
		case 18487:
			return fault.Wrap(err, fault.LoginRefused, who+": its password has expired",
				"Let a superuser set the password, and rotate more often than it expires (or set CHECK_EXPIRATION = OFF)")
		case 18488:
			return fault.Wrap(err, fault.LoginRefused, who+": its password must be changed first",
				"Let a superuser set the password without MUST_CHANGE and store it as AWSCURRENT")
		case 18470:
			return fault.Wrap(err, fault.LoginRefused, who+": it is disabled",
				"Run ALTER LOGIN ... ENABLE if it is meant to be used")
		case 18452:
			return fault.Wrap(err, fault.LoginRefused, who+": it takes Windows accounts only",
				"Allow SQL Server authentication on the server")
		case 17892:
			return fault.Wrap(err, fault.DatabaseError, at+" has a logon trigger that refuses user "+fmt.Sprintf("%q", a.user),
				"Let the trigger pass application "+application+"; the password was not the reason")
		}
	}
	// After another error 18456 only says that the login has failed with it.
	others := slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return n == 18456 })
	if len(others) == 0 {
		return fault.Wrap(err, fault.LoginRefused, who,
			"The password in the secret is not the account's, or the account does not exist: the server does not say which")
	}
	return statementFault(err, others, "logging in to "+at)
}

// unreachable tells name resolution and refusal apart from silence.
func unreachable(ctx context.Context, err error, at string) error {
	timeout := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	if _, ok := errors.AsType[*net.DNSError](err); ok && !timeout {
		return fault.Wrap(err, fault.DatabaseUnreachable, "the name in "+at+" cannot be resolved",
			"Check the secret's host, and that the function's VPC resolves the instance's name")
	}
	if timeout {
		return fault.Wrap(err, fault.DatabaseUnreachable, fmt.Sprintf("no answer from %s within %s", at, engine.ConnectTimeout),
			"Check that the function's security group may go out to the port and that the database's lets it in")
	}
	return fault.Wrap(err, fault.DatabaseUnreachable, at+" cannot be reached: the connection was refused or there is no route",
		"Check that the instance runs, and the secret's host and port")
}

// why puts a certificate error in words that hold nothing of the certificate
// but names and dates.
func why(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "no trusted authority has signed it"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another host name"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "it has expired or is not valid yet"
	}
	return "it is not fit for a server"
}

// statementFault explains the server's refusal of a statement. Sources: SQL
// Server documentation, "Database Engine events and errors", by number.
func statementFault(err error, numbers []int32, op string) error {
	hint := fmt.Sprintf("Look up SQL Server error %d in its documentation", numbers[len(numbers)-1])
	for _, n := range numbers {
		switch n {
		case 229, 230, 262, 297, 300, 378, 916, 4613, 10011, 15151, 15247, 15330, 15562:
			return fault.Wrap(err, fault.PrivilegeMissing, op+" is not allowed",
				"Give the account that changes it ALTER ANY LOGIN on the server and db_owner in the databases concerned; "+
					"SQL Server gives the same answer when what it should change does not exist or the old password is not right")
		case 15114:
			return fault.Wrap(err, fault.PasswordRejected, op+" was refused: the last change is too recent",
				"The password policy has a minimum age: rotate less often, or relax the policy")
		case 15115, 15116, 15117, 15118, 15119:
			return fault.Wrap(err, fault.PasswordRejected, op+" was refused: the new password does not meet the server's policy",
				"Set the rotation's password options to what the policy asks for (length, character classes, history)")
		case 976, 978, 3906, 3908, 3958:
			return fault.Wrap(err, fault.DatabaseReadOnly, op+" was refused: the database is read-only here",
				"Name the primary's endpoint in the secret's host, and set databases that are to be rotated on to read-write")
		case 701, 921, 922, 927, 983, 1205, 1222, 6005, 17300, 17809, 17188, 18401, 18451, 18461, 40197, 40501, 40613, 49918, 49919, 49920:
			return fault.Wrap(err, fault.DatabaseUnavailable, op+" was refused: the server is starting, stopping or overloaded",
				"It gets better by itself in most cases; otherwise look at the RDS events of the instance")
		case 15025, 15023, 15433:
			return fault.Wrap(err, fault.AccountNotOurs, op+" found an account of that name or identity",
				"Rename or drop the other account, if it is not needed")
		case 15404, 15007, 15410, 15406, 942, 911, 952:
			return fault.Wrap(err, fault.DatabaseError, op+" failed: an account, a database or a language it needs is not there",
				hint)
		case 15138, 15136, 15421, 15183, 15284:
			return fault.Wrap(err, fault.DatabaseError, op+" failed: the account owns something or has granted something onward",
				"Transfer what it owns with ALTER AUTHORIZATION, then rotate again")
		}
	}
	return fault.Wrap(err, fault.DatabaseError, op+" failed", hint)
}

// numbersOf lists the numbers of the server's errors, first to last; none when
// the server did not answer.
func numbersOf(err error) []int32 {
	e, ok := errors.AsType[mssql.Error](err)
	if !ok || e.Number == 0 && len(e.All) == 0 {
		return nil
	}
	if len(e.All) == 0 {
		return []int32{e.Number}
	}
	numbers := make([]int32, 0, len(e.All))
	for _, one := range e.All {
		numbers = append(numbers, one.Number)
	}
	return numbers
}
