package rotation_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A row of the threat table names the tests that try it. They have to be there.
func TestThreatsNameTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, dir := range []string{"../../infra", "../../internal", "../../proof", "../../sandbox", "../../statemachine"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range function.FindAllStringSubmatch(string(source), -1) {
				declared[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, table, _ := strings.Cut(string(page), "\n## Threats")
	table, _, _ = strings.Cut(table, "\n## ")
	named, rows := regexp.MustCompile("`(Test\\w+)`"), 0
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || cells[0] == "who" {
			continue
		}
		rows++
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 5 || len(tests) == 0 {
			t.Errorf("%d cells, and %d tests in the last: %s", len(cells), len(tests), line)
		}
		for _, m := range tests {
			if !declared[m[1]] {
				t.Errorf("there is no test %s: %s", m[1], line)
			}
		}
	}
	if rows < 12 {
		t.Errorf("%d rows", rows)
	}
}
