package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// table prints rows of cells.
type table struct{ *tabwriter.Writer }

func newTable() table { return table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)} }

func (t table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, c)
	}
	fmt.Fprintln(t)
}

func report(subjects []*subject, coldStarts map[string]time.Duration, binaries string) {
	compare(subjects)
	fmt.Println()
	detail(subjects[0])
	fmt.Println()
	functions(coldStarts, binaries)
}

// compare has a column for each subject.
func compare(subjects []*subject) {
	t := newTable()
	defer t.Flush()
	line := func(title string, cell func(*subject) any) {
		cells := []any{title}
		for _, s := range subjects {
			cells = append(cells, cell(s))
		}
		t.row(cells...)
	}
	line("ONE ROTATION", func(s *subject) any { return s.name })
	line("", func(s *subject) any { return s.way() })
	line("database logins accepted / refused", func(s *subject) any { return fmt.Sprintf("%d / %d", s.warm.accepted, s.warm.refused) })
	line("statements, by the server's log", func(s *subject) any {
		if s.strategy == rotation.AlternatingUsers {
			return fmt.Sprintf("%d (first %d)", s.warm.statements, s.first.statements)
		}
		return s.warm.statements
	})
	line("Secrets Manager calls", func(s *subject) any { return sum(s.warm.calls) })
	line("state transitions", func(s *subject) any { return s.warm.entered })
	line("wall time warm / cold, ms", func(s *subject) any {
		return fmt.Sprintf("%d / %d", s.warm.took.Milliseconds(), s.cold.took.Milliseconds())
	})
	line("credential gap warm / cold, ms", func(s *subject) any {
		if s.warm.event.CredentialGapMs == nil {
			return "none"
		}
		return fmt.Sprintf("%d / %d", *s.warm.event.CredentialGapMs, *s.cold.event.CredentialGapMs)
	})
	line("a prober's logins refused, warm", func(s *subject) any { return s.warmProbed })
	line("a prober's logins refused, cold", func(s *subject) any { return s.coldProbed })
}

// String is for the table.
func (p probed) String() string {
	return fmt.Sprintf("%d of %d (%.0f/s)", p.refused, p.logins, p.rate)
}

// detail is one subject step by step.
func detail(s *subject) {
	t := newTable()
	defer t.Flush()
	t.row(fmt.Sprintf("%s, %s", s.name, s.strategy), "warm", "cold")
	for _, operation := range slices.Sorted(maps.Keys(s.warm.calls)) {
		t.row("  "+operation, s.warm.calls[operation], s.cold.calls[operation])
	}
	for _, operation := range slices.Sorted(maps.Keys(s.warm.other)) {
		t.row("  "+operation, s.warm.other[operation], s.cold.other[operation])
	}
	for i, step := range s.warm.steps {
		t.row("  "+step.State+", ms", step.Took.Milliseconds(), s.cold.steps[i].Took.Milliseconds())
	}
}

func functions(coldStarts map[string]time.Duration, binaries string) {
	t := newTable()
	defer t.Flush()
	t.row("FUNCTION", "size, MB", "process start to first answer, ms")
	_ = filepath.WalkDir(binaries, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "bootstrap" {
			return nil
		}
		function := filepath.Base(filepath.Dir(path))
		info, err := d.Info()
		if err != nil {
			return nil
		}
		start := "(not in this workflow)"
		if took, ok := coldStarts[function]; ok {
			start = fmt.Sprint(took.Milliseconds())
		}
		t.row(function, fmt.Sprintf("%.1f", float64(info.Size())/1e6), start)
		return nil
	})
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
