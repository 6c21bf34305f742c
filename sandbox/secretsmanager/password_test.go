package secretsmanager_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"pgregory.net/rapid"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
	punct  = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

func TestGetRandomPasswordRefuses(t *testing.T) {
	e := setup(t)
	yes := aws.Bool(true)
	for name, test := range map[string]struct {
		in            sm.GetRandomPasswordInput
		code, message string
	}{
		"zero":         {sm.GetRandomPasswordInput{PasswordLength: aws.Int64(0)}, "ValidationException", "greater than or equal to 1"},
		"long":         {sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4097)}, "ValidationException", "less than or equal to 4096"},
		"short":        {sm.GetRandomPasswordInput{PasswordLength: aws.Int64(3)}, "InvalidParameterException", "Password length is too short based on the required types."},
		"type is gone": {sm.GetRandomPasswordInput{ExcludeCharacters: aws.String(digits)}, "InvalidParameterException", "All characters of the desired type have been excluded."},
		"nothing left": {sm.GetRandomPasswordInput{ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludeNumbers: yes, ExcludePunctuation: yes}, "InvalidParameterException", "All characters have been excluded from selection."},
		"nor a space":  {sm.GetRandomPasswordInput{ExcludeCharacters: aws.String(lower + upper + digits + punct + " "), IncludeSpace: yes, RequireEachIncludedType: aws.Bool(false)}, "InvalidParameterException", "All characters have been excluded from selection."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.GetRandomPassword(t.Context(), &test.in)
			wantError(t, err, test.code, test.message)
		})
	}
	out := must[*sm.GetRandomPasswordOutput](t)(e.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{}))
	if len(*out.RandomPassword) != 32 {
		t.Errorf("default length %d", len(*out.RandomPassword))
	}
	out = must[*sm.GetRandomPasswordOutput](t)(e.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{PasswordLength: aws.Int64(4096)}))
	for _, c := range lower + upper + digits + punct {
		if !strings.ContainsRune(*out.RandomPassword, c) {
			t.Errorf("%q never occurs", c)
		}
	}
}

// Whatever the options, a password has the length asked for, only allowed
// characters, and each required type; and no error comes without a reason.
func TestGetRandomPasswordProperties(t *testing.T) {
	e := setup(t)
	rapid.Check(t, func(r *rapid.T) {
		types := []struct {
			chars   string
			exclude bool
		}{
			{lower, rapid.Bool().Draw(r, "no lower")},
			{upper, rapid.Bool().Draw(r, "no upper")},
			{digits, rapid.Bool().Draw(r, "no digits")},
			{punct, rapid.Bool().Draw(r, "no punctuation")},
		}
		space := rapid.Bool().Draw(r, "space")
		each := rapid.Bool().Draw(r, "each")
		excluded := rapid.StringOfN(rapid.RuneFrom([]rune(lower+upper+digits+punct+" é")), 0, 60, -1).Draw(r, "excluded")
		n := rapid.IntRange(1, 80).Draw(r, "length")
		out, err := e.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{
			PasswordLength: aws.Int64(int64(n)), ExcludeCharacters: &excluded,
			ExcludeLowercase: &types[0].exclude, ExcludeUppercase: &types[1].exclude,
			ExcludeNumbers: &types[2].exclude, ExcludePunctuation: &types[3].exclude,
			IncludeSpace: &space, RequireEachIncludedType: &each,
		})
		allowed, wanted, dry := "", 0, false
		for _, ty := range types {
			if ty.exclude {
				continue
			}
			wanted++
			left := remove(ty.chars, excluded)
			dry = dry || left == ""
			allowed += left
		}
		if space {
			allowed += remove(" ", excluded)
		}
		if impossible := allowed == "" || each && (dry || wanted > n); impossible != (err != nil) {
			r.Fatalf("impossible: %v, error: %v", impossible, err)
		}
		if err != nil {
			return
		}
		password := *out.RandomPassword
		if len(password) != n || remove(password, allowed) != "" {
			r.Fatalf("length %d, not allowed: %q", len(password), remove(password, allowed))
		}
		for _, ty := range types {
			if each && !ty.exclude && !strings.ContainsAny(password, ty.chars) {
				r.Fatalf("none of %q", ty.chars)
			}
		}
	})
}

func remove(s, chars string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(chars, c) {
			return -1
		}
		return c
	}, s)
}
