// Package redact holds strings that must not be seen: passwords and the secret
// documents that contain them.
//
// A [String] cannot be printed, logged or marshalled by accident. Only code
// that has to hand the value to a database or to Secrets Manager calls
// [String.Reveal], which makes every such place easy to find.
package redact

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Mask is what every rendering of a String shows.
const Mask = "[redacted]"

// errMarshal prevents the mask from being stored as a password.
var errMarshal = errors.New("redact: a secret string cannot be marshalled; reveal it where it is needed")

// String is a secret string. Its zero value is the empty string.
//
// The value stands behind a pointer, so that printers that walk unexported
// fields by reflection show an address and not the value.
type String struct{ value *string }

// New hides s.
func New(s string) String { return String{value: &s} }

// Reveal returns the hidden value.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsEmpty reports whether the hidden value is the empty string.
func (s String) IsEmpty() bool { return s.Reveal() == "" }

// Equal reports whether both hide the same value.
func (s String) Equal(other String) bool { return s.Reveal() == other.Reveal() }

// String returns the mask.
func (s String) String() string { return Mask }

// GoString returns the mask.
func (s String) GoString() string { return Mask }

// Format writes the mask whatever the verb is.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask) }

// LogValue shows the mask in structured logs.
func (s String) LogValue() slog.Value { return slog.StringValue(Mask) }

// MarshalJSON always fails.
func (s String) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalText always fails.
func (s String) MarshalText() ([]byte, error) { return nil, errMarshal }
