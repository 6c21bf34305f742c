package secretsmanager

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Limits of the API reference (the Length and Range constraints of each
// operation's page) and of "AWS Secrets Manager quotas".
const (
	maxSecretBytes   = 65536
	maxLabels        = 20  // staging labels a version
	maxVersions      = 100 // versions a secret
	maxTags          = 50  // tags a resource
	minTokenLength   = 32  // ClientRequestToken and VersionId
	maxTokenLength   = 64
	maxSecretID      = 2048
	maxNameLength    = 512
	maxDescription   = 2048
	maxLambdaARN     = 2048
	maxLabelLength   = 256
	maxTagKeyLength  = 128
	maxTagValue      = 256
	maxFilters       = 10
	maxFilterValues  = 10
	maxFilterLength  = 512
	maxBatch         = 20
	maxListResults   = 100
	maxPasswordChars = 4096
)

// secretRef is the member that nearly every operation has.
type secretRef struct {
	SecretID *string `json:"SecretId"`
}

// Resource names the secret for the endpoint's hooks.
func (r *secretRef) Resource() string { return deref(r.SecretID) }

// id is the member's value, checked.
func (r *secretRef) id() (string, *wire.Error) {
	if err := length("secretId", r.SecretID, 1, maxSecretID, required); err != nil {
		return "", err
	}
	return *r.SecretID, nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// invalid is the answer to a value outside a constraint of the model. It does
// not repeat the value: it may be long, or a secret.
func invalid(member, constraint string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException",
		"1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, fmt.Sprintf(constraint, args...))
}

// invalidValue is invalid for numbers and choices, which are never secret.
func invalidValue(value any, member, constraint string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException",
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, fmt.Sprintf(constraint, args...))
}

type presence bool

const (
	required presence = true
	optional presence = false
)

// length checks a text's length in characters.
func length(member string, text *string, low, high int, p presence) *wire.Error {
	if text == nil {
		if p == required {
			return wire.Errorf("ValidationException",
				"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
		}
		return nil
	}
	switch n := utf8.RuneCountInString(*text); {
	case n < low:
		return invalid(member, "Member must have length greater than or equal to %d", low)
	case n > high:
		return invalid(member, "Member must have length less than or equal to %d", high)
	}
	return nil
}

func within(member string, n *int64, low, high int64) *wire.Error {
	switch {
	case n == nil:
		return nil
	case *n < low:
		return invalidValue(*n, member, "Member must have value greater than or equal to %d", low)
	case *n > high:
		return invalidValue(*n, member, "Member must have value less than or equal to %d", high)
	}
	return nil
}

func oneOf(member string, text *string, allowed ...string) *wire.Error {
	if text == nil || slices.Contains(allowed, *text) {
		return nil
	}
	return invalidValue(*text, member, "Member must satisfy enum value set: [%s]", strings.Join(allowed, ", "))
}

// namePattern: letters, digits and /_+=.@- (CreateSecret, Name). "!" is in the
// names of the secrets that other services manage.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)

func checkName(name *string) *wire.Error {
	if err := length("name", name, 1, maxNameLength, required); err != nil {
		return err
	}
	if !namePattern.MatchString(*name) {
		return wire.Errorf("ValidationException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

// checkToken checks a ClientRequestToken. SDKs and the CLI make one up when
// their user does not, so only raw requests lack it; AWS then answers with the
// code given.
func checkToken(token *string, missing string) *wire.Error {
	if deref(token) == "" {
		return wire.Errorf(missing, "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if n := len(*token); n < minTokenLength || n > maxTokenLength {
		return errParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}

// secretData is the value in a request.
type secretData struct {
	SecretString *string
	SecretBinary []byte
}

// value checks and takes the value; nil when there is none. An empty text
// counts as none.
func (d *secretData) value() (*value, *wire.Error) {
	text, binary := deref(d.SecretString), d.SecretBinary
	switch {
	case text != "" && len(binary) > 0:
		return nil, errParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case len(text) > maxSecretBytes:
		return nil, invalid("secretString", "Member must have length less than or equal to %d", maxSecretBytes)
	case len(binary) > maxSecretBytes:
		return nil, invalid("secretBinary", "Member must have length less than or equal to %d", maxSecretBytes)
	case text != "":
		return &value{text: text}, nil
	case len(binary) > 0:
		return &value{binary: binary}, nil
	}
	return nil, nil
}

// firstError is the first failed check. The checks are cheap enough to be made
// all.
func firstError(errs ...*wire.Error) *wire.Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
