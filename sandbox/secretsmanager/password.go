package secretsmanager

import (
	"context"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// The character types of GetRandomPassword.
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

const defaultPasswordLength = 32

type passwordInput struct {
	PasswordLength          *int64
	ExcludeCharacters       *string
	ExcludeNumbers          *bool
	ExcludePunctuation      *bool
	ExcludeUppercase        *bool
	ExcludeLowercase        *bool
	IncludeSpace            *bool
	RequireEachIncludedType *bool
}

type passwordOutput struct {
	RandomPassword string
}

func (s *Service) getRandomPassword(_ context.Context, _ wire.Call, in *passwordInput) (*passwordOutput, error) {
	if err := firstError(
		within("passwordLength", in.PasswordLength, 1, maxPasswordChars),
		length("excludeCharacters", in.ExcludeCharacters, 0, maxPasswordChars, optional),
	); err != nil {
		return nil, err
	}
	n := defaultPasswordLength
	if in.PasswordLength != nil {
		n = int(*in.PasswordLength)
	}
	requireEach := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType

	pool, types, err := in.alphabet(requireEach)
	if err != nil {
		return nil, err
	}
	if requireEach && n < len(types) {
		return nil, errParameter("Password length is too short based on the required types.")
	}
	password := make([]byte, 0, n)
	if requireEach {
		for _, t := range types {
			password = append(password, t[randomInt(len(t))])
		}
	}
	for len(password) < n {
		password = append(password, pool[randomInt(len(pool))])
	}
	shuffle(password)
	return &passwordOutput{string(password)}, nil
}

// alphabet is what the password may be made of, and the character types of
// which one each is wanted. The space is never wanted: the page names the four
// types only.
func (in *passwordInput) alphabet(requireEach bool) (pool string, types []string, err *wire.Error) {
	for _, t := range []struct {
		exclude *bool
		chars   string
	}{
		{in.ExcludeLowercase, lowercase},
		{in.ExcludeUppercase, uppercase},
		{in.ExcludeNumbers, digits},
		{in.ExcludePunctuation, punctuation},
	} {
		if deref(t.exclude) {
			continue
		}
		chars := without(t.chars, deref(in.ExcludeCharacters))
		if chars != "" {
			types = append(types, chars)
		} else if requireEach {
			return "", nil, errParameter("All characters of the desired type have been excluded.")
		}
		pool += chars
	}
	if deref(in.IncludeSpace) {
		pool += without(" ", deref(in.ExcludeCharacters))
	}
	if pool == "" {
		return "", nil, errParameter("All characters have been excluded from selection.")
	}
	return pool, types, nil
}

func without(chars, excluded string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(excluded, r) {
			return -1
		}
		return r
	}, chars)
}

// shuffle is Fisher and Yates's, with a cryptographic generator.
func shuffle(b []byte) {
	for i := len(b) - 1; i > 0; i-- {
		j := randomInt(i + 1)
		b[i], b[j] = b[j], b[i]
	}
}
