package window

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs holds docs/schedules.md to what Parse does.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "schedules.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(string(page), "\n## Examples\n")
	examples, refused, _ := strings.Cut(examples, "\n## Refused\n")
	refused, _, _ = strings.Cut(refused, "\n## ")
	expression := regexp.MustCompile("`((?:rate|cron)\\([^`]+)`")
	found := expression.FindAllStringSubmatch(examples, -1)
	if len(found) < 10 {
		t.Errorf("found %d examples", len(found))
	}
	for _, m := range found {
		parse(t, m[1], "")
	}
	for row := range strings.Lines(refused) {
		if m := expression.FindAllStringSubmatch(row, -1); len(m) == 2 {
			if _, err := Parse(m[0][1], ""); err == nil {
				t.Errorf("%s is accepted", m[0][1])
			}
			parse(t, m[1][1], "")
		} else if strings.Contains(row, "(") {
			t.Errorf("not an expression and its remedy: %s", row)
		}
	}
}
