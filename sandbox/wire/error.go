package wire

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an AWS error answer. A message must not hold a secret value.
type Error struct {
	// Code is AWS's name of the error, such as "ResourceNotFoundException".
	Code string
	// Message is the text for the caller.
	Message string
	// Status is the HTTP status; 0 means 400. From 500 on the SDKs retry.
	Status int
}

// Errorf makes an error with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// asError finds the AWS error in err. Errors of other kinds keep their text to
// themselves, for it may quote a request.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{
		Code:    "InternalFailure",
		Message: "The sandbox failed to process the request.",
		Status:  http.StatusInternalServerError,
	}
}
