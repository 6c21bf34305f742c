package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// statementFiles are where the text of statements is built. Whoever wants to know
// what is sent to a server, or whether all of it is quoted and qualified, reads
// these and no others.
var statementFiles = []string{"statements.go", "views.go", "sql.go", "queries.go"}

// mixed are those in which building statements is not yet kept apart.
var mixed = []string{
	"mysql/accounts.go", "mysql/clone.go", "mysql/inspect.go", "mysql/level.go", "mysql/options.go", "mysql/rights.go",
	"sqlserver/clone.go", "sqlserver/contained.go",
}

var (
	verb = regexp.MustCompile(`^\s*(SELECT|ALTER|CREATE|GRANT|REVOKE|SET|RESET|DROP|INSERT|UPDATE|DELETE|COMMENT|REASSIGN|BEGIN|COMMIT|ROLLBACK|WITH|SHOW|FLUSH|EXEC|USE|DECLARE|CALL|DENY)\s`)

	// English is in what is said to people: what to do by hand.
	english = regexp.MustCompile(`\b(or|the|another|it|is|to the|after|and|lifts)\b`)
)

func TestStatementsAreBuiltInStatementFiles(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"enginetest", "pgsuite", "tdsfake", "testdata"}, d.Name()):
			return fs.SkipDir // for tests only
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || slices.Contains(statementFiles, d.Name()):
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !verb.MatchString(text) || english.MatchString(text) {
				return true
			}
			found[filepath.ToSlash(path)] = true
			if !slices.Contains(mixed, filepath.ToSlash(path)) {
				t.Errorf("%s: %q: statements are built in one of %q", files.Position(literal.Pos()), text, statementFiles)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range mixed {
		if !found[path] {
			t.Errorf("%s builds no statement any more: take it off the list", path)
		}
	}
}
