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

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
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

func report(subjects []*subject, started map[string]time.Duration, binaries string) {
	compare(subjects)
	fmt.Println()
	detail(subjects[0])
	fmt.Println()
	functions(started, binaries)
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
	line("ONE ROTATION", func(s *subject) any { return s.Name })
	line("", func(s *subject) any { return s.way() })
	line("database logins accepted / refused", func(s *subject) any { return fmt.Sprintf("%d / %d", s.warm[0].Accepted, s.warm[0].Refused) })
	line("statements, by the server's log", func(s *subject) any {
		if s.strategy == rotation.AlternatingUsers {
			to, fro := s.warm[0].Statements, s.warm[1].Statements
			return fmt.Sprintf("first %d, then %d to and %d fro", s.first.Statements, to, fro)
		}
		return s.warm[0].Statements
	})
	line("Secrets Manager calls", func(s *subject) any { return sum(s.warm[0].calls) })
	line("state transitions", func(s *subject) any { return s.warm[0].entered })
	line(fmt.Sprintf("(times: medians of %d)", 2*rounds), func(*subject) any { return "" })
	line("wall time warm, ms", func(s *subject) any { return wall(s.warm) })
	line("  as in production", func(s *subject) any { return wall(s.cold) })
	line("credential gap warm, ms", func(s *subject) any { return gap(s.warm) })
	line("  as in production", func(s *subject) any { return gap(s.cold) })
	line("a prober's logins refused, warm", func(s *subject) any { return s.warmProbed })
	line("  as in production", func(s *subject) any { return s.coldProbed })
}

// wall is how long a rotation took, in milliseconds.
func wall(all []measured) int64 {
	return medianOf(all, func(m measured) int64 { return m.took.Milliseconds() })
}

// gap is how long AWSCURRENT was refused.
func gap(all []measured) any {
	if all[0].event.CredentialGapMs == nil {
		return "none"
	}
	return medianOf(all, func(m measured) int64 { return *m.event.CredentialGapMs })
}

func medianOf(all []measured, what func(measured) int64) int64 {
	values := make([]int64, len(all))
	for i, m := range all {
		values[i] = what(m)
	}
	return median(values)
}

// String is for the table.
func (p probed) String() string {
	return fmt.Sprintf("%d of %d (%.0f/s)", p.refused, p.logins, p.rate)
}

// detail is one subject step by step.
func detail(s *subject) {
	t := newTable()
	defer t.Flush()
	warm, cold := s.warm[0], s.cold[0]
	t.row(fmt.Sprintf("%s, %s", s.Name, s.strategy), "warm", "as in production")
	for _, operation := range slices.Sorted(maps.Keys(warm.calls)) {
		t.row("  "+operation, warm.calls[operation], cold.calls[operation])
	}
	for _, operation := range slices.Sorted(maps.Keys(warm.other)) {
		t.row("  "+operation, warm.other[operation], cold.other[operation])
	}
	of := func(all []measured, state string) int64 {
		return medianOf(all, func(m measured) int64 {
			i := slices.IndexFunc(m.steps, func(s follow.Step) bool { return s.State == state })
			return m.steps[i].Took.Milliseconds()
		})
	}
	for _, step := range warm.steps {
		t.row("  "+step.State+", ms", of(s.warm, step.State), of(s.cold, step.State))
	}
}

func functions(started map[string]time.Duration, binaries string) {
	t := newTable()
	defer t.Flush()
	t.row("FUNCTION", "size, MB", "process start to first answer, ms", "of a hello world's")
	first := func(function string) (ms, times string) {
		took := started[function]
		return fmt.Sprintf("%.1f", float64(took.Microseconds())/1e3), fmt.Sprintf("%.2f", float64(took)/float64(started[hello]))
	}
	ms, times := first(hello)
	t.row(hello, "", ms, times)
	_ = filepath.WalkDir(binaries, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "bootstrap" {
			return nil
		}
		function := filepath.Base(filepath.Dir(path))
		info, err := d.Info()
		if err != nil {
			return nil
		}
		ms, times := first(function)
		t.row(function, fmt.Sprintf("%.1f", float64(info.Size())/1e6), ms, times)
		return nil
	})
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
