package rotation

import (
	"context"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// PasswordOptions say how new passwords look. They are those of
// GetRandomPassword; what is left out is the engine's default. Source: AWS
// Secrets Manager API reference, "GetRandomPassword".
type PasswordOptions struct {
	Length             int     `json:"length,omitempty"` // characters, 8-128
	ExcludeCharacters  *string `json:"excludeCharacters,omitempty"`
	ExcludeNumbers     bool    `json:"excludeNumbers,omitempty"`
	ExcludePunctuation bool    `json:"excludePunctuation,omitempty"`
	ExcludeUppercase   bool    `json:"excludeUppercase,omitempty"`
	ExcludeLowercase   bool    `json:"excludeLowercase,omitempty"`

	// RequireEachIncludedType is true by default: at least one character of
	// each class that is not excluded.
	RequireEachIncludedType *bool `json:"requireEachIncludedType,omitempty"`
}

// The bounds of a password's length. Shorter ones can be guessed, and longer
// ones are cut off or refused by some servers and drivers.
const (
	shortestPassword = 8
	longestPassword  = 128
)

func (o *PasswordOptions) check() error {
	if o == nil {
		return nil
	}
	if o.Length != 0 && (o.Length < shortestPassword || o.Length > longestPassword) {
		return invalidRequest(fmt.Sprintf("field password.length is %d", o.Length),
			fmt.Sprintf("Use a length from %d to %d", shortestPassword, longestPassword))
	}
	if o.ExcludeNumbers && o.ExcludePunctuation && o.ExcludeUppercase && o.ExcludeLowercase {
		return invalidRequest("field password excludes every class of characters", "Leave at least one class in")
	}
	return nil
}

// PasswordPolicy is what to ask GetRandomPassword for.
type PasswordPolicy struct {
	Length             int
	ExcludeCharacters  string
	ExcludeNumbers     bool
	ExcludePunctuation bool
	ExcludeUppercase   bool
	ExcludeLowercase   bool
	RequireEachType    bool
}

// policy applies the options to the engine's defaults.
func (o *PasswordOptions) policy(engine secretdoc.Traits) PasswordPolicy {
	p := PasswordPolicy{Length: engine.PasswordLength, ExcludeCharacters: engine.ExcludeCharacters, RequireEachType: true}
	if o == nil {
		return p
	}
	if o.Length != 0 {
		p.Length = o.Length
	}
	if o.ExcludeCharacters != nil {
		p.ExcludeCharacters = *o.ExcludeCharacters
	}
	if o.RequireEachIncludedType != nil {
		p.RequireEachType = *o.RequireEachIncludedType
	}
	p.ExcludeNumbers, p.ExcludePunctuation = o.ExcludeNumbers, o.ExcludePunctuation
	p.ExcludeUppercase, p.ExcludeLowercase = o.ExcludeUppercase, o.ExcludeLowercase
	return p
}

// newPassword asks for one within the engine's limits.
func newPassword(ctx context.Context, secrets VersionWriter, o *PasswordOptions, account secretdoc.Document) (redact.String, error) {
	return secrets.RandomPassword(ctx, o.policy(account.Traits()))
}

// The types of characters of GetRandomPassword, as its API reference names them.
var characterTypes = []struct {
	name, characters string
	excluded         func(PasswordPolicy) bool
}{
	{"lower-case letters", "abcdefghijklmnopqrstuvwxyz", func(p PasswordPolicy) bool { return p.ExcludeLowercase }},
	{"upper-case letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", func(p PasswordPolicy) bool { return p.ExcludeUppercase }},
	{"numbers", "0123456789", func(p PasswordPolicy) bool { return p.ExcludeNumbers }},
	{"punctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", func(p PasswordPolicy) bool { return p.ExcludePunctuation }},
}

// possible checks that there are passwords of this kind, without asking for one:
// who only looks needs no right to call GetRandomPassword, and no password comes
// to be that nobody uses. It returns the characters of which they are made.
// Source: AWS Secrets Manager API reference, "GetRandomPassword".
func (p PasswordPolicy) possible() (alphabet string, err error) {
	for _, t := range characterTypes {
		if t.excluded(p) {
			continue
		}
		left := ""
		for _, c := range t.characters {
			if !strings.ContainsRune(p.ExcludeCharacters, c) {
				left += string(c)
			}
		}
		if left == "" && p.RequireEachType {
			return "", invalidRequest("field password.excludeCharacters leaves none of the "+t.name+", of which each password has to have one",
				"Exclude fewer characters, or the whole type, or set requireEachIncludedType to false")
		}
		alphabet += left
	}
	if len(alphabet) < 2 {
		return "", invalidRequest("field password leaves no characters to make passwords of", "Exclude fewer characters")
	}
	return alphabet, nil
}
