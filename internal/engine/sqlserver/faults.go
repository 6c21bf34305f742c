package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// attempt is a login in progress, with what its errors need to say.
type attempt struct {
	netfault.Target
	database    string
	wire        *wire
	handshaken  bool  // TLS is established
	certificate error // why the certificate was refused
}

// errNoEncryption means that the server itself claims to have no encryption.
var errNoEncryption = errors.New("the server has no encryption")

// unencrypted reports whether the server itself claimed to have no encryption.
func unencrypted(err error) bool { return errors.Is(err, errNoEncryption) }

// fault classifies a failed login.
func (a *attempt) fault(ctx context.Context, err error) error {
	at, op := a.Address(), "logging in to "+a.String()
	numbers := numbersOf(err)
	switch {
	case len(numbers) > 0:
		return a.refused(at, err, numbers)
	case errors.Is(err, errSecondDial):
		return fault.Wrap(err, fault.DatabaseError, at+" sends the client on to another server",
			"Name the server that holds the databases in the secret's host, not one that only redirects")
	case a.certificate != nil:
		return a.BrokenFault(a.certificate, op, "")
	case a.wire.Conn == nil:
		return a.DialFault(errors.Join(ctx.Err(), a.wire.unreached, err))
	case ctx.Err() != nil || a.wire.timedOut():
		return a.BrokenFault(errors.Join(ctx.Err(), os.ErrDeadlineExceeded, err), op, "")
	case a.wire.encryption() == encryptNotSupported:
		return a.NoTLSFault(errors.Join(errNoEncryption, err), "Give the server a certificate")
	case a.wire.encryption() == encryptUnknown && !a.wire.lost():
		return fault.Wrap(err, fault.DatabaseError, at+" does not speak SQL Server's protocol",
			"Check the secret's host, port and engine")
	case !a.handshaken && a.wire.encryption() != encryptUnknown && !a.wire.lost():
		return a.OldTLSFault(err)
	}
	return a.ClosedFault(err, op, "")
}

// refused classifies the server's own refusal of a login.
func (a *attempt) refused(at string, err error, numbers []int32) error {
	who := fmt.Sprintf("%s refuses user %q", at, a.User)
	for _, n := range numbers {
		switch n {
		case 4060, 4064: // cannot open the requested database; cannot open the default database
			return fault.Wrap(err, fault.DatabaseError,
				fmt.Sprintf("%s knows no database %q that user %q may open", at, a.database, a.User),
				"Correct the secret's dbname, or make the user in that database. The password was not the reason")
		case 18486:
			return fault.Wrap(err, fault.AccountDisabled, who+": it is locked after failed logins",
				"Find who tries wrong passwords, then run ALTER LOGIN ... WITH PASSWORD = ... UNLOCK")
		case 18487:
			return fault.Wrap(err, fault.PasswordExpired, who+": its password has expired",
				"Let a superuser set the password, and rotate more often than it expires (or set CHECK_EXPIRATION = OFF)")
		case 18488:
			return fault.Wrap(err, fault.PasswordExpired, who+": its password must be changed first",
				"Let a superuser set the password without MUST_CHANGE and store it as AWSCURRENT")
		case 18470:
			return fault.Wrap(err, fault.AccountDisabled, who+": it is disabled",
				"Run ALTER LOGIN ... ENABLE if it is meant to be used")
		case 18452:
			return fault.Wrap(err, fault.AccountDisabled, who+": it takes Windows accounts only",
				"Allow SQL Server authentication on the server")
		case 17892:
			return fault.Wrap(err, fault.DatabaseError, at+" has a logon trigger that refuses user "+fmt.Sprintf("%q", a.User),
				"Let the trigger pass application "+application+"; the password was not the reason")
		}
	}
	// After another error, 18456 only repeats that the login has failed.
	others := slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return n == 18456 })
	if len(others) == 0 {
		return fault.Wrap(err, fault.LoginRefused, who,
			"The password in the secret is not the account's, or the account does not exist: the server does not say which")
	}
	return statementFault(err, others, "logging in to "+at)
}

// statementFault classifies the server's refusal of a statement. Source: SQL Server
// documentation, "Database Engine events and errors", by number.
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
		case 701, 921, 922, 927, 983, 6005, 17300, 17809, 17188, 18401, 18451, 18461, 40197, 40501, 40613, 49918, 49919, 49920:
			return fault.Wrap(err, fault.DatabaseUnavailable, op+" was refused: the server is starting, stopping or overloaded",
				"It gets better by itself in most cases; otherwise look at the RDS events of the instance")
		case 1205, 1222:
			return fault.Wrap(err, fault.DatabaseUnavailable, op+" was refused: somebody holds a lock, and nothing was changed",
				"Look in sys.dm_tran_locks and sys.dm_exec_requests for who changes logins or users in an open transaction")
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

// numbersOf lists the numbers of the server's errors in order. It is empty if the server
// did not answer.
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
