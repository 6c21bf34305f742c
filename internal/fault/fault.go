// Package fault names what can go wrong in a rotation.
//
// A [Code] determines what to do about an error. It is the error name that
// statemachine/rotation.asl.json retries or catches: package lambdaboot reports it as the
// function's error type. Every code has a section in docs/runbook.md.
package fault

import (
	"errors"
	"fmt"
)

// Code is an error name of the state machine.
type Code string

// The request or the secret is not fit to be rotated. Nothing was changed.
const (
	InvalidRequest        Code = "InvalidRequest"        // the rotation request is malformed
	InvalidSecret         Code = "InvalidSecret"         // the secret's document is malformed
	NotConfigured         Code = "NotConfigured"         // no rotation is configured for the secret
	SecretNotFound        Code = "SecretNotFound"        // no such secret, or no AWSCURRENT version
	SecretDeleted         Code = "SecretDeleted"         // scheduled for deletion
	SecretIsReplica       Code = "SecretIsReplica"       // replicas are rotated in their primary Region
	SecretManaged         Code = "SecretManaged"         // owned by another AWS service
	NativeRotationEnabled Code = "NativeRotationEnabled" // a foreign rotation function is on this secret
	AlreadyRotating       Code = "AlreadyRotating"       // another execution holds AWSPENDING
	WindowClosed          Code = "WindowClosed"          // outside the rotation window
	TooSoon               Code = "TooSoon"               // an event asked, and AWSCURRENT is younger than the minimum interval
	NotPending            Code = "NotPending"            // the version is not staged AWSPENDING
	SecretChanged         Code = "SecretChanged"         // AWSCURRENT was moved by somebody else meanwhile
)

// Errors of AWS.
const (
	AccessDenied       Code = "AccessDenied"       // an IAM or resource policy refuses the call
	KeyUnusable        Code = "KeyUnusable"        // KMS refuses to decrypt or encrypt
	LimitExceeded      Code = "LimitExceeded"      // a quota; waiting does not help
	Throttled          Code = "Throttled"          // a rate quota; waiting helps
	ServiceUnavailable Code = "ServiceUnavailable" // AWS did not answer or answered 5xx
	VersionNotReady    Code = "VersionNotReady"    // a version just written cannot be read yet
	ReplicaLagging     Code = "ReplicaLagging"     // a replica does not have the pending version yet
)

// Errors of the database, or of the connection to it.
const (
	DatabaseUnreachable Code = "DatabaseUnreachable" // no route, refused, timed out, name not found
	DatabaseUnavailable Code = "DatabaseUnavailable" // reached, but starting up, full or failing over
	CertificateRejected Code = "CertificateRejected" // the server's certificate does not verify
	TLSUnavailable      Code = "TLSUnavailable"      // TLS is required and the server has none
	LoginRefused        Code = "LoginRefused"        // wrong password, or no such account
	AccountDisabled     Code = "AccountDisabled"     // the account may not log in, whatever its password: locked, NOLOGIN, past its end
	PasswordExpired     Code = "PasswordExpired"     // the password is right, but allows nothing except changing it
	PrivilegeMissing    Code = "PrivilegeMissing"    // logged in, and the statement is not allowed
	PasswordRejected    Code = "PasswordRejected"    // the server's password policy refuses it
	SuperuserInvalid    Code = "SuperuserInvalid"    // the superuser's secret is missing, invalid, or of another server
	AccountNotOurs      Code = "AccountNotOurs"      // nothing proves that an account belongs to the secret
	PrivilegesDiffer    Code = "PrivilegesDiffer"    // the clone's privileges differ from the original's
	DatabaseReadOnly    Code = "DatabaseReadOnly"    // a replica or reader endpoint
	DatabaseError       Code = "DatabaseError"       // any other refusal by the database
	OutcomeUnknown      Code = "OutcomeUnknown"      // the connection was lost while a change was under way
	SuperuserNeeded     Code = "SuperuserNeeded"     // no error: has the state machine record that the superuser is about to reset a password
)

// Errors of the rotation itself.
const (
	RotationFunctionFailed Code = "RotationFunctionFailed" // the existing rotation function that the request names failed
	RotationCutShort       Code = "RotationCutShort"       // the execution ended where no Catch applies
	RotationNotStarted     Code = "RotationNotStarted"     // a schedule or an event could not start an execution
)

// Internal is a defect in Tumbler itself.
const Internal Code = "InternalError"

// Retryable reports whether the condition may pass within minutes, so that the same call
// may be made again.
func (c Code) Retryable() bool {
	switch c {
	case Throttled, ServiceUnavailable, VersionNotReady, ReplicaLagging,
		DatabaseUnreachable, DatabaseUnavailable, OutcomeUnknown:
		return true
	}
	return false
}

// Codes lists every code.
func Codes() []Code {
	return []Code{
		InvalidRequest, InvalidSecret, NotConfigured, SecretNotFound, SecretDeleted, SecretIsReplica, SecretManaged,
		NativeRotationEnabled, AlreadyRotating, WindowClosed, TooSoon, NotPending, SecretChanged,
		AccessDenied, KeyUnusable, LimitExceeded, Throttled, ServiceUnavailable, VersionNotReady, ReplicaLagging,
		DatabaseUnreachable, DatabaseUnavailable, CertificateRejected, TLSUnavailable, LoginRefused, AccountDisabled, PasswordExpired,
		PrivilegeMissing, PasswordRejected, SuperuserInvalid, AccountNotOurs, PrivilegesDiffer, DatabaseReadOnly, DatabaseError, OutcomeUnknown, SuperuserNeeded,
		RotationFunctionFailed, RotationCutShort, RotationNotStarted,
		Internal,
	}
}

// Error is a failure with a code. Its message reaches the execution history and
// the alert, so Op and Hint never hold a secret or the text of a driver's
// error, which may quote a statement.
type Error struct {
	Code Code
	Op   string // what was being done and what went wrong, for a person
	Hint string // what to do about it
	Err  error  // the cause, for errors.Is and errors.As; never printed
}

// New returns an Error. Op and hint are for people; see [Error].
func New(code Code, op, hint string) *Error { return &Error{Code: code, Op: op, Hint: hint} }

// Wrap is New with a cause that is kept for errors.Is and errors.As but never
// printed.
func Wrap(err error, code Code, op, hint string) *Error {
	return &Error{Code: code, Op: op, Hint: hint, Err: err}
}

// Error returns "Code: Op. Hint".
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message() }

// Message returns "Op. Hint": what happened and the remedy.
func (e *Error) Message() string {
	if e.Hint == "" {
		return e.Op
	}
	return e.Op + ". " + e.Hint
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns err's code, [Internal] if it has none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err has one of the codes.
func Is(err error, codes ...Code) bool {
	c := CodeOf(err)
	for _, want := range codes {
		if c == want {
			return true
		}
	}
	return false
}

// From returns err as an *Error. An error without a code becomes [Internal],
// and its text is not carried over: it may hold anything.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(err, Internal, fmt.Sprintf("an unexpected failure of type %T", err),
		"This is a defect in Tumbler: please report it with the function's log")
}
