package rotation_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A promise names the tests that try to break it. They have to be there.
func TestGuaranteesNameTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, dir := range []string{"../../internal", "../../proof", "../../sandbox", "../../statemachine"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
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
	named := regexp.MustCompile("`(Test\\w+)`")
	promises, _, _ := strings.Cut(string(page), "\n## What they rest on")
	_, promises, _ = strings.Cut(promises, "\n## Promises")
	for promise := range strings.SplitSeq(promises, "\n\n") {
		if regexp.MustCompile(`^[0-9]+\. `).MatchString(promise) && !named.MatchString(promise) {
			t.Errorf("no test is named: %s", promise)
		}
	}
	if len(named.FindAllString(promises, -1)) < 30 {
		t.Error("the promises name hardly any test")
	}
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		if !declared[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
}
