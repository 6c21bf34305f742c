package proof

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	point   = regexp.MustCompile(`^\| [0-9]+ \|`)
	shownBy = regexp.MustCompile("`([a-z/]+)` (Test[A-Za-z]+)")
)

// TestReview: each point of the review has tests, and they are where docs/review.md says.
func TestReview(t *testing.T) {
	page, err := os.ReadFile("../docs/review.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(page), "## Numbers")
	points := 0
	for line := range strings.Lines(table) {
		if !point.MatchString(line) {
			continue
		}
		points++
		tests := shownBy.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("nothing shows %s", line)
		}
		for _, m := range tests {
			files, err := filepath.Glob(filepath.Join("..", m[1], "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			there := false
			for _, file := range files {
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				there = there || strings.Contains(string(src), "\nfunc "+m[2]+"(t *testing.T)")
			}
			if !there {
				t.Errorf("%s has no %s", m[1], m[2])
			}
		}
	}
	if points != 10 {
		t.Errorf("docs/review.md has %d points, and the review had ten", points)
	}
}
