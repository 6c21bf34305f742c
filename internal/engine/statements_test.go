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
var statementFiles = []string{"statements.go", "statements_rights.go", "views.go", "sql.go", "queries.go"}

var (
	verb = regexp.MustCompile(`^\s*(SELECT|ALTER|CREATE|GRANT|REVOKE|SET|RESET|DROP|INSERT|UPDATE|DELETE|COMMENT|REASSIGN|BEGIN|COMMIT|ROLLBACK|WITH|SHOW|FLUSH|EXEC|USE|DECLARE|CALL|DENY)\s`)

	// English is in what is said to people: what to do by hand.
	english = regexp.MustCompile(`\b(or|the|another|it|is|to the|after|and|lifts)\b`)
)

func TestStatementsAreBuiltInStatementFiles(t *testing.T) {
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
			if call, ok := n.(*ast.CallExpr); ok && reads(call) {
				return false
			}
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !verb.MatchString(text) || english.MatchString(text) {
				return true
			}
			t.Errorf("%s: %q: statements are built in one of %q", files.Position(literal.Pos()), text, statementFiles)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reads reports whether a call takes a text apart that somebody else wrote, such as a
// line of SHOW GRANTS.
func reads(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (f.Sel.Name == "take" || f.Sel.Name == "HasPrefix")
}
