package pgwire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

func TestParsePasswordMethod(t *testing.T) {
	for _, tc := range []struct {
		row  []string
		want PasswordMethod
		ok   bool
	}{
		{[]string{"scram-sha-256", "4096"}, PasswordMethod{iterations: 4096}, true},
		{[]string{"scram-sha-256", "10000"}, PasswordMethod{iterations: 10000}, true},
		{[]string{"scram-sha-256", ""}, PasswordMethod{iterations: 4096}, true}, // before 16
		{[]string{"md5", ""}, PasswordMethod{md5: true, iterations: 4096}, true},
		{[]string{"on", ""}, PasswordMethod{md5: true, iterations: 4096}, true}, // before 10
		{[]string{"scram-sha-256", "many"}, PasswordMethod{}, false},
		{[]string{"scram-sha-256", "-1"}, PasswordMethod{}, false},
		{nil, PasswordMethod{}, false},
	} {
		got, err := ParsePasswordMethod(tc.row)
		if (err == nil) != tc.ok || (tc.ok && got != tc.want) {
			t.Errorf("%q: got %+v, %v", tc.row, got, err)
		}
	}
}

func TestServersCannotMakeUsComputeForever(t *testing.T) {
	if _, err := (PasswordMethod{iterations: maxIterations + 1}).Verifier("app", redact.New("x")); err == nil {
		t.Error("no limit to scram_iterations")
	}
}

func TestEveryVerifierHasItsOwnSalt(t *testing.T) {
	m := PasswordMethod{iterations: 1}
	a, _ := m.Verifier("app", redact.New("x"))
	b, _ := m.Verifier("app", redact.New("x"))
	if a.text == b.text {
		t.Error("two verifiers have the same salt")
	}
}

func TestVerifiersAreNotPrinted(t *testing.T) {
	v := MD5("app", redact.New("x"))
	if got := fmt.Sprintf("%v %+v %#v %s", v, v, v, v); strings.Contains(got, "md5") {
		t.Errorf("a verifier shows as %s", got)
	}
}

func TestPreparedDifferently(t *testing.T) {
	for password, want := range map[string]bool{
		"ascii only ~!": false,
		"grün":          false,
		"пароль":        false,
		"ﬁne":           true, // a ligature: "fi" to RFC 4013
		"x²":            true,
		"😀":             false, // unknown to RFC 4013: both leave it alone
	} {
		if got := preparedDifferently(redact.New(password)); got != want {
			t.Errorf("%q: got %v", password, got)
		}
	}
}

// What is stored, by an example of which every part is known.
func TestSCRAMVerifier(t *testing.T) {
	v, err := scramVerifier(redact.New("pencil"), []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	const want = "'SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$nQpbZ77WudtqufPwikHXGRt6g2QJ4zns8bZLw273DRM=:jn2amWP1q1h+jgjy0YTO14S6/F02SV7taipOeB7ef20='"
	if got := v.Literal(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (Verifier{"no verifier has ' or two in it"}).Literal(); got != "'no verifier has '' or two in it'" {
		t.Errorf("quotes: %s", got)
	}
}
