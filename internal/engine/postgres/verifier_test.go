package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

func TestParsePasswordMethod(t *testing.T) {
	for _, tc := range []struct {
		row  []string
		want passwordMethod
		ok   bool
	}{
		{[]string{"scram-sha-256", "4096"}, passwordMethod{iterations: 4096}, true},
		{[]string{"scram-sha-256", "10000"}, passwordMethod{iterations: 10000}, true},
		{[]string{"scram-sha-256", ""}, passwordMethod{iterations: 4096}, true}, // before 16
		{[]string{"md5", ""}, passwordMethod{md5: true, iterations: 4096}, true},
		{[]string{"on", ""}, passwordMethod{md5: true, iterations: 4096}, true}, // before 10
		{[]string{"scram-sha-256", "many"}, passwordMethod{}, false},
		{[]string{"scram-sha-256", "-1"}, passwordMethod{}, false},
		{nil, passwordMethod{}, false},
	} {
		got, err := parsePasswordMethod(tc.row)
		if (err == nil) != tc.ok || (tc.ok && got != tc.want) {
			t.Errorf("%q: got %+v, %v", tc.row, got, err)
		}
	}
}

func TestServersCannotMakeUsComputeForever(t *testing.T) {
	if _, err := (passwordMethod{iterations: maxIterations + 1}).verifier("app", redact.New("x")); err == nil {
		t.Error("no limit to scram_iterations")
	}
}

func TestEveryVerifierHasItsOwnSalt(t *testing.T) {
	m := passwordMethod{iterations: 1}
	a, _ := m.verifier("app", redact.New("x"))
	b, _ := m.verifier("app", redact.New("x"))
	if a.text == b.text {
		t.Error("two verifiers have the same salt")
	}
}

func TestVerifiersAreNotPrinted(t *testing.T) {
	v := md5Verifier("app", redact.New("x"))
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
