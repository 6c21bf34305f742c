package rotation

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// PasswordOptions configure new passwords. They have the names and meanings of those of
// GetRandomPassword; the default of each is the engine's. Source: AWS Secrets Manager API
// reference, "GetRandomPassword".
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

// The limits of a password's length, in characters. Shorter ones can be guessed; longer
// ones are truncated or refused by some servers and drivers.
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

// PasswordPolicy has the requirements for a new password.
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

// PasswordMaker makes a password.
type PasswordMaker func(PasswordPolicy) (redact.String, error)

// RandomPassword makes a password; all that the policy allows are equally likely. It uses
// the operating system's random generator instead of GetRandomPassword
// (docs/decisions/0021).
func RandomPassword(p PasswordPolicy) (redact.String, error) {
	types, err := p.possible()
	if err != nil {
		return redact.String{}, err
	}
	alphabet := strings.Join(types, "")
	for {
		// Drawing again, instead of inserting a missing type, keeps all equally likely.
		password := draw(alphabet, p.Length)
		if !p.RequireEachType || hasEach(password, types) {
			return redact.New(password), nil
		}
	}
}

// draw returns n characters of the alphabet, each as likely as any other.
func draw(alphabet string, n int) string {
	// Bytes from bound on are discarded: they would make the first characters likelier.
	bound := 256 - 256%len(alphabet)
	password := make([]byte, 0, n)
	random := make([]byte, 64)
	for {
		_, _ = rand.Read(random) // never fails: it ends the process instead
		for _, b := range random {
			if int(b) >= bound {
				continue
			}
			if password = append(password, alphabet[int(b)%len(alphabet)]); len(password) == n {
				return string(password)
			}
		}
	}
}

func hasEach(password string, types []string) bool {
	for _, characters := range types {
		if !strings.ContainsAny(password, characters) {
			return false
		}
	}
	return true
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

// possible checks that there are passwords that meet the policy. It returns the allowed
// characters, by type.
// Source: AWS Secrets Manager API reference, "GetRandomPassword".
func (p PasswordPolicy) possible() (types []string, err error) {
	different := 0
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
			return nil, invalidRequest("field password.excludeCharacters leaves none of the "+t.name+", of which each password has to have one",
				"Exclude fewer characters, or the whole type, or set requireEachIncludedType to false")
		}
		if left != "" {
			types = append(types, left)
		}
		different += len(left)
	}
	if different < 2 {
		return nil, invalidRequest("field password leaves no characters to make passwords of", "Exclude fewer characters")
	}
	if p.Length < shortestPassword {
		return nil, invalidRequest(fmt.Sprintf("field password.length is %d", p.Length), fmt.Sprintf("Use a length of at least %d", shortestPassword))
	}
	return types, nil
}
