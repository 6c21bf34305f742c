package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unseen are the statements of servers that have not been at hand.
var unseen = []string{"sqlserver/tsql/statements.go", "sqlserver/tsql/queries.go", "oracle/statements.go"}

// sqlText is the beginning of a statement, or of a clause of one.
var sqlText = regexp.MustCompile(`^\s*(SELECT|ALTER|CREATE|GRANT|REVOKE|DENY|SET|DROP|USE|BEGIN|EXEC|UNION ALL SELECT|ACCOUNT) `)

// What cannot be tried is written down from a vendor's documentation, and says from which
// page.
func TestUnseenStatementsNameTheirSource(t *testing.T) {
	for _, path := range unseen {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		check := func(name string, node ast.Node, docs ...*ast.CommentGroup) {
			found := false
			ast.Inspect(node, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, _ := strconv.Unquote(literal.Value)
					found = found || sqlText.MatchString(text) && strings.ToUpper(text) == text || strings.HasPrefix(text, "SELECT ")
				}
				return true
			})
			if !found {
				return
			}
			n++
			for _, doc := range docs {
				if doc != nil && strings.Contains(strings.ReplaceAll(doc.Text(), "\n", " "), "Source") {
					return
				}
			}
			t.Errorf("%s: %s builds a statement and names no source", files.Position(node.Pos()), name)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				check(d.Name.Name, d, d.Doc)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						doc := v.Doc
						if !d.Lparen.IsValid() {
							doc = d.Doc
						}
						check(v.Names[0].Name, v, doc, v.Comment)
					}
				}
			}
		}
		if n < 5 {
			t.Errorf("%s: this test has found %d statements only", path, n)
		}
	}
}
