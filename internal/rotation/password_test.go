package rotation_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	lower       = "abcdefghijklmnopqrstuvwxyz"
	upper       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// Whatever the options in a request, the version that CreateSecret stores has a
// password of that length, of allowed characters, with one of each required type; and
// it is refused only where there is no such password.
func TestNewPasswordsKeepToTheOptions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		types := []struct {
			characters string
			excluded   bool
		}{
			{lower, rapid.Bool().Draw(r, "no lower")},
			{upper, rapid.Bool().Draw(r, "no upper")},
			{digits, rapid.Bool().Draw(r, "no digits")},
			{punctuation, rapid.Bool().Draw(r, "no punctuation")},
		}
		options := rotation.PasswordOptions{
			Length:           rapid.SampledFrom([]int{0, 8, 9, 33, 128}).Draw(r, "length"),
			ExcludeLowercase: types[0].excluded, ExcludeUppercase: types[1].excluded,
			ExcludeNumbers: types[2].excluded, ExcludePunctuation: types[3].excluded,
		}
		excluded, each, length := secretdoc.Document{Engine: "postgres"}.Traits().ExcludeCharacters, true, options.Length
		if rapid.Bool().Draw(r, "characters are excluded") {
			excluded = some(r)
			options.ExcludeCharacters = &excluded
		}
		if rapid.Bool().Draw(r, "says whether each type is wanted") {
			each = rapid.Bool().Draw(r, "each")
			options.RequireEachIncludedType = &each
		}
		if length == 0 {
			length = 32
		}
		allowed, dry := "", false
		for _, ty := range types {
			if left := without(ty.characters, excluded); !ty.excluded {
				allowed += left
				dry = dry || left == ""
			}
		}

		v := newVault()
		plan := planned(v)
		plan.Password = &options
		_, err := rotation.Create{Secrets: v, Now: atNoon}.Run(t.Context(), rotation.StepInput{Plan: plan})
		if impossible := len(allowed) < 2 || each && dry; impossible != fault.Is(err, fault.InvalidRequest) || !impossible && err != nil {
			r.Fatalf("impossible: %v, error: %v", impossible, err)
		}
		if err != nil {
			return
		}
		password := v.password(own)
		if len(password) != length || without(password, allowed) != "" {
			r.Fatalf("length %d, not allowed: %q", len(password), without(password, allowed))
		}
		for _, ty := range types {
			if each && !ty.excluded && !strings.ContainsAny(password, ty.characters) {
				r.Fatalf("none of %q", ty.characters)
			}
		}
	})
}

// some draws characters to exclude: a few, or nearly all of a type or of everything.
func some(r *rapid.T) string {
	few := rapid.StringOfN(rapid.RuneFrom([]rune(lower+upper+digits+punctuation+" é")), 0, 30, -1).Draw(r, "excluded")
	for _, characters := range []string{lower, upper, digits, punctuation} {
		if n := rapid.IntRange(0, 4*len(characters)).Draw(r, "excluded of a type"); n <= len(characters) {
			few += characters[:n]
		}
	}
	return few
}

// Each character, and each password that is allowed, is as likely as any other. A
// remainder of a division, or one character of each type put in afterwards, is out by
// 25 % and by half; chance is by as much once in 10^15 runs.
func TestNewPasswordsAreEquallyLikely(t *testing.T) {
	const each = 4000
	t.Run("characters", func(t *testing.T) {
		seen := map[string]int{}
		for range 94 * each / 128 {
			for _, c := range newPassword(t, rotation.PasswordPolicy{Length: 128}) {
				seen[string(c)]++
			}
		}
		equallyLikely(t, seen, 94, each)
	})
	t.Run("passwords with one of each type", func(t *testing.T) {
		policy := rotation.PasswordPolicy{
			Length: 8, ExcludeLowercase: true, ExcludePunctuation: true, RequireEachType: true,
			ExcludeCharacters: digits[1:] + upper[1:],
		}
		const many = 256 - 2 // two of them lack a type
		seen := map[string]int{}
		for range many * each {
			seen[newPassword(t, policy)]++
		}
		equallyLikely(t, seen, many, each)
	})
}

func equallyLikely(t *testing.T, seen map[string]int, different, each int) {
	t.Helper()
	if len(seen) != different {
		t.Errorf("%d different ones, want %d", len(seen), different)
	}
	for one, n := range seen {
		if off := math.Abs(float64(n - each)); off > 8*math.Sqrt(float64(each)) {
			t.Errorf("%q came %d times, want about %d", one, n, each)
		}
	}
}

func newPassword(t *testing.T, policy rotation.PasswordPolicy) string {
	t.Helper()
	password, err := rotation.RandomPassword(policy)
	if err != nil {
		t.Fatal(err)
	}
	return password.Reveal()
}

// A password that is too short for what it has to have would be drawn for ever.
func TestNewPasswordsAreNotTooShort(t *testing.T) {
	for length := range 8 {
		if _, err := rotation.RandomPassword(rotation.PasswordPolicy{Length: length, RequireEachType: true}); !fault.Is(err, fault.InvalidRequest) {
			t.Errorf("length %d: %v", length, err)
		}
	}
}

func TestNewPasswordsDoNotPrint(t *testing.T) {
	password, err := rotation.RandomPassword(rotation.PasswordPolicy{Length: 32})
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := json.Marshal(struct{ P redact.String }{password})
	if strings.Contains(fmt.Sprintf("%v %+v %#v %s", password, password, password, encoded), password.Reveal()) {
		t.Error("the password can be printed")
	}
}

func without(s, characters string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(characters, c) {
			return -1
		}
		return c
	}, s)
}
