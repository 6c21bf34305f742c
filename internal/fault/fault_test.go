package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// declared reads the codes from the source: a constant that Codes forgets
// would be tested nowhere.
func declared(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "Code" {
			return true
		}
		for _, value := range spec.Values {
			code, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	return codes
}

func listed() []string {
	var codes []string
	for _, code := range fault.Codes() {
		codes = append(codes, string(code))
	}
	return codes
}

func TestCodesListsEachOnce(t *testing.T) {
	want, got := declared(t), listed()
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Errorf("two codes are the same: %v", want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The names that Step Functions and Lambda give errors themselves have a dot;
// a code with one could be mistaken for such.
func TestCodesAreErrorNames(t *testing.T) {
	for _, code := range listed() {
		if strings.ContainsAny(code, ". -:") || strings.ToUpper(code[:1]) != code[:1] {
			t.Errorf("%q is not a name like AccessDenied", code)
		}
	}
}

// An alert says docs/runbook.md#code: each code has its section, with something
// in it, and no section is about a code that is no more.
func TestRunbook(t *testing.T) {
	raw, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for section := range strings.SplitSeq(string(raw), "\n### ") {
		heading, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		if strings.HasPrefix(heading, "# ") {
			continue // what is before the first
		}
		sections = append(sections, heading)
		if len(strings.Fields(text)) < 8 {
			t.Errorf("section %s says nothing", heading)
		}
	}
	want := listed()
	slices.Sort(want)
	slices.Sort(sections)
	if diff := cmp.Diff(want, sections); diff != "" {
		t.Errorf("the codes and the sections of docs/runbook.md: %s", diff)
	}
}

func TestErrorNeverShowsItsCause(t *testing.T) {
	const canary = "c4nary"
	cause := errors.New("syntax error near '" + canary + "'")
	for _, err := range []error{
		fault.Wrap(cause, fault.DatabaseError, "setting the password", "Look it up"),
		fault.From(cause),
		fault.From(fmt.Errorf("at step 3: %w", fault.Wrap(cause, fault.DatabaseError, "op", "hint"))),
	} {
		for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %s %q", err, err, err, err)} {
			if strings.Contains(text, canary) {
				t.Errorf("%s", text)
			}
		}
		if !errors.Is(err, cause) {
			t.Errorf("%v: the cause is not to be found", err)
		}
	}
}

func TestCodeOf(t *testing.T) {
	coded := fault.New(fault.Throttled, "op", "")
	for _, tc := range []struct {
		err  error
		code fault.Code
	}{
		{nil, ""},
		{coded, fault.Throttled},
		{fmt.Errorf("wrapped: %w", coded), fault.Throttled},
		{errors.New("anything"), fault.Internal},
	} {
		if got := fault.CodeOf(tc.err); got != tc.code {
			t.Errorf("%v: got %q, want %q", tc.err, got, tc.code)
		}
		if fault.Is(tc.err, tc.code, fault.WindowClosed) != true || fault.Is(tc.err, fault.WindowClosed) {
			t.Errorf("%v: Is does not agree", tc.err)
		}
		if tc.err != nil && fault.From(tc.err).Code != tc.code {
			t.Errorf("%v: From does not agree", tc.err)
		}
	}
	if got := fault.New(fault.WindowClosed, "it is late", "Come again").Error(); got != "WindowClosed: it is late. Come again" {
		t.Error(got)
	}
	if got := fault.New(fault.WindowClosed, "it is late", "").Error(); got != "WindowClosed: it is late" {
		t.Error(got)
	}
}
