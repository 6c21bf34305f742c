package netfault

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

var (
	// ErrNotSent marks a failure before the server can have had the whole of a
	// statement.
	ErrNotSent = errors.New("the statement was not sent")

	// ErrAnswer means that an answer does not follow the server's protocol.
	ErrAnswer = errors.New("the answer was not understood")
)

// BrokenFault classifies a connection that failed before the login was over:
// in its TLS handshake or later. Nothing was changed. hint, which may be empty,
// comes before the usual ones.
func (t Target) BrokenFault(err error, op, hint string) error {
	if f := t.tlsFault(err); f != nil {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": cancelled", "")
	case isTimeout(err):
		return fault.Wrap(err, fault.DatabaseUnreachable, op+": connected, but no answer within "+limit(),
			`The host accepts connections and stays silent. Check that "host" and "port" are the database's. `+hint+HintBusy)
	case IsLost(err):
		return t.ClosedFault(err, op, hint)
	}
	return fault.Wrap(err, fault.DatabaseError, op+": "+ErrAnswer.Error(),
		`Check that "host" and "port" are those of `+t.Server)
}

// ClosedFault is the fault for a server that closed the connection before the login was
// over.
func (t Target) ClosedFault(err error, op, hint string) error {
	return fault.Wrap(err, fault.DatabaseUnavailable, op+": the server closed the connection", hint+HintBusy)
}

// LostFault classifies a session that ended while we waited for an answer.
// changing says that the statement changes something when it arrives.
func LostFault(err error, op string, changing bool) error {
	why := ": the connection was lost"
	switch {
	case errors.Is(err, context.Canceled):
		why = ": cancelled"
	case isTimeout(err):
		why = ": no answer in time"
	case errors.Is(err, ErrAnswer):
		why = ": " + ErrAnswer.Error()
	}
	return EndedFault(err, op+why, changing)
}

// EndedFault is LostFault for a session that the server ended, as op says.
func EndedFault(err error, op string, changing bool) error {
	if changing && !errors.Is(err, ErrNotSent) {
		return fault.Wrap(err, fault.OutcomeUnknown, op+", and the change may or may not have been made",
			"Tumbler finds out by logging in. "+hintLost)
	}
	return fault.Wrap(err, fault.DatabaseUnavailable, op+" before anything was changed", hintLost)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// IsLost reports whether the other side, or the network, ended the connection.
func IsLost(err error) bool {
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network.Op != "remote error" && network.Op != "local error" // TLS
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}
