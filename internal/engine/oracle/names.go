package oracle

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// maxName is the longest name that Oracle allows, in bytes. Before 12.2 the limit was 30,
// which the server enforces. Source: Oracle Database SQL Language Reference, "Database
// Object Naming Rules".
const maxName = 128

// identifier is a name as stored in the data dictionary.
type identifier string

// parseName interprets a user name as Oracle's clients and DBMS_ASSERT.ENQUOTE_NAME do:
// it is converted to upper case unless it is in double quotes. AWS's own rotation
// function calls ENQUOTE_NAME.
func parseName(what, name string) (identifier, error) {
	inner, isQuoted := strings.CutPrefix(name, `"`)
	if isQuoted {
		inner, isQuoted = strings.CutSuffix(inner, `"`)
	}
	if !isQuoted {
		inner = strings.ToUpper(name)
	}
	if inner == "" || strings.ContainsAny(inner, "\"\x00") || !utf8.ValidString(name) {
		return "", fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q is not a name Oracle can have", what, name),
			"Correct the user name in the secret")
	}
	if len(inner) > maxName {
		return "", fault.New(fault.InvalidSecret, fmt.Sprintf("the %s %q has %d bytes, and Oracle's names have at most %d", what, name, len(inner), maxName),
			"Use a user with a shorter name")
	}
	return identifier(inner), nil
}

// quoted returns the name for use in a statement. Oracle names cannot contain a double
// quote, and there is no escape for one. [parseName] rejects such names and the
// dictionary has none. If one did appear, the doubled quote would make the statement fail
// rather than change its meaning.
func (i identifier) quoted() string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(string(i), `"`, `""`), "\x00", "") + `"`
}

// String returns the name for messages.
func (i identifier) String() string { return string(i) }

// literal returns text as an SQL literal.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quotable reports whether a password can be used in a statement. Oracle has no escape
// for a double quote in a password either.
func quotable(password redact.String) bool {
	return !password.IsEmpty() && !strings.ContainsAny(password.Reveal(), "\"\x00")
}

func checkPassword(op string, password redact.String) error {
	if password.IsEmpty() {
		return fault.New(fault.PasswordRejected, op+": the new password is empty", "Store a version with a password")
	}
	if !quotable(password) {
		return fault.New(fault.PasswordRejected, op+`: the new password contains a double quote, which Oracle does not allow`,
			`Exclude the character " from generated passwords`)
	}
	return nil
}

// validService reports whether a name can be used in a connect descriptor, whose syntax
// has parentheses and no escapes.
func validService(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-$#", r)) {
			return false
		}
	}
	return name != ""
}

// keyword reports whether text from the dictionary can be used unquoted in a statement:
// the name of a privilege or of an object type.
func keyword(text string) bool {
	for i, r := range text {
		if !(r >= 'A' && r <= 'Z' || i > 0 && (r >= '0' && r <= '9' || r == '_' || r == ' ')) {
			return false
		}
	}
	return text != ""
}
